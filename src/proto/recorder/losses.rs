//! What is counted of a recording, and how much of it belongs to the part that is being written.

use crate::base::stats::Stats;
use crate::proto::recording::part_history::MISSING;

/// Counts of what is missing from audio.
pub(super) type Missing = [u64; MISSING.len()];

/// The counters of one place, over all recordings that it has had.
#[derive(Default)]
pub(super) struct Losses {
    pub(super) stats: Stats,
    /// What was missing when the part began, and when the part before it was closed.
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

    /// The next part begins: what was counted since the one before it was closed is missing from this one.
    pub(super) fn begin_part(&mut self) {
        self.begun = self.closed;
    }

    /// The part is closed.
    pub(super) fn close_part(&mut self) {
        self.closed = self.now();
    }

    /// What is missing from the part that is being written, or was the last one.
    pub(super) fn missing(&self) -> Missing {
        let mut missing = self.now();
        missing
            .iter_mut()
            .zip(self.begun)
            .for_each(|(now, begun)| *now -= begun);
        missing
    }
}
