//! The disk: is there room, and does it take what is written?

use log::{error, warn};

use crate::base::limits::server::SPACE_INTERVAL;
use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::server::record::counters::{Counter, Gauge};
use crate::server::record::service::Service;
use crate::server::record::why::Why;

/// What is known of the disk.
#[derive(Default)]
pub(super) struct Disk {
    pub(super) looked_at: Instant,
    full: bool,
    /// The last sync failed.
    pub(super) failed: bool,
}

impl Service {
    /// Why nothing can be stored now.
    pub(super) fn disk_refuses(&mut self, now: &Now) -> Option<Why> {
        if now.monotonic.since(self.disk.looked_at) >= SPACE_INTERVAL || self.disk.looked_at == Instant::default() {
            self.disk.looked_at = now.monotonic;
            let free = self.archive.root().free_bytes().unwrap_or(0);
            self.counters.set(Gauge::FreeBytes, free);
            let full = free < self.settings.reserve;
            if full != std::mem::replace(&mut self.disk.full, full) {
                warn!("{}: {} MiB free, {} to stay free", self.settings.dir, free >> 20, self.settings.reserve >> 20);
            }
        }
        match (self.disk.full, self.disk.failed) {
            (true, _) => Some(Why::DiskFull),
            (_, true) => Some(Why::DiskError),
            _ => None,
        }
    }

    /// A sync has ended: the headers may follow.
    pub(super) fn take_synced(&mut self, now: &Now) {
        let Some((synced, took)) = self.syncer.poll_result() else { return };
        self.counters.count(Counter::Syncs);
        self.counters.set(Gauge::LastSync, took.nanos() / 1000);
        let failed_before = std::mem::replace(&mut self.disk.failed, synced.is_err());
        if let Err(problem) = synced {
            if !failed_before {
                error!("{}: cannot be synced: {problem}; recordings are stopped", self.settings.dir);
            }
            self.counters.count(Counter::SyncErrors);
            return self.stop_all(now, Why::DiskError);
        }
        let noted: Vec<(usize, std::io::Result<()>)> =
            self.recordings.iter_mut().map(|(index, recording)| (index, recording.note())).collect();
        for (index, problem) in noted.into_iter().filter_map(|(index, noted)| Some((index, noted.err()?))) {
            self.stop(now, index, Why::of(&problem));
        }
    }

    /// Recordings can be stored.
    pub(super) fn is_healthy(&self) -> bool {
        !self.disk.full && !self.disk.failed
    }
}
