//! The drift between a sender's clock and ours: measured as the minimum delay over some seconds,
//! corrected by single samples.

use crate::base::limits::{DRIFT_DEAD_BAND, DRIFT_PACKETS, DRIFT_WINDOW, FRAME_SAMPLES};

const FRAME: i64 = FRAME_SAMPLES as i64;

/// Observes the minimum lateness of packets, and determines by how many samples the reader must be
/// moved.
#[derive(Debug, Default)]
pub struct ClockDrift {
    since: i64,
    packets: u32,
    least: i64,
    pending: i64,
}

impl ClockDrift {
    /// Starts the observation at `at`.
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

    /// A packet that arrived at `at` was `late` samples later than its position.
    pub fn observe(&mut self, at: i64, late: i64) {
        self.least = if self.packets == 0 {
            late
        } else {
            self.least.min(late)
        };
        self.packets += 1;
        if at - self.since < DRIFT_WINDOW {
            return;
        }
        if self.packets >= DRIFT_PACKETS {
            self.pending = if self.least.abs() > DRIFT_DEAD_BAND {
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

    /// +1: the packets are late, stretch this frame by a sample; -1: shrink it; 0: leave it.
    pub fn step(&mut self, clock: i64, waiting: i64) -> i64 {
        if self.pending == 0 || waiting <= FRAME {
            return 0;
        }
        // A small drift is not urgent: it is corrected in each fourth frame only. (In 32 bits: a
        // phone has no instruction that divides 64 bits.)
        if self.pending.abs() <= FRAME && clock as u32 % (4 * FRAME) as u32 != 0 {
            return 0;
        }
        let step = self.pending.signum();
        self.pending -= step;
        self.least -= step;
        step
    }
}

/// Converts 159 to 161 samples to 160: one sample is duplicated or dropped where the signal changes
/// least, so that it is hardly audible.
pub fn resize(span: &[i16]) -> [i16; FRAME_SAMPLES] {
    let jump = |pair: &[i16]| (i32::from(pair[1]) - i32::from(pair[0])).abs();
    let jumps = span.windows(2).map(jump).enumerate();
    let smallest = jumps.min_by_key(|(_, jump)| *jump);
    let seam = smallest.map_or(0, |(seam, _)| seam);
    core::array::from_fn(|i| {
        let from = match span.len() {
            longer if longer > FRAME_SAMPLES && i > seam => i + 1,
            shorter if shorter < FRAME_SAMPLES && i > seam => i - 1,
            _ => i,
        };
        span.get(from).copied().unwrap_or(0)
    })
}
