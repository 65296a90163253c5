//! The position of a source's newest packet, and how a wrong timestamp is recognized.

use crate::base::limits::{
    DRIFT_DEAD_BAND, FRAME_SAMPLES, LEG_HISTORY, LEG_SAMPLES, MAX_DROPOUT, MAX_EARLY_STEP,
    MAX_TIMESTAMP_ERROR,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::ClockDrift;
use crate::proto::media::jitter_buffer::packet::{snap, Arrival, Audio, FRAME};
use crate::proto::media::jitter_buffer::{JitterBuffer, WIPED};
use crate::proto::media::sample_ring::SampleRing;

/// The farthest position ahead of the reader that a packet may have.
const AHEAD: i64 = (LEG_SAMPLES - LEG_HISTORY - 2 * FRAME_SAMPLES) as i64 - WIPED;
/// How far a source may be ahead before audio that arrives faster than real time is dropped: 200
/// ms.
const MAX_BACKLOG: i64 = 1600;

impl JitterBuffer {
    /// A packet of the same sender in another codec, which another buffer handles: this buffer is
    /// silent there, and nothing is missing.
    pub fn cede(&mut self, at: i64, audio: &Audio) {
        if !(1..=MAX_DROPOUT).contains(&self.step(audio.sequence)) {
            return;
        }
        self.shares = true;
        self.newest.sequence = audio.sequence;
        self.newest.place += self.since_anchor(audio.timestamp);
        self.newest.timestamp = audio.timestamp;
        self.newest.length = audio.samples() as i32;
        self.arrivals.last_at = self.arrivals.last_at.max(at);
    }

    /// A packet without audio. It only continues the sequence, so that the gap before the next
    /// packet counts as deliberate, not as loss.
    pub fn pass(&mut self, sequence: u16, at: i64) {
        if self.step(sequence) > 0 {
            self.newest.sequence = sequence;
        }
        self.arrivals.last_at = self.arrivals.last_at.max(at);
    }

    /// Replaces what is stored from `offset` samples behind a packet's beginning on, where it is
    /// not mixed yet.
    pub fn replace(
        &self,
        ring: &mut SampleRing,
        clock: i64,
        timestamp: u32,
        offset: i64,
        codes: &[u8],
    ) {
        let place = self.newest.place + self.since_anchor(timestamp) + offset;
        let read = clock + self.reader.drift;
        for (at, code) in (place..).zip(codes) {
            if at >= read && ring.has(at) {
                ring.store(at, &[*code]);
            }
        }
    }

    /// The position of the newest packet: given by its timestamp, unless that must be wrong.
    pub(super) fn place(
        &mut self,
        ring: &mut SampleRing,
        arrival: Arrival,
        place: i64,
        in_sequence: bool,
        len: i64,
        stats: &mut Stats,
    ) -> Option<i64> {
        let Arrival { at, clock, .. } = arrival;
        let here = at + self.reader.drift;
        let read = clock + self.reader.drift;
        let late = here - place;
        let empty = self.stored.end <= read;
        // Half the step counts where the packet lies ahead of all arrivals besides: no jitter does
        // both.
        let step_ahead = (place - self.newest.place) - (at - self.arrivals.last_at);
        let leaps = step_ahead > MAX_EARLY_STEP
            || (step_ahead > MAX_EARLY_STEP / 2 && late < -MAX_EARLY_STEP);
        let ran_ahead = in_sequence && place > self.stored.end && leaps;
        let jumped = late.abs() > MAX_TIMESTAMP_ERROR || place + len > read + AHEAD || ran_ahead;
        if jumped || (empty && (place < read || late.abs() > FRAME)) {
            return self.reanchor(at, empty, stats);
        }
        if self.provisional.is_some() && late < -DRIFT_DEAD_BAND {
            self.advance_reader(ring, clock, place - snap(at));
        }
        // Two packets in sequence never overlap, whatever their timestamps say.
        Some(if in_sequence {
            place.max(self.stored.end.min(here + MAX_BACKLOG))
        } else {
            place
        })
    }

    /// A position by arrival: directly after the waiting audio if that is near; `None` if too much
    /// is waiting.
    fn reanchor(&mut self, at: i64, empty: bool, stats: &mut Stats) -> Option<i64> {
        let here = at + self.reader.drift;
        stats.count(Counter::Reanchored);
        self.reader.clock_drift = ClockDrift::from(at);
        if empty {
            let place = snap(at) + self.reader.drift;
            self.provisional = Some(place);
            return Some(place);
        }
        match here - self.stored.end {
            gap if gap > FRAME => Some(snap(at) + self.reader.drift),
            gap if gap >= -MAX_BACKLOG => Some(self.stored.end),
            _ => None,
        }
    }

    /// Moves the reader ahead because the provisional anchor was late by this much, but not past
    /// audio that is waiting: the rest is clock drift, which is corrected in small steps.
    fn advance_reader(&mut self, ring: &mut SampleRing, clock: i64, drift: i64) {
        let drift = drift.min(self.provisional.unwrap_or(0) - clock);
        if drift > self.reader.drift {
            self.wipe(ring, clock + drift);
            self.reader.drift = drift;
            self.reader.clock_drift = ClockDrift::from(self.arrivals.last_at);
        }
    }
}
