//! A source whose RTP clock has a wrong rate: detected with ten packets, which are then moved to
//! their correct positions.

use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::ClockDrift;
use crate::proto::media::jitter_buffer::clock_rate::{Mismatch, Rate};
use crate::proto::media::jitter_buffer::packet::Audio;
use crate::proto::media::jitter_buffer::JitterBuffer;
use crate::proto::media::sample_ring::SampleRing;

impl JitterBuffer {
    /// Compares timestamp and length of the newest packet, before it is stored: it is `step`
    /// packets after the previous one, and `ahead` samples by its timestamp.
    pub(super) fn compare_rate(&mut self, step: i32, ahead: i64) {
        let samples = step * self.newest.length;
        if ahead == i64::from(samples) {
            if self.trial.is_open() {
                self.trial.close();
            }
            return;
        }
        if !self.trial.is_open() {
            self.trial.timestamp = self.newest.timestamp;
            self.trial.arrived_at = self.arrivals.last_at;
            self.trial.anchor = self.newest.place;
            self.trial.end = self.stored.end;
            self.trial.drift = self.reader.drift;
        }
        self.trial.samples += samples;
    }

    /// The packet was stored whole at `place`.
    pub(super) fn record_placement(&mut self, place: i64, audio: &Audio) {
        let ticks = audio.timestamp.wrapping_sub(self.trial.timestamp) as i32;
        let place = (place - self.trial.anchor) as i32;
        let _ = self.trial.mismatches.push(Mismatch {
            ticks,
            samples: self.trial.samples,
            place,
            len: audio.payload.len() as u16,
        });
    }

    /// If enough packets do not match, decides what that means; `clock` is the first sample not yet
    /// mixed.
    pub(super) fn decide_rate(&mut self, ring: &mut SampleRing, clock: i64, stats: &mut Stats) {
        if !self.trial.mismatches.is_full() {
            return;
        }
        let ticks = self.newest.timestamp.wrapping_sub(self.trial.timestamp) as i32;
        let passed = self.arrivals.last_at - self.trial.arrived_at;
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
                self.reposition_packets(ring, clock);
            }
        }
        self.trial.close();
    }

    /// Moves the packets of the trial to the positions that the rate gives. With a clock that is
    /// too slow, this is not necessary: packets in sequence never overlap, so they already follow
    /// each other.
    #[inline(never)]
    fn reposition_packets(&mut self, ring: &mut SampleRing, clock: i64) {
        if self.provisional.is_some() {
            // The packets seemed to arrive early, so the reader was moved ahead.
            self.move_reader(clock, self.trial.drift);
        }
        let read = clock + self.reader.drift;
        let mut end = self.trial.end;
        for packet in &self.trial.mismatches {
            let from = self.trial.anchor + i64::from(packet.place);
            let place = self.trial.anchor + self.rate.samples(packet.ticks);
            ring.wipe(end..place); // lost packets
            for at in 0..i64::from(packet.len) {
                // Packets move towards the beginning, so nothing is overwritten that has still to
                // move. Mixed samples stay.
                if let Some(code) = ring.code(from + at).filter(|_| place + at >= read) {
                    ring.store(place + at, &[code]);
                }
            }
            end = place + i64::from(packet.len);
        }
        ring.wipe(end..self.stored.end);
        self.stored.end = end;
        let ticks = self.newest.timestamp.wrapping_sub(self.trial.timestamp) as i32;
        self.newest.place = self.trial.anchor + self.rate.samples(ticks);
        self.stored.whole_to = self.stored.whole_to.min(self.trial.end).max(read);
        while self.stored.whole_to < self.stored.end && ring.has(self.stored.whole_to) {
            self.stored.whole_to += 1;
        }
        self.reader.clock_drift = ClockDrift::from(self.arrivals.last_at);
    }
}
