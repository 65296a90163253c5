//! One party of the simulated call: RTP packets, each with its time.

use std::time::Duration;

use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// One source's packets, in the order of their times.
#[derive(Clone, Debug)]
pub(super) struct Leg {
    /// What the leg is called in the output.
    pub(super) name: String,
    /// When each datagram is sent, from the call's start.
    pub(super) packets: Vec<(Duration, Vec<u8>)>,
    /// The length of the last packet's audio.
    pub(super) tail: Duration,
}

impl Leg {
    /// Samples at 8 kHz, packed into `ptime_ms` each.
    pub(super) fn of_samples(
        name: &str,
        samples: &[i16],
        law: Law,
        ptime_ms: u32,
        ssrc: u32,
    ) -> Self {
        let codes: Vec<u8> = samples
            .iter()
            .map(|sample| law.encode_one(i32::from(*sample)))
            .collect();
        Self::of_codes(name, &codes, law.payload_type(), ptime_ms, ssrc)
    }

    /// Codes of one byte a sample, packed into `ptime_ms` each.
    pub(super) fn of_codes(
        name: &str,
        codes: &[u8],
        payload_type: u8,
        ptime_ms: u32,
        ssrc: u32,
    ) -> Self {
        let size = ptime_ms as usize * 8;
        let packet = |(index, payload): (usize, &[u8])| {
            let header = Packet {
                marker: index == 0,
                payload_type,
                sequence: index as u16,
                timestamp: (index * size) as u32,
                ssrc,
                payload: &[],
            };
            let at = Duration::from_millis(u64::from(ptime_ms) * index as u64);
            (at, [&header.emit_header(), payload].concat())
        };
        let packets = codes.chunks(size).enumerate().map(packet).collect();
        Self {
            name: name.into(),
            packets,
            tail: Duration::from_millis(ptime_ms.into()),
        }
    }

    /// When the last packet's audio ends.
    pub(super) fn length(&self) -> Duration {
        self.packets
            .last()
            .map_or(Duration::ZERO, |(at, _)| *at + self.tail)
    }
}
