//! The rate of a leg's RTP clock where it is not one tick a sample.
//!
//! A payload says how many samples a packet has, two timestamps how many ticks lie between them. The two disagree in a
//! pause that the sender meant (DTX), and in a sender whose clock is wrong: G.722 with a clock of 16 kHz, or 320 ticks
//! for each 160 bytes. The arrivals tell one from the other. When ten packets in a row disagree, and came as fast as
//! their bytes say, then the timestamps are scaled from there on, and these ten are laid where they belong.

use super::{Audio, Leg};
use crate::base::limits::RATE_PACKETS;
use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::Skew;
use crate::proto::media::sample_ring::Track;

/// So many ticks of the sender are so many samples.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    ticks: i32,
    samples: i32,
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
struct Departed {
    /// Ticks since the last packet that did fit, and samples by the bytes.
    ticks: i32,
    samples: i32,
    /// Where it was laid, from that packet's place on, and how much of it.
    place: i32,
    len: u16,
}

/// Packets in a row that disagree.
#[derive(Debug, Default)]
pub(super) struct Trial {
    departed: heapless::Vec<Departed, RATE_PACKETS>,
    /// The leg as it was before the first of them.
    timestamp: u32,
    anchor: i64,
    end: i64,
    drift: i64,
    arrived_at: i64,
    /// Samples that passed from the last packet that fitted to the newest, lost ones included.
    samples: i32,
}

impl Trial {
    /// Some packets disagree, and have not been judged.
    pub(super) fn is_open(&self) -> bool {
        self.samples != 0
    }

    fn close(&mut self) {
        self.samples = 0;
        self.departed.clear();
    }

    /// All packets keep this rate: their timestamps are no arbitrary numbers.
    fn is_steady(&self, rate: Rate) -> bool {
        let keeps = |packet: &Departed| {
            let off = rate.samples(packet.ticks) - i64::from(packet.samples);
            off.abs() <= i64::from(packet.len / 2)
        };
        self.departed.iter().all(keeps)
    }
}

impl Leg {
    /// The newest packet is about to be placed, `step` after the one before it, and `ahead` samples by its timestamp.
    pub(super) fn compare_rate(&mut self, step: i32, ahead: i64) {
        let samples = step * self.length;
        if ahead == i64::from(samples) {
            if self.trial.is_open() {
                self.trial.close();
            }
            return;
        }
        if !self.trial.is_open() {
            self.trial.timestamp = self.anchor_timestamp;
            self.trial.arrived_at = self.last_at;
            (self.trial.anchor, self.trial.end, self.trial.drift) =
                (self.anchor, self.end, self.drift);
        }
        self.trial.samples += samples;
    }

    /// The packet was laid here whole.
    pub(super) fn note_place(&mut self, place: i64, audio: &Audio) {
        let ticks = audio.timestamp.wrapping_sub(self.trial.timestamp) as i32;
        let place = (place - self.trial.anchor) as i32;
        let (samples, len) = (self.trial.samples, audio.payload.len() as u16);
        let _ = self.trial.departed.push(Departed {
            ticks,
            samples,
            place,
            len,
        });
    }

    /// Whether enough packets disagree, and what that means; `clock` is the first sample not yet mixed.
    pub(super) fn judge_rate(&mut self, track: &mut Track, clock: i64, stats: &mut Stats) {
        if !self.trial.departed.is_full() {
            return;
        }
        let ticks = self.anchor_timestamp.wrapping_sub(self.trial.timestamp) as i32;
        let passed = self.last_at - self.trial.arrived_at;
        let by_bytes = (passed - i64::from(self.trial.samples)).abs();
        let by_ticks = (passed - self.rate.samples(ticks)).abs();
        let rate = Rate {
            ticks,
            samples: self.trial.samples,
        };
        if ticks > 0 && by_bytes < by_ticks / 2 && self.trial.is_steady(rate) {
            stats.count(Counter::WrongClock);
            self.rate = rate;
            if rate.samples < rate.ticks {
                self.lay_anew(track, clock);
            }
        }
        self.trial.close();
    }

    /// Lays the packets of the trial where the rate says. A clock that is too slow needs no such thing: packets in sequence
    /// never share a place, so they follow each other already.
    #[inline(never)]
    fn lay_anew(&mut self, track: &mut Track, clock: i64) {
        if self.provisional.is_some() {
            // They seemed to come early, so the reader was moved ahead.
            self.drift = self.trial.drift;
        }
        let (read, mut end) = (clock + self.drift, self.trial.end);
        for packet in &self.trial.departed {
            let from = self.trial.anchor + i64::from(packet.place);
            let place = self.trial.anchor + self.rate.samples(packet.ticks);
            track.wipe(end..place); // lost on the way
            for at in 0..i64::from(packet.len) {
                // It moves back, so nothing is overwritten that has still to move; what has been mixed stays.
                if let Some(code) = track.code(from + at).filter(|_| place + at >= read) {
                    track.store(place + at, &[code]);
                }
            }
            end = place + i64::from(packet.len);
        }
        track.wipe(end..self.end);
        self.end = end;
        let ticks = self.anchor_timestamp.wrapping_sub(self.trial.timestamp) as i32;
        self.anchor = self.trial.anchor + self.rate.samples(ticks);
        self.whole_to = self.whole_to.min(self.trial.end).max(read);
        while self.whole_to < self.end && track.has(self.whole_to) {
            self.whole_to += 1;
        }
        self.skew = Skew::from(self.last_at);
    }
}
