//! What the recordings share in one turn of the event loop: buffers, and how much silence may be
//! written.

use crate::base::limits::server::{SHARED_SILENCE_FRAMES_PER_TURN, SILENCE_FRAMES_PER_TURN};
use crate::io::clock::Now;
use crate::io::sys::Batch;
use crate::server::record::counters::Counters;

/// Buffers that one recording after the other uses.
#[derive(Default)]
pub(super) struct Workspace {
    pub(super) batch: Batch,
    pub(super) writing: WriteSpace,
}

/// What writing to a file needs.
#[derive(Default)]
pub(super) struct WriteSpace {
    pub(super) buffer: Vec<u8>,
    pub(super) silence: SilenceBudget,
}

/// What a recording is given for its turn.
pub(super) struct RecordingTurn<'a> {
    pub(super) now: &'a Now,
    pub(super) writing: &'a mut WriteSpace,
    pub(super) counters: &'a mut Counters,
}

/// Frames of silence that may be written in a turn: each recording has an allowance of its own, and
/// beyond that a share of what all of them have together. So a long pause delays neither the loop
/// nor other recordings.
#[derive(Default)]
pub(super) struct SilenceBudget {
    /// What the current recording may still write.
    pub(super) left: u64,
    shared: u64,
}

impl SilenceBudget {
    /// A turn of all recordings begins.
    pub(super) fn begin_turn(&mut self) {
        self.shared = SHARED_SILENCE_FRAMES_PER_TURN;
    }

    /// The turn of one recording begins.
    pub(super) fn begin_recording(&mut self) {
        self.left = SILENCE_FRAMES_PER_TURN + self.shared;
    }

    /// The turn of one recording ends: what it has used beyond its own allowance is taken from the
    /// shared one.
    pub(super) fn end_recording(&mut self) {
        self.shared = self.shared.min(self.left);
    }

    /// The current recording is finished in this turn, however much silence is left to write.
    pub(super) fn lift(&mut self) {
        self.left = u64::MAX;
    }

    pub(super) fn is_used_up(&self) -> bool {
        self.left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_uses_its_own_allowance_before_the_shared_one() {
        const OWN: u64 = SILENCE_FRAMES_PER_TURN;
        const SHARED: u64 = SHARED_SILENCE_FRAMES_PER_TURN;
        let mut budget = SilenceBudget::default();
        budget.begin_turn();
        for (used, shared_left) in [
            (OWN, SHARED),
            (OWN + 7, SHARED - 7),
            (OWN + SHARED - 7, 0),
            (OWN, 0),
        ] {
            budget.begin_recording();
            budget.left -= used;
            budget.end_recording();
            assert_eq!(budget.shared, shared_left);
        }
    }
}
