//! The output clock of one recording: which frame is due when, and which frames are paused.
//!
//! Frame k covers 20 ms from `origin + 20 k ms` and is mixed `PLAYOUT_DELAY` after its end. The
//! origin is the start of the recording; the first packet moves it by less than a frame, so that
//! this packet begins a frame. Pauses are kept as frame numbers, since their frames are mixed
//! later.

use crate::base::limits::{
    FRAME, FRAME_SAMPLES, MAX_TAIL_FRAMES, MAX_TOGGLES, PLAYOUT_DELAY, SAMPLE_NANOS,
};
use crate::base::time::{Duration, Instant};

const SAMPLES: u64 = FRAME_SAMPLES as u64;

/// The clock and the pauses of one recording.
#[derive(Debug)]
pub struct MediaClock {
    origin: Instant,
    aligned: bool,
    /// Frames mixed so far.
    mixed: u64,
    /// The last frame to be mixed, once the recording is to stop.
    until: Option<u64>,
    toggles: heapless::Deque<(u64, bool), MAX_TOGGLES>,
    /// Whether the latest request was a pause, and whether the next frame is paused.
    paused: bool,
    paused_now: bool,
}

/// Too many pauses and resumes wait for their frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl MediaClock {
    /// A recording begins.
    pub fn new(now: Instant) -> Self {
        let toggles = heapless::Deque::new();
        Self {
            origin: now,
            aligned: false,
            mixed: 0,
            until: None,
            toggles,
            paused: false,
            paused_now: false,
        }
    }

    /// The first packet has arrived, and the frames are aligned to it.
    pub fn is_aligned(&self) -> bool {
        self.aligned
    }

    /// Aligns a frame boundary to the first packet; later calls have no effect.
    pub fn align(&mut self, arrival: Instant) {
        if !std::mem::replace(&mut self.aligned, true) {
            let into = arrival.since(self.origin).nanos() % FRAME.nanos();
            self.origin = self.origin + Duration::from_nanos(into);
        }
    }

    /// Samples from the beginning of the recording to `at`. Each packet needs it, and a 64-bit
    /// division takes a 32-bit phone hundreds of instructions; so it is computed relative to the
    /// next frame, in units of 8 ns.
    pub fn position(&self, at: Instant) -> i64 {
        const UNITS: i32 = (SAMPLE_NANOS / 8) as i32;
        let next = self.next_frame_at();
        let ahead = at.since(next).nanos() as i64 - next.since(at).nanos() as i64;
        match i32::try_from(ahead >> 3) {
            Ok(units) => (self.clock() + i64::from(units.div_euclid(UNITS))).max(0),
            Err(_) => (at.since(self.origin).nanos() / SAMPLE_NANOS) as i64,
        }
    }

    /// The time of a sample: the inverse of `position`.
    pub fn instant(&self, position: i64) -> Instant {
        let ahead = position - self.clock();
        let length = Duration::from_nanos(ahead.unsigned_abs().saturating_mul(SAMPLE_NANOS));
        if ahead >= 0 {
            self.next_frame_at() + length
        } else {
            self.next_frame_at() - length
        }
    }

    /// The first sample that has not been mixed.
    pub fn clock(&self) -> i64 {
        (self.mixed * SAMPLES) as i64
    }

    /// When the next frame begins, on the monotonic clock.
    pub fn next_frame_at(&self) -> Instant {
        self.origin + Duration::from_nanos(self.mixed * FRAME.nanos())
    }

    /// Frames of the call up to `now` that have not been mixed.
    pub fn unmixed(&self, now: Instant) -> u64 {
        self.until
            .unwrap_or(self.frames_to(now))
            .saturating_sub(self.mixed)
    }

    /// A frame is due.
    pub fn due(&self, now: Instant) -> bool {
        match self.until {
            Some(until) => self.mixed < until,
            None => now >= self.next_frame_at() + FRAME + PLAYOUT_DELAY,
        }
    }

    /// Advances past the frame that has been mixed; `true` if the frame is recorded, `false` if it
    /// is paused.
    pub fn advance(&mut self) -> bool {
        while let Some((frame, paused)) = self.toggles.front() {
            if *frame > self.mixed {
                break;
            }
            self.paused_now = *paused;
            self.toggles.pop_front();
        }
        self.mixed += 1;
        !self.paused_now
    }

    /// The latest request was a pause.
    pub fn paused(&self) -> bool {
        self.paused
    }

    /// The latest request was a pause, and all frames before it have been mixed.
    pub fn rests(&self) -> bool {
        self.paused && self.paused_now
    }

    /// Pauses or resumes from `now` on; `Ok(false)` if nothing changes.
    pub fn pause(&mut self, now: Instant, paused: bool) -> Result<bool, TooMany> {
        if self.paused == paused {
            return Ok(false);
        }
        // A later request never takes effect before an earlier one, whatever times they name.
        let frame = self
            .frames_to(now)
            .max(self.toggles.back().map_or(0, |(last, _)| *last));
        // A pause and a resume for the same frame cancel each other.
        let cancels = self.toggles.back().is_some_and(|(last, _)| *last == frame);
        if cancels {
            self.toggles.pop_back();
        } else {
            self.toggles
                .push_back((frame, paused))
                .map_err(|_| TooMany)?;
        }
        self.paused = paused;
        Ok(true)
    }

    /// Ends the recording: frames after `now` are not mixed, except that a packet which has arrived
    /// is not cut. Mixing continues up to `audio_end`, but at most for another second. All frames
    /// are due at once.
    pub fn stop(&mut self, now: Instant, audio_end: Option<i64>) {
        let frames = |samples: i64| u64::try_from(samples).unwrap_or(0).div_ceil(SAMPLES);
        let call = self.frames_to(now);
        let audio =
            frames(audio_end.unwrap_or(0)).min(frames(self.position(now)) + MAX_TAIL_FRAMES);
        self.until = Some(call.max(audio).max(self.mixed));
    }

    fn frames_to(&self, now: Instant) -> u64 {
        (now.since(self.origin).nanos() + FRAME.nanos() / 2) / FRAME.nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Instant {
        Instant::from_nanos(1_000_000_000) + Duration::from_millis(millis)
    }

    fn mixed(clock: &mut MediaClock, now: Instant) -> Vec<bool> {
        let mut kept = vec![];
        while clock.due(now) {
            kept.push(clock.advance());
        }
        kept
    }

    #[test]
    fn frames_are_mixed_a_delay_after_their_end() {
        let mut clock = MediaClock::new(ms(0));
        assert!(!clock.due(ms(319)) && clock.due(ms(320)));
        assert_eq!(mixed(&mut clock, ms(400)).len(), 5);
        assert_eq!(clock.clock(), 800);
        for nanos in [
            0,
            1,
            124_999,
            125_000,
            19_999_999,
            5_000_000_000,
            16_000_000_001,
            18_000_000_001,
            90_000_000_000,
        ] {
            let at = ms(0) + Duration::from_nanos(nanos);
            let position = clock.position(at);
            assert_eq!(position, (nanos / 125_000) as i64, "{nanos}");
            assert!(
                at.since(clock.instant(position)).nanos() < 125_000,
                "{nanos}"
            );
            assert_eq!(clock.position(clock.instant(position)), position);
        }
    }

    #[test]
    fn the_first_packet_begins_a_frame() {
        let mut clock = MediaClock::new(ms(0));
        clock.align(ms(47));
        clock.align(ms(55));
        assert_eq!(clock.position(ms(47)) % 160, 0);
        assert_eq!(clock.next_frame_at(), ms(7));
    }

    #[test]
    fn a_pause_falls_on_its_frame_though_it_is_mixed_later() {
        let mut clock = MediaClock::new(ms(0));
        assert_eq!(clock.pause(ms(100), true), Ok(true));
        assert_eq!(clock.pause(ms(110), true), Ok(false));
        assert_eq!(clock.pause(ms(200), false), Ok(true));
        let kept = mixed(&mut clock, ms(1000));
        let gaps: Vec<usize> = (0..kept.len()).filter(|i| !kept[*i]).collect();
        assert_eq!(gaps, [5, 6, 7, 8, 9]);
    }

    #[test]
    fn pauses_of_no_length_leave_no_trace_and_their_number_is_bounded() {
        let mut clock = MediaClock::new(ms(0));
        for _ in 0..1000 {
            assert_eq!(clock.pause(ms(100), true), Ok(true));
            assert_eq!(clock.pause(ms(101), false), Ok(true));
        }
        let refused = (0..100).find(|i| clock.pause(ms(200 + i * 20), i % 2 == 0).is_err());
        assert_eq!(refused, Some(MAX_TOGGLES as u64));
        assert!(mixed(&mut clock, ms(500)).iter().all(|kept| *kept));
    }

    #[test]
    fn stopping_keeps_the_packet_that_came_but_never_more() {
        for (stop, audio, frames) in [
            (1000, None, 50),
            (1000, Some(8160), 51),
            (1000, Some(90_000), 100),
            (5, None, 0),
        ] {
            let mut clock = MediaClock::new(ms(0));
            clock.stop(ms(stop), audio);
            assert_eq!(
                mixed(&mut clock, ms(stop)).len(),
                frames,
                "{stop} {audio:?}"
            );
        }
    }
}
