//! What is known of the disk that recordings are stored on.

use crate::base::limits::server::SPACE_INTERVAL;
use crate::base::time::Instant;
use crate::server::record::disk_problem::DiskProblem;

/// What is known of the disk.
#[derive(Default)]
pub(super) struct DiskHealth {
    /// `None`: never.
    checked_at: Option<Instant>,
    /// What the last check has found.
    pub(super) found: Option<DiskProblem>,
    /// A system call has failed; the next check writes a file to find out whether the disk is at
    /// fault.
    pub(super) is_suspect: bool,
    /// The last sync failed.
    pub(super) sync_fails: bool,
}

impl DiskHealth {
    /// What prevents recordings from being stored. A failed sync is known before the next check.
    pub(super) fn problem(&self) -> Option<DiskProblem> {
        let unsynced = self.sync_fails.then_some(DiskProblem::Unsynced);
        self.found.or(unsynced)
    }

    /// When the next check is due.
    pub(super) fn check_at(&self) -> Instant {
        self.checked_at
            .map_or(Instant::default(), |at| at + SPACE_INTERVAL)
    }

    /// A check begins.
    pub(super) fn begin_check(&mut self, now: Instant) {
        self.checked_at = Some(now);
    }
}
