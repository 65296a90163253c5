//! The rate of a source's RTP clock where it is not one tick per sample.
//!
//! The payload determines how many samples a packet has, two timestamps how many ticks lie between
//! two packets. They differ in a deliberate pause of the sender (DTX), and when the sender's clock
//! is wrong: G.722 with a clock of 16 kHz, or 320 ticks for each 160 bytes. The arrivals
//! distinguish the two cases. If ten packets in a row differ, and arrived at the rate that their
//! lengths imply, the timestamps are scaled from there on, and these ten packets are moved to their
//! correct positions.

use crate::base::limits::RATE_PACKETS;
use crate::proto::media::jitter_buffer::packet::Format;

/// This many ticks of the sender's clock are this many samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    pub(super) ticks: i32,
    pub(super) samples: i32,
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            ticks: 1,
            samples: 1,
        }
    }
}

impl Rate {
    /// The rate of a sender whose clock is right.
    pub(super) fn of(format: Format) -> Self {
        match format {
            Format::L16Wideband => Self {
                ticks: 2,
                samples: 1,
            },
            Format::G711(_) | Format::G722 | Format::L16 => Self::default(),
        }
    }

    /// Converts ticks to samples.
    #[inline]
    pub(super) fn samples(self, ticks: i32) -> i64 {
        if self.ticks == self.samples {
            ticks.into()
        } else {
            self.scaled(ticks)
        }
    }

    /// Not inlined: a 64-bit division takes a phone hundreds of instructions and is rarely needed.
    #[inline(never)]
    fn scaled(self, ticks: i32) -> i64 {
        let scaled = i64::from(ticks) * i64::from(self.samples);
        scaled.div_euclid(self.ticks.into())
    }
}

/// A packet whose timestamp step does not match the length of the packet before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mismatch {
    /// Ticks since the last packet that matched, and samples according to the packet lengths.
    pub(super) ticks: i32,
    pub(super) samples: i32,
    /// Its position relative to that packet, and its length.
    pub(super) place: i32,
    pub(super) len: u16,
}

/// Consecutive packets that do not match.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) mismatches: heapless::Vec<Mismatch, RATE_PACKETS>,
    /// The state of the buffer before the first of them.
    pub(super) timestamp: u32,
    pub(super) anchor: i64,
    pub(super) end: i64,
    pub(super) drift: i64,
    pub(super) arrived_at: i64,
    /// Samples from the last matching packet to the newest one, lost packets included.
    pub(super) samples: i32,
}

impl Trial {
    /// Some packets do not match, and no decision has been made.
    pub(super) fn is_open(&self) -> bool {
        self.samples != 0
    }

    pub(super) fn close(&mut self) {
        self.samples = 0;
        self.mismatches.clear();
    }

    /// All packets match this rate: their timestamps are not arbitrary.
    pub(super) fn is_steady(&self, rate: Rate) -> bool {
        let keeps = |packet: &Mismatch| {
            let off = rate.samples(packet.ticks) - i64::from(packet.samples);
            off.abs() <= i64::from(packet.len / 2)
        };
        self.mismatches.iter().all(keeps)
    }
}
