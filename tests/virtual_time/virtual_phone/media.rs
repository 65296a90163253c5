//! Packets that can be found again.

use super::*;

/// Codes that are different for each packet and contain no code that changes when it is recoded,
/// nor silence: a packet can be found again.
pub fn marked(number: usize, len: usize) -> Vec<u8> {
    let mut random = Random(number as u64);
    (0..len).map(|_| 0x80 + random.below(0x60) as u8).collect()
}

/// Looks for each packet in order, at most `reach_ms` behind the last one found; the numbers of
/// those that are not there whole.
pub fn missing(audio: &[u8], packets: &[Vec<u8>], reach_ms: usize) -> Vec<usize> {
    let mut from = 0;
    let mut lost = vec![];
    for (number, packet) in packets.iter().enumerate() {
        let window = &audio[from..audio.len().min(from + reach_ms * 8)];
        match window
            .windows(packet.len())
            .position(|run| run == packet.as_slice())
        {
            Some(at) => from += at + packet.len(),
            None => lost.push(number),
        }
    }
    lost
}
