//! The queue of uploads. Each has a schedule of its own, so that one that is slow or fails does not
//! delay others. Time is an argument.
//!
//! Uploads that have not been tried yet come first. If as many in a row have failed as may run at
//! once, the store counts as down: then only one is tried at a time, at growing intervals, until
//! one is successful.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::base::limits::server::{
    UPLOADS, UPLOAD_INTERVAL, UPLOAD_RETRIES, UPLOAD_RETRY, UPLOAD_RETRY_MOST,
};
use crate::base::time::{Duration, Instant};
use crate::server::record::archive::RecordingPath;

/// The outcome of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadOutcome {
    /// It is in the store, and deleted here.
    Uploaded,
    /// It is still being finished, or another process is uploading it.
    Elsewhere,
    Failed,
}

/// The uploads that wait or run.
#[derive(Default)]
pub(super) struct UploadQueue {
    entries: HashMap<RecordingPath, QueueEntry>,
    /// Those that wait, in the order in which they are taken: retries after the others.
    order: BTreeMap<QueueKey, RecordingPath>,
    next_number: u64,
    running: usize,
    retrying: usize,
    /// Failures since the last successful upload.
    failures: u32,
    /// While the store is down: when the next one is tried.
    quiet_until: Instant,
}

/// Whether it is a retry, when it is due, and a number that makes it unique.
type QueueKey = (bool, Instant, u64);

struct QueueEntry {
    failures: u32,
    /// Its key in the order; `None`: it is running.
    key: Option<QueueKey>,
}

impl UploadQueue {
    /// Sets the recordings that are in the folder now: new ones wait, missing ones are forgotten.
    pub(super) fn set(&mut self, now: Instant, paths: Vec<RecordingPath>) {
        let there: HashSet<&RecordingPath> = paths.iter().collect();
        let gone: Vec<RecordingPath> = self
            .entries
            .keys()
            .filter(|path| !there.contains(path))
            .cloned()
            .collect();
        gone.iter().for_each(|path| self.forget(path));
        for path in paths {
            if !self.entries.contains_key(&path) {
                self.insert(path, now, 0);
            }
        }
    }

    /// The next upload. The error is the time until which there is none, unless the queue changes.
    pub(super) fn take(&mut self, now: Instant) -> Result<RecordingPath, Instant> {
        let later = now + UPLOAD_INTERVAL;
        if self.is_store_down() && (self.running > 0 || now < self.quiet_until) {
            return Err(if self.running > 0 {
                later
            } else {
                self.quiet_until
            });
        }
        let fresh = self.order.iter().next().filter(|((retry, ..), _)| !retry);
        let behind = (true, Instant::default(), 0);
        let retry = self
            .order
            .range(behind..)
            .next()
            .filter(|_| self.retrying < UPLOAD_RETRIES);
        let due = |next: Option<(&QueueKey, &RecordingPath)>| {
            next.filter(|((_, at, _), _)| *at <= now)
                .map(|(key, _)| *key)
        };
        let Some(key) = due(fresh).or_else(|| due(retry)) else {
            let times = fresh.into_iter().chain(retry).map(|((_, at, _), _)| *at);
            return Err(times.min().unwrap_or(later).min(later));
        };
        let Some(path) = self.order.remove(&key) else {
            return Err(later);
        };
        if let Some(entry) = self.entries.get_mut(&path) {
            entry.key = None;
        }
        self.running += 1;
        self.retrying += usize::from(key.0);
        Ok(path)
    }

    /// An upload has ended. Returns when it is tried again, if it is.
    pub(super) fn handle_done(
        &mut self,
        now: Instant,
        path: &RecordingPath,
        outcome: UploadOutcome,
    ) -> Option<Instant> {
        let failures = self.entries.remove(path).map_or(0, |entry| entry.failures);
        self.running -= 1;
        self.retrying -= usize::from(failures > 0);
        match outcome {
            UploadOutcome::Uploaded => {
                self.failures = 0;
                None
            }
            UploadOutcome::Elsewhere => {
                Some(self.insert(path.clone(), now + UPLOAD_INTERVAL, failures))
            }
            UploadOutcome::Failed => {
                self.failures = self.failures.saturating_add(1);
                if self.is_store_down() {
                    self.quiet_until = now + backoff(self.failures + 1 - UPLOADS as u32);
                }
                let at = self.insert(path.clone(), now + backoff(failures + 1), failures + 1);
                Some(if self.is_store_down() {
                    at.max(self.quiet_until)
                } else {
                    at
                })
            }
        }
    }

    /// The recordings that are not in the store yet, and how many of them are being uploaded.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.entries.len(), self.running)
    }

    fn is_store_down(&self) -> bool {
        self.failures >= UPLOADS as u32
    }

    fn insert(&mut self, path: RecordingPath, at: Instant, failures: u32) -> Instant {
        let key = (failures > 0, at, self.next_number);
        self.next_number += 1;
        self.order.insert(key, path.clone());
        self.entries.insert(
            path,
            QueueEntry {
                failures,
                key: Some(key),
            },
        );
        at
    }

    /// Forgets a recording, unless its upload is running: then the outcome decides.
    fn forget(&mut self, path: &RecordingPath) {
        if let Some(key) = self.entries.get(path).and_then(|entry| entry.key) {
            self.order.remove(&key);
            self.entries.remove(path);
        }
    }
}

/// The delay after the n-th failure in a row.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    Duration::from_millis((UPLOAD_RETRY.millis() << doublings).min(UPLOAD_RETRY_MOST.millis()))
}

#[cfg(test)]
mod tests;
