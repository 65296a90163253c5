//! The disk: is the folder still there, is there room, and does it take what is written?
//!
//! The folder is held open, so that nobody can lead us elsewhere; but it may be removed, or hidden by a file system that
//! is mounted over it. So its path is looked at each second: when it names another folder, that one is opened, and
//! recordings go on there.

use std::io;
use std::sync::Arc;

use log::{error, info, warn};

use crate::base::limits::server::{LEAST_FREE, SPACE_INTERVAL};
use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::io::mounts;
use crate::server::record::archive::Archive;
use crate::server::record::counters::{Counter, Gauge};
use crate::server::record::degraded::Trouble;
use crate::server::record::end_reason::Why;
use crate::server::record::repair;
use crate::server::record::service::Service;

/// What is known of the disk.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) looked_at: Instant,
    pub(super) trouble: Option<Trouble>,
    /// A call has failed: a probe has to show whether it was the disk's fault.
    pub(super) is_suspect: bool,
    /// The last sync failed.
    pub(super) sync_fails: bool,
}

impl Service {
    /// What keeps recordings from being stored now. Looks at the disk, if that is due.
    pub(super) fn disk_trouble(&mut self, now: &Now) -> Option<Trouble> {
        let is_new = self.disk.looked_at == Instant::default();
        if is_new || now.monotonic.since(self.disk.looked_at) >= SPACE_INTERVAL {
            self.disk.looked_at = now.monotonic;
            self.look_at_disk(now);
        }
        self.disk
            .trouble
            .or(self.disk.sync_fails.then_some(Trouble::Unsynced))
    }

    fn look_at_disk(&mut self, now: &Now) {
        let found = self.find_trouble(now);
        let (trouble, detail) = match &found {
            Ok(()) => (None, String::new()),
            Err((trouble, detail)) => (Some(*trouble), format!(" ({detail})")),
        };
        let before = std::mem::replace(&mut self.disk.trouble, trouble);
        match trouble {
            Some(trouble) if before != Some(trouble) => {
                error!("{}{detail}", trouble.words(&self.settings.dir))
            }
            None if before.is_some() => {
                info!("{}: recordings can be stored again", self.settings.dir);
                self.repair();
            }
            _ => {}
        }
        if trouble.is_none() {
            self.finish_late();
        }
    }

    /// What is wrong with the disk, and a detail for the log.
    fn find_trouble(&mut self, now: &Now) -> Result<(), (Trouble, String)> {
        let identity = mounts::identity(self.settings.dir.as_bytes());
        let identity = identity.ok_or_else(|| (Trouble::Missing, "nothing is there".to_owned()))?;
        if !self.archive.is(identity) {
            self.reopen(now)
                .map_err(|problem| (Trouble::Unusable, problem.to_string()))?;
        }
        let free = self.archive.root().free_bytes().unwrap_or(0);
        self.counters.set(Gauge::FreeBytes, free);
        let needed = self.settings.reserve.max(LEAST_FREE);
        if free < needed {
            return Err((
                Trouble::Full,
                format!("{} KiB free, {} KiB needed", free >> 10, needed >> 10),
            ));
        }
        let writable = self.archive.root().check_writable();
        writable.map_err(|problem| (Trouble::Unwritable, problem.to_string()))?;
        if self.disk.is_suspect {
            self.archive
                .probe()
                .map_err(|problem| match Why::of(&problem) {
                    Why::DiskFull => (Trouble::Full, problem.to_string()),
                    _ => (Trouble::Unwritable, problem.to_string()),
                })?;
            self.disk.is_suspect = false;
        }
        if self.disk.sync_fails {
            return Err((Trouble::Unsynced, "the last sync failed".into()));
        }
        Ok(())
    }

    /// The path names another folder than the one that is open: recordings go on in that one.
    fn reopen(&mut self, now: &Now) -> io::Result<()> {
        self.archive = Arc::new(Archive::open_existing(&self.settings.dir)?);
        warn!(
            "{}: is another folder than before (made anew, or a file system was mounted or unmounted); {} recordings go on \
             there in another file",
            self.settings.dir,
            self.recordings.len()
        );
        self.disk.sync_fails = false;
        let moved: Vec<(usize, io::Result<()>)> = self
            .recordings
            .iter_mut()
            .map(|(index, recording)| (index, recording.move_to(&self.archive, now)))
            .collect();
        for (index, problem) in moved
            .into_iter()
            .filter_map(|(index, moved)| Some((index, moved.err()?)))
        {
            warn!("a recording cannot go on in the other folder: {problem}");
            self.stop(now, index, Why::of(&problem));
        }
        self.repair();
        Ok(())
    }

    /// Makes whole what was left unfinished, as far as nobody is writing it.
    fn repair(&self) {
        if let Err(problem) = repair::start(self.archive.clone(), self.repaired.clone()) {
            warn!("unfinished recordings cannot be looked for: {problem}");
        }
    }

    /// A sync has ended: the headers may follow.
    pub(super) fn take_synced(&mut self, now: &Now) {
        let Some((synced, took)) = self.syncer.poll_result() else {
            return;
        };
        self.counters.count(Counter::Syncs);
        self.counters.set(Gauge::LastSync, took.nanos() / 1000);
        let failed_before = std::mem::replace(&mut self.disk.sync_fails, synced.is_err());
        if let Err(problem) = synced {
            if !failed_before {
                error!(
                    "{}: cannot be synced: {problem}; recordings are stopped",
                    self.settings.dir
                );
            }
            self.counters.count(Counter::SyncErrors);
            return self.stop_all(now, Why::DiskError);
        }
        let noted: Vec<(usize, io::Result<()>)> = self
            .recordings
            .iter_mut()
            .map(|(index, recording)| (index, recording.note()))
            .collect();
        for (index, problem) in noted
            .into_iter()
            .filter_map(|(index, noted)| Some((index, noted.err()?)))
        {
            self.disk.is_suspect = true;
            self.stop(now, index, Why::of(&problem));
        }
    }

    /// Recordings can be stored.
    pub(super) fn is_healthy(&self) -> bool {
        self.disk.trouble.is_none() && !self.disk.sync_fails
    }
}
