//! Legs that send numbered packets.

use super::{marked, ms, rtp, Arriving};
use callrec::base::time::{Duration, Instant};

/// A leg that sends `packets` of `len` codes in its own time from `at`.
pub fn leg(
    at: Instant,
    port: usize,
    payload_type: u8,
    ssrc: u32,
    packets: &[Vec<u8>],
) -> Vec<Arriving> {
    let mut timestamp = 0xFFFF_F000u32; // wraps soon
    let mut time = at;
    let mut all = vec![];
    for (number, payload) in packets.iter().enumerate() {
        let sequence = (number as u16).wrapping_add(65_500); // wraps soon
        all.push((
            time,
            port,
            rtp(payload_type, sequence, timestamp, ssrc, payload),
        ));
        timestamp = timestamp.wrapping_add(payload.len() as u32);
        time = time + Duration::from_nanos(payload.len() as u64 * 125_000);
    }
    all
}

pub fn packets(count: usize, len: usize) -> Vec<Vec<u8>> {
    (0..count).map(|number| marked(number, len)).collect()
}

/// A leg of 20 ms packets, and their payloads.
pub fn numbered_leg(begin: Instant, port: usize, count: u64) -> (Vec<Vec<u8>>, Vec<Arriving>) {
    let sent: Vec<Vec<u8>> = (0..count)
        .map(|n| marked((n * 10) as usize + port, 160))
        .collect();
    let stream = sent.iter().zip(0u64..).map(|(payload, n)| {
        (
            begin + ms(20 * n),
            port,
            rtp(0, n as u16, n as u32 * 160, 5 + port as u32, payload),
        )
    });
    let stream = stream.collect();
    (sent, stream)
}
