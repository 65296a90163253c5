//! Where a leg's newest packet goes, and when its timestamp cannot be true.

use super::{Arrival, Leg, FRAME, WIPED};
use crate::base::limits::{
    FRAME_SAMPLES, LEG_HISTORY, LEG_SAMPLES, MAX_EARLY_STEP, MAX_TIMESTAMP_ERROR, SKEW_DEAD_BAND,
    SNAP,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::Skew;
use crate::proto::media::sample_ring::Track;

/// How far ahead of the reader a packet may lie.
const AHEAD: i64 = (LEG_SAMPLES - LEG_HISTORY - 2 * FRAME_SAMPLES) as i64 - WIPED;
/// How far a leg may have run ahead before audio that comes faster than time is dropped: 200 ms.
const MAX_BACKLOG: i64 = 1600;

impl Leg {
    /// Where the newest packet goes: by its timestamp, unless that cannot be true.
    pub(super) fn place(
        &mut self,
        track: &mut Track,
        arrival: Arrival,
        place: i64,
        in_sequence: bool,
        len: i64,
        stats: &mut Stats,
    ) -> Option<i64> {
        let Arrival { at, clock, .. } = arrival;
        let (here, read) = (at + self.drift, clock + self.drift);
        let (late, empty) = (here - place, self.end <= read);
        let ran_ahead = in_sequence
            && place > self.end
            && (place - self.anchor) - (at - self.last_at) > MAX_EARLY_STEP;
        let jumped = late.abs() > MAX_TIMESTAMP_ERROR || place + len > read + AHEAD || ran_ahead;
        if jumped || (empty && (place < read || late.abs() > FRAME)) {
            return self.anchor_anew(at, empty, stats);
        }
        if self.provisional.is_some() && late < -SKEW_DEAD_BAND {
            self.hasten(track, clock, place - snap(at));
        }
        // Two packets in sequence never share a place, whatever their timestamps say.
        Some(if in_sequence {
            place.max(self.end.min(here + MAX_BACKLOG))
        } else {
            place
        })
    }

    /// A place by arrival: behind what is waiting, if that is near; `None` if too much is waiting.
    fn anchor_anew(&mut self, at: i64, empty: bool, stats: &mut Stats) -> Option<i64> {
        let here = at + self.drift;
        stats.count(Counter::Reanchored);
        self.skew = Skew::from(at);
        if empty {
            let place = snap(at) + self.drift;
            self.provisional = Some(place);
            return Some(place);
        }
        match here - self.end {
            gap if gap > FRAME => Some(snap(at) + self.drift),
            gap if gap >= -MAX_BACKLOG => Some(self.end),
            _ => None,
        }
    }

    /// Moves the reader ahead, since the provisional anchor was late by this much; but not past audio
    /// that is waiting: what is left is skew, to be followed in small steps.
    fn hasten(&mut self, track: &mut Track, clock: i64, drift: i64) {
        let drift = drift.min(self.provisional.unwrap_or(0) - clock);
        if drift > self.drift {
            self.wipe(track, clock + drift);
            self.drift = drift;
            self.skew = Skew::from(self.last_at);
        }
    }
}

/// The frame border close by, or the position itself.
pub(super) fn snap(at: i64) -> i64 {
    match at.rem_euclid(FRAME) {
        past if past <= SNAP => at - past,
        past if past >= FRAME - SNAP => at + FRAME - past,
        _ => at,
    }
}
