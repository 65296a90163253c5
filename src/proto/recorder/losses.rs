//! The counters of a recording slot, and how much of them belongs to the current part.

use crate::base::stats::Stats;
use crate::proto::recording::part_history::MISSING;

/// Counts of missing audio, in the order of `MISSING`.
pub(super) type Missing = [u64; MISSING.len()];

/// The counters of one slot, summed over all recordings that it has had.
#[derive(Default)]
pub(super) struct Losses {
    pub(super) stats: Stats,
    /// The counts when the current part began, and when the previous part was closed.
    begun: Missing,
    closed: Missing,
}

impl Losses {
    fn now(&self) -> Missing {
        MISSING.map(|counter| self.stats.of(counter))
    }

    /// A recording begins.
    pub(super) fn begin(&mut self) {
        self.begun = self.now();
        self.closed = self.begun;
    }

    /// The next part begins: what was counted since the previous part was closed is missing from
    /// this one.
    pub(super) fn begin_part(&mut self) {
        self.begun = self.closed;
    }

    /// The part is closed.
    pub(super) fn close_part(&mut self) {
        self.closed = self.now();
    }

    /// What is missing from the part that is being written, or was written last.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = self.now();
        for (now, begun) in missing.iter_mut().zip(self.begun) {
            *now -= begun;
        }
        missing
    }
}
