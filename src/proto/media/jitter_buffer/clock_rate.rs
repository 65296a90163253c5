//! The rate of a leg's RTP clock where it is not one tick a sample.
//!
//! A payload says how many samples a packet has, two timestamps how many ticks lie between them. The two disagree in a
//! pause that the sender meant (DTX), and in a sender whose clock is wrong: G.722 with a clock of 16 kHz, or 320 ticks
//! for each 160 bytes. The arrivals tell one from the other. When ten packets in a row disagree, and came as fast as
//! their bytes say, then the timestamps are scaled from there on, and these ten are laid where they belong.

use crate::base::limits::RATE_PACKETS;

/// So many ticks of the sender are so many samples.
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
    /// The samples that pass with these ticks.
    #[inline]
    pub(super) fn samples(self, ticks: i32) -> i64 {
        if self.ticks == self.samples {
            ticks.into()
        } else {
            self.scaled(ticks)
        }
    }

    /// Not inlined: a phone divides 64 bits in hundreds of instructions, and hardly ever has to.
    #[inline(never)]
    fn scaled(self, ticks: i32) -> i64 {
        let scaled = i64::from(ticks) * i64::from(self.samples);
        scaled.div_euclid(self.ticks.into())
    }
}

/// A packet whose timestamp does not fit the bytes of the one before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departed {
    /// Ticks since the last packet that did fit, and samples by the bytes.
    pub(super) ticks: i32,
    pub(super) samples: i32,
    /// Where it was laid, from that packet's place on, and how much of it.
    pub(super) place: i32,
    pub(super) len: u16,
}

/// Packets in a row that disagree.
#[derive(Debug, Default)]
pub(super) struct Trial {
    pub(super) departed: heapless::Vec<Departed, RATE_PACKETS>,
    /// The leg as it was before the first of them.
    pub(super) timestamp: u32,
    pub(super) anchor: i64,
    pub(super) end: i64,
    pub(super) drift: i64,
    pub(super) arrived_at: i64,
    /// Samples that passed from the last packet that fitted to the newest, lost ones included.
    pub(super) samples: i32,
}

impl Trial {
    /// Some packets disagree, and have not been judged.
    pub(super) fn is_open(&self) -> bool {
        self.samples != 0
    }

    pub(super) fn close(&mut self) {
        self.samples = 0;
        self.departed.clear();
    }

    /// All packets keep this rate: their timestamps are no arbitrary numbers.
    pub(super) fn is_steady(&self, rate: Rate) -> bool {
        let keeps = |packet: &Departed| {
            let off = rate.samples(packet.ticks) - i64::from(packet.samples);
            off.abs() <= i64::from(packet.len / 2)
        };
        self.departed.iter().all(keeps)
    }
}
