//! What is asked of a part's file.

use super::{Part, State};
use crate::base::limits::BATCH;
use crate::base::time::Instant;
use crate::wire::recording::HEADER_BYTES;

impl Part {
    /// Old recordings may go to make room for the next call to succeed.
    pub(super) fn may_cover(&self) -> bool {
        matches!(self.state, State::Open | State::Create)
            && self.plan.cover
            && self.failure.is_none()
    }

    /// A file is open.
    pub fn has_file(&self) -> bool {
        use State::{Create, Ended, Idle, MakeRoom, Room};
        !matches!(self.state, Idle | Room | MakeRoom | Create | Ended)
    }

    /// What a power cut leaves of the file: whole frames and the header.
    pub fn durable_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.synced
    }

    /// Whole frames of the file that is open, or was the last one.
    pub fn frames(&self) -> u64 {
        self.whole_frames() / u64::from(self.plan.header.rtp_len)
    }
}

/// When to sync again: with the second wake-up from now, however late in its turn this one comes.
pub(super) fn next_sync(now: Instant) -> Instant {
    now.next_multiple_of(BATCH) + BATCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_that_comes_late_delays_no_sync() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        for (now, next) in [(600, 1800), (650, 1800), (1199, 1800), (599, 1200)] {
            assert_eq!(next_sync(at(now)), at(next), "{now}");
        }
    }
}
