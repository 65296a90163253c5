//! A thread that syncs the file system, so that recordings survive a power cut.
//!
//! Syncing a thousand files one by one costs a thousand commits of the file system's journal;
//! `syncfs` is one for all. It may take long, so it runs on a thread of its own. After a successful
//! sync the headers declare what had been written when it began. The file system should contain
//! only recordings: `syncfs` also waits for the data of others.

use std::io;
use std::sync::mpsc::{channel, Receiver, Sender};
use std::sync::Arc;
use std::thread;

use log::warn;
use mio::Waker;

use crate::base::limits::server::SYNC_INTERVAL;
use crate::base::time::{Duration, Instant};
use crate::io::clock;
use crate::server::record::archive::Archive;

/// The thread, and whether it is syncing.
pub(super) struct Syncer {
    orders: Sender<Arc<Archive>>,
    results: Receiver<(io::Result<()>, Duration)>,
    running: bool,
    next_at: Instant,
}

impl Syncer {
    /// Starts the thread; `waker` is woken at the end of each sync.
    pub(super) fn start(waker: Waker) -> io::Result<Self> {
        let (orders, inbox) = channel::<Arc<Archive>>();
        let (outbox, results) = channel();
        thread::Builder::new().name("sync".into()).spawn(move || {
            let mut last: Option<Arc<Archive>> = None;
            while let Ok(archive) = inbox.recv() {
                let began = clock::monotonic();
                let before = last
                    .replace(archive.clone())
                    .filter(|before| !Arc::ptr_eq(before, &archive));
                // The folder has been replaced: what was finished in the old one is synced once
                // more.
                if let Some(problem) =
                    before.and_then(|before| before.root().sync_file_system().err())
                {
                    warn!("the folder that was replaced cannot be synced: {problem}");
                }
                let done = archive.root().sync_file_system();
                let result = (done, clock::monotonic().since(began));
                if outbox.send(result).is_err() || waker.wake().is_err() {
                    return;
                }
            }
        })?;
        Ok(Self {
            orders,
            results,
            running: false,
            next_at: Instant::default(),
        })
    }

    /// A sync is due, and none is running.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.running && now >= self.next_at
    }

    /// Begins a sync of the recordings' file system.
    pub(super) fn begin(&mut self, now: Instant, archive: &Arc<Archive>) {
        self.running = self.orders.send(archive.clone()).is_ok();
        self.next_at = now + SYNC_INTERVAL;
    }

    /// The result of a sync that has ended, and its duration.
    pub(super) fn poll_result(&mut self) -> Option<(io::Result<()>, Duration)> {
        let result = self.results.try_recv().ok()?;
        self.running = false;
        Some(result)
    }
}
