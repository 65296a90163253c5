//! What waits to be uploaded, and when each of it is tried: each by itself, so that one that is slow or fails holds up no
//! other. Pure: time comes in as an argument.
//!
//! What has not been tried yet comes first. When as many in a row have failed as may run at once, the store is taken to
//! be down: then only one is tried at a time, at growing distances, until one gets through.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::base::limits::server::{
    UPLOADS, UPLOAD_INTERVAL, UPLOAD_RETRIES, UPLOAD_RETRY, UPLOAD_RETRY_MOST,
};
use crate::base::time::{Duration, Instant};
use crate::server::record::archive::RecordingPath;

/// What became of an upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UploadOutcome {
    /// It is in the store, and here no more.
    Uploaded,
    /// It is still being finished, or another process uploads it.
    Elsewhere,
    Failed,
}

/// What waits.
#[derive(Default)]
pub(super) struct UploadQueue {
    entries: HashMap<RecordingPath, QueueEntry>,
    /// Those that do not run, in the order in which they are taken: those that have failed behind the others.
    order: BTreeMap<QueueKey, RecordingPath>,
    next_number: u64,
    running: usize,
    retrying: usize,
    /// Since the last one that got through.
    failures: u32,
    quiet_until: Instant,
}

type QueueKey = (bool, Instant, u64);

struct QueueEntry {
    failures: u32,
    /// Its place in the order; `None`: it is running.
    key: Option<QueueKey>,
}

impl UploadQueue {
    /// What there is in the folder now: what is new waits, what is gone is forgotten.
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

    /// The next one to be uploaded; or until when there is none, as far as nothing else happens.
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

    /// An upload has ended; when it is tried again, if it is.
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

    /// All that are not in the store yet, and how many of them are being sent.
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

    /// Unless it is running: then its end says what became of it.
    fn forget(&mut self, path: &RecordingPath) {
        if let Some(key) = self.entries.get(path).and_then(|entry| entry.key) {
            self.order.remove(&key);
            self.entries.remove(path);
        }
    }
}

/// From the n-th failure in a row to the next try.
fn backoff(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    Duration::from_millis((UPLOAD_RETRY.millis() << doublings).min(UPLOAD_RETRY_MOST.millis()))
}

#[cfg(test)]
mod tests;
