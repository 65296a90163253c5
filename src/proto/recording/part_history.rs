//! What happened during one part of a recording, for its sidecar.

use crate::base::limits::play::MAX_PAUSES;
use crate::base::limits::FRAME;
use crate::base::stats::Counter;
use crate::wire::recording::sidecar::Pauses;

/// The counters of missing audio that a sidecar lists.
pub const MISSING: [Counter; 9] = [
    Counter::NotRtp,
    Counter::UnknownPayload,
    Counter::Oversize,
    Counter::Encrypted,
    Counter::Late,
    Counter::Unconfirmed,
    Counter::TooManySources,
    Counter::KernelDrop,
    Counter::FramesLost,
];

/// The state of the phone's clock when a file was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone {
    /// Local time minus UTC.
    pub offset_minutes: i16,
    /// The clock had been set.
    pub clock_set: bool,
}

/// The history since the beginning of the part.
#[derive(Debug, Default)]
pub struct PartHistory {
    /// Frames of the recording before this part.
    first: u64,
    /// Position in the part's audio and length of each pause, in milliseconds. Includes pauses
    /// after the end of the part, which belong to the next one.
    pauses: heapless::Vec<[u32; 2], MAX_PAUSES>,
    /// Pauses that did not fit into the list.
    more: u32,
    /// The clock from which the name of its file was derived.
    pub zone: Zone,
    /// Its sidecar says that another part follows.
    pub followed: bool,
}

impl PartHistory {
    /// A part begins after `first` frames of the recording.
    pub fn begin(&mut self, first: u64) {
        let begin = self.position(first);
        while self.pauses.first().is_some_and(|[at, _]| *at < begin) {
            self.pauses.remove(0);
        }
        for [at, _] in &mut self.pauses {
            *at -= begin;
        }
        self.first = first;
        self.more = 0;
        self.followed = false;
    }

    /// A frame is paused after `frames` frames of the recording; it is one of them if it is
    /// `stored` as silence.
    pub fn pause(&mut self, frames: u64, stored: bool) {
        let now = self.position(frames);
        let frame = FRAME.millis() as u32;
        match self.pauses.last_mut() {
            Some([at, length]) if *at + if stored { *length } else { 0 } == now => *length += frame,
            _ => self.more += u32::from(self.pauses.push([now, frame]).is_err()),
        }
    }

    /// The pauses in a part of `frames` frames; one at its very end is included only if the part is
    /// the `last`.
    pub fn pauses(&self, frames: u64, last: bool) -> Pauses<'_> {
        let end = self.position(self.first + frames) + u32::from(last);
        let count = self.pauses.iter().take_while(|[at, _]| *at < end).count();
        match self.more {
            0 => Pauses::List(&self.pauses[..count]),
            more => Pauses::Count(count as u32 + more),
        }
    }

    /// In milliseconds from the part's beginning.
    fn position(&self, frames: u64) -> u32 {
        (frames.saturating_sub(self.first) * FRAME.millis()) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(history: &PartHistory, frames: u64, last: bool) -> Vec<[u32; 2]> {
        match history.pauses(frames, last) {
            Pauses::List(list) => list.to_vec(),
            Pauses::Count(count) => panic!("{count} pauses"),
        }
    }

    #[test]
    fn pauses_belong_to_the_part_in_whose_audio_they_are() {
        let mut history = PartHistory::default();
        history.begin(0);
        (0..5).for_each(|_| history.pause(10, false));
        (0..2).for_each(|_| history.pause(50, false));
        assert_eq!(listed(&history, 50, true), [[200, 100], [1000, 40]]);
        assert_eq!(
            listed(&history, 50, false),
            [[200, 100]],
            "a pause at the border is in the next part"
        );
        history.begin(50);
        history.pause(60, false);
        assert_eq!(listed(&history, 30, true), [[0, 40], [200, 20]]);
    }

    #[test]
    fn a_pause_that_is_stored_is_as_long_as_its_silence() {
        let mut history = PartHistory::default();
        (10..15)
            .chain(20..21)
            .for_each(|at| history.pause(at, true));
        assert_eq!(listed(&history, 50, true), [[200, 100], [400, 20]]);
    }

    #[test]
    fn too_many_are_counted() {
        let mut history = PartHistory::default();
        (0..MAX_PAUSES as u64 + 3).for_each(|n| history.pause(n * 10, false));
        assert_eq!(
            history.pauses(10_000, true),
            Pauses::Count(MAX_PAUSES as u32 + 3)
        );
    }
}
