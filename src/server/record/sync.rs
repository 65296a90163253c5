//! Makes what was written survive a power cut: one thread that syncs the file system, and nothing else.
//!
//! A thousand files each synced by themselves are a thousand commits of the file system's journal a second; `syncfs`
//! is one for all of them. It may take long, so it runs beside the loop; when it has ended well, the loop lets the
//! headers tell of what had been written when it began. The file system should be the recordings' own: `syncfs`
//! also waits for what others have written there.

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

/// The thread, and what it is doing.
pub(super) struct Syncer {
    orders: Sender<Arc<Archive>>,
    results: Receiver<(io::Result<()>, Duration)>,
    running: bool,
    next_at: Instant,
}

impl Syncer {
    /// Starts the thread; `waker` is woken at each sync's end.
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
                // The folder has been exchanged: what was finished in the old one is synced once more.
                if let Some(problem) =
                    before.and_then(|before| before.root().sync_file_system().err())
                {
                    warn!("the folder before this one cannot be synced: {problem}");
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

    /// It is time for a sync, and none runs.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        !self.running && now >= self.next_at
    }

    /// Begins a sync of the file system that the recordings are on.
    pub(super) fn begin(&mut self, now: Instant, archive: &Arc<Archive>) {
        self.running = self.orders.send(archive.clone()).is_ok();
        self.next_at = now + SYNC_INTERVAL;
    }

    /// The result of the sync that has ended, and how long it took.
    pub(super) fn poll_result(&mut self) -> Option<(io::Result<()>, Duration)> {
        let result = self.results.try_recv().ok()?;
        self.running = false;
        Some(result)
    }
}
