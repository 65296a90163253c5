//! A sender's clock against ours: found by the least delay of some seconds, followed by single samples.

use crate::base::limits::{FRAME_SAMPLES, SKEW_DEAD_BAND, SKEW_PACKETS, SKEW_WINDOW};

const FRAME: i64 = FRAME_SAMPLES as i64;

/// Watches the least lateness of packets, and says how many samples the reader should give way.
#[derive(Debug, Default)]
pub struct ClockDrift {
    since: i64,
    packets: u32,
    least: i64,
    pending: i64,
}

impl ClockDrift {
    /// Begins to watch at `at`.
    pub fn from(at: i64) -> Self {
        Self {
            since: at,
            ..Self::default()
        }
    }

    /// Samples by which the packets are late (positive) or early, beyond the dead band.
    pub fn pending(&self) -> i64 {
        self.pending
    }

    /// A packet that came at `at` was `late` samples behind its place.
    pub fn observe(&mut self, at: i64, late: i64) {
        self.least = if self.packets == 0 {
            late
        } else {
            self.least.min(late)
        };
        self.packets += 1;
        if at - self.since < SKEW_WINDOW {
            return;
        }
        if self.packets >= SKEW_PACKETS {
            self.pending = if self.least.abs() > SKEW_DEAD_BAND {
                self.least
            } else {
                0
            };
        }
        *self = Self {
            since: at,
            pending: self.pending,
            ..Self::default()
        };
    }

    /// +1: the packets come late, stretch this frame by a sample; -1: shrink it; 0: leave it.
    pub fn step(&mut self, clock: i64, waiting: i64) -> i64 {
        if self.pending == 0 || waiting <= FRAME {
            return 0;
        }
        // No hurry: with each fourth frame. (In 32 bits: a phone has no instruction to divide 64.)
        if self.pending.abs() <= FRAME && clock as u32 % (4 * FRAME) as u32 != 0 {
            return 0;
        }
        let step = self.pending.signum();
        self.pending -= step;
        self.least -= step;
        step
    }
}

/// 159, 160 or 161 samples -> 160: one is doubled or left out where it is heard least.
pub fn resize(span: &[i16]) -> [i16; FRAME_SAMPLES] {
    let jump = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
    let seam = span
        .windows(2)
        .map(jump)
        .enumerate()
        .min_by_key(|(_, jump)| *jump)
        .map_or(0, |(seam, _)| seam);
    core::array::from_fn(|i| {
        let from = match span.len() {
            longer if longer > FRAME_SAMPLES && i > seam => i + 1,
            shorter if shorter < FRAME_SAMPLES && i > seam => i - 1,
            _ => i,
        };
        span.get(from).copied().unwrap_or(0)
    })
}
