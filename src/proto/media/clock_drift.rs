//! A sender's clock against ours: found by the least delay of some seconds, followed by single
//! samples.
//!
//! Jitter only adds to the least delay of a path. So the least delay of the first window is the
//! reference, and a clock is wrong when two windows in a row depart from it in one direction by
//! more than a dead band. A constant offset, as that of a first packet that came late, is no wrong
//! clock: it is removed where the source is silent, and nowhere else.

use crate::base::limits::{DRIFT_DEAD_BAND, DRIFT_PACKETS, DRIFT_WINDOW, FRAME_SAMPLES};

const FRAME: i64 = FRAME_SAMPLES as i64;

/// Watches how late packets are, and says how many samples the reader should give way.
#[derive(Debug, Default)]
pub struct ClockDrift {
    window: Window,
    /// The least lateness of the first window; `None` while that lasts.
    reference: Option<i64>,
    /// The departure of the last window from the reference, if it was beyond the dead band, else 0.
    departed: i64,
    /// Samples that the reader has still to give way.
    pending: i64,
    /// In the last window, or in this one, so many packets were delayed that the least of a few
    /// says nothing.
    needs_all: bool,
}

/// Some seconds of packets.
#[derive(Debug, Default)]
struct Window {
    since: i64,
    packets: u32,
    least: i64,
    /// Packets that came later than the least late one by more than the dead band.
    delayed: u32,
}

impl Window {
    fn from(since: i64) -> Self {
        Self {
            since,
            ..Self::default()
        }
    }

    /// So many packets are delayed that the least of a few says nothing.
    fn is_jittery(&self) -> bool {
        self.packets >= 4 && self.delayed * 4 > self.packets
    }

    fn add(&mut self, late: i64) {
        if self.packets == 0 || late < self.least - DRIFT_DEAD_BAND {
            // What came until now was delayed, measured by this packet.
            self.delayed = self.packets;
            self.least = late;
        }
        self.least = self.least.min(late);
        self.delayed += u32::from(late - self.least > DRIFT_DEAD_BAND);
        self.packets += 1;
    }
}

impl ClockDrift {
    /// Starts the observation at `at`.
    pub fn from(at: i64) -> Self {
        Self {
            window: Window::from(at),
            ..Self::default()
        }
    }

    /// Samples by which the packets are late (positive) or early; 0 within the dead band.
    pub fn offset(&self) -> i64 {
        let offset = self.reference.unwrap_or(0) + self.pending;
        if offset.abs() > DRIFT_DEAD_BAND {
            offset
        } else {
            0
        }
    }

    /// Each arrival is to be measured: a few of them do not show the least delay.
    pub fn needs_all(&self) -> bool {
        self.needs_all
    }

    /// A packet that came at `at` was `late` samples after its place.
    pub fn observe(&mut self, at: i64, late: i64) {
        self.window.add(late);
        self.needs_all |= self.window.is_jittery();
        if at - self.window.since < DRIFT_WINDOW {
            return;
        }
        if self.window.packets >= DRIFT_PACKETS {
            self.judge();
        }
        self.window = Window::from(at);
    }

    fn judge(&mut self) {
        self.needs_all = self.window.is_jittery();
        let reference = *self.reference.get_or_insert(self.window.least);
        let departure = self.window.least - reference;
        let departs = departure.abs() > DRIFT_DEAD_BAND;
        let again = departs && self.departed.signum() == departure.signum();
        self.pending = if again { departure } else { 0 };
        self.departed = if departs { departure } else { 0 };
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
        self.window.least -= step;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The corrections in so many seconds of 20 ms packets that come `late(n)` samples after their
    /// place.
    fn corrections(seconds: i64, late: impl Fn(i64) -> i64) -> (Vec<i64>, i64) {
        let mut drift = ClockDrift::from(0);
        let mut given_way = 0;
        let mut steps = vec![];
        for n in 0..seconds * 50 {
            let at = n * FRAME;
            drift.observe(at, late(n) - given_way);
            let step = drift.step(at, 2 * FRAME);
            given_way += step;
            if step != 0 {
                steps.push(at);
            }
        }
        (steps, given_way)
    }

    #[test]
    fn a_constant_offset_is_no_wrong_clock() {
        for offset in [-160, -48, 48, 400] {
            assert_eq!(corrections(600, |_| offset).1, 0, "{offset}");
        }
    }

    #[test]
    fn jitter_is_no_wrong_clock() {
        // Up to 100 ms, in bursts and alone; each window has a packet that was not delayed.
        for period in [3, 7, 50, 190] {
            let late = |n: i64| if n % period == 0 { 0 } else { n * 7919 % 800 };
            assert_eq!(corrections(600, late).1, 0, "{period}");
        }
    }

    #[test]
    fn a_wrong_clock_is_followed_sample_by_sample() {
        for ppm in [-500, -20, 20, 500] {
            let late = |n: i64| n * FRAME * ppm / 1_000_000;
            let (steps, given_way) = corrections(4 * 3600, late);
            let drifted = late(4 * 3600 * 50);
            assert!(
                (given_way - drifted).abs() <= 2 * DRIFT_DEAD_BAND + 32,
                "{ppm}: {given_way}"
            );
            assert!(
                steps.len() as i64 <= drifted.abs(),
                "{ppm}: {}",
                steps.len()
            );
            // Nothing before 4 ms of drift.
            let first = steps[0] * ppm.abs() / 1_000_000;
            assert!(
                first >= DRIFT_DEAD_BAND,
                "{ppm}: after {first} samples of drift"
            );
        }
    }
}
