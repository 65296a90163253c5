//! Checks of the disk: does the folder still exist, is there space, does the disk take what is
//! written?
//!
//! The folder is held open, so that a replaced path cannot lead recordings elsewhere unnoticed. But
//! it may be removed, or hidden by a file system that is mounted over it. So its path is checked
//! each second: if it names another folder, that one is opened, and the recordings continue there.

use std::io;
use std::sync::Arc;

use log::{error, info, warn};

use crate::base::limits::server::LEAST_FREE;
use crate::io::clock::Now;
use crate::io::mounts;
use crate::server::record::archive::Archive;
use crate::server::record::counters::{Gauge, ServerCounter};
use crate::server::record::disk_problem::DiskProblem;
use crate::server::record::end_reason::EndReason;
use crate::server::record::repair;
use crate::server::record::service::RecordService;

/// A problem, and its details for the log.
type DiskFinding = (DiskProblem, String);

impl RecordService {
    /// Checks the disk, at most once in `SPACE_INTERVAL`.
    pub(super) fn check_disk_if_due(&mut self, now: &Now) {
        if now.monotonic >= self.disk.check_at() {
            self.disk.begin_check(now.monotonic);
            self.check_disk(now);
        }
    }

    fn check_disk(&mut self, now: &Now) {
        let before = self.disk.found;
        let found = self.find_problem(now).err();
        self.disk.found = found.as_ref().map(|(problem, _)| *problem);
        let dir = &self.settings.dir;
        match found {
            Some((problem, details)) => {
                if before != Some(problem) {
                    error!("{} ({details})", problem.message(dir));
                }
            }
            None => {
                if before.is_some() {
                    info!("{dir}: recordings can be stored again");
                    self.start_repair();
                }
                self.retry_unfinished();
            }
        }
    }

    fn find_problem(&mut self, now: &Now) -> Result<(), DiskFinding> {
        let identity = mounts::identity(self.settings.dir.as_bytes());
        let missing = || (DiskProblem::Missing, "nothing is there".to_owned());
        if !self.archive.is(identity.ok_or_else(missing)?) {
            let reopened = self.reopen(now);
            reopened.map_err(|error| (DiskProblem::Unusable, error.to_string()))?;
        }
        self.check_space()?;
        let writable = self.archive.root().check_writable();
        writable.map_err(|error| (DiskProblem::Unwritable, error.to_string()))?;
        if self.disk.is_suspect {
            self.archive.probe().map_err(|error| {
                let problem = match EndReason::from_disk_error(&error) {
                    EndReason::DiskFull => DiskProblem::Full,
                    _ => DiskProblem::Unwritable,
                };
                (problem, error.to_string())
            })?;
            self.disk.is_suspect = false;
        }
        if self.disk.sync_fails {
            return Err((DiskProblem::Unsynced, "the last sync failed".into()));
        }
        Ok(())
    }

    fn check_space(&mut self) -> Result<(), DiskFinding> {
        let free = self.archive.root().free_bytes().unwrap_or(0);
        self.counters.set(Gauge::FreeBytes, free);
        let needed = self.settings.reserve.max(LEAST_FREE);
        if free >= needed {
            return Ok(());
        }
        let details = format!("{} KiB free, {} KiB needed", free >> 10, needed >> 10);
        Err((DiskProblem::Full, details))
    }

    /// The path names another folder than the one that is open: the recordings continue in that
    /// one.
    fn reopen(&mut self, now: &Now) -> io::Result<()> {
        self.archive = Arc::new(Archive::open_existing(&self.settings.dir)?);
        warn!(
            "{}: the path names another folder than before (it was created anew, or a file system was mounted or \
             unmounted); {} recordings continue there, each in another file",
            self.settings.dir,
            self.recordings.len()
        );
        self.disk.sync_fails = false;
        let mut failed = vec![];
        for (index, recording) in &mut self.recordings {
            if let Err(error) = recording.move_to(&self.archive, now) {
                failed.push((index, error));
            }
        }
        for (index, error) in failed {
            warn!("a recording cannot continue in the other folder: {error}");
            self.stop(now, index, EndReason::from_disk_error(&error));
        }
        self.start_repair();
        Ok(())
    }

    /// Starts the repair of the unfinished recordings that no process is writing.
    fn start_repair(&self) {
        if let Err(error) = repair::start(self.archive.clone(), self.repaired.clone()) {
            warn!("unfinished recordings cannot be repaired: {error}");
        }
    }

    /// A sync has ended: the headers are updated if it was successful.
    pub(super) fn handle_synced(&mut self, now: &Now) {
        let Some((synced, length)) = self.syncer.poll_result() else {
            return;
        };
        self.counters.count(ServerCounter::Syncs);
        self.counters.set(Gauge::LastSync, length.nanos() / 1000);
        let failed_before = self.disk.sync_fails;
        self.disk.sync_fails = synced.is_err();
        if let Err(error) = synced {
            if !failed_before {
                let dir = &self.settings.dir;
                error!("{dir}: cannot be synced: {error}; recordings are stopped");
            }
            self.counters.count(ServerCounter::SyncErrors);
            return self.stop_all(now, EndReason::DiskError);
        }
        let mut failed = vec![];
        for (index, recording) in &mut self.recordings {
            if let Err(error) = recording.handle_synced() {
                failed.push((index, error));
            }
        }
        for (index, error) in failed {
            self.disk.is_suspect = true;
            self.stop(now, index, EndReason::from_disk_error(&error));
        }
    }
}
