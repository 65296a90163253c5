//! Recordings that have ended and whose sidecar could not be written: the disk was full, or failed. They are tried again
//! while the server runs; what it leaves behind the next one repairs.

use std::io;
use std::sync::Arc;

use log::{error, info, warn};

use crate::base::limits::server::FINISHED_PER_TURN;
use crate::io::clock::Now;
use crate::server::record::archive::Archive;
use crate::server::record::counters::Counter;
use crate::server::record::file_writer::Part;
use crate::server::record::service::Service;
use crate::server::record::turn::Turn;

/// The last part of such a recording; its file stays claimed.
pub(super) struct Unfinished {
    pub(super) archive: Arc<Archive>,
    pub(super) part: Part,
    pub(super) sidecar: Vec<u8>,
}

impl Unfinished {
    fn finish(&mut self) -> io::Result<()> {
        self.part.finish()?;
        self.archive.finish(&self.part.place, &self.sidecar)
    }
}

impl Service {
    /// Finishes a recording, and tells its phone if that wants to know.
    pub(super) fn finish(&mut self, now: &Now, index: usize) {
        let Some(mut recording) = self.recordings.try_remove(index) else {
            return;
        };
        let room = &mut self.bench.room;
        let success = recording.finish(&mut Turn {
            now,
            room,
            counters: &mut self.counters,
        });
        self.counters.count(if success {
            Counter::Finished
        } else {
            Counter::Failed
        });
        self.tell_finished(now, &recording);
        self.dirty = true;
        match recording.into_unfinished() {
            Some(unfinished) => {
                self.disk.is_suspect = true;
                self.unfinished.push_back(unfinished);
            }
            None => self.wake_uploader(), // the recording's file is ours no longer
        }
    }

    /// Tries again to finish what could not be finished; a few in one turn, until one fails.
    pub(super) fn finish_late(&mut self) {
        for _ in 0..FINISHED_PER_TURN.min(self.unfinished.len()) {
            let Some(mut unfinished) = self.unfinished.pop_front() else {
                return;
            };
            let path = unfinished.part.path();
            match unfinished.finish() {
                Ok(()) => {
                    info!("{path}: its sidecar has been written, at a later try");
                    self.dirty = true;
                    drop(unfinished); // its file is ours no longer
                    self.wake_uploader();
                }
                Err(problem) if unfinished.part.is_deleted() => {
                    error!("{path}: has been deleted before it was finished: {problem}");
                }
                Err(_) => return self.unfinished.push_back(unfinished), // the others come first
            }
        }
    }

    /// At the end of the server: what still cannot be finished is left to the next one.
    pub(super) fn finish_last(&mut self) {
        for mut unfinished in std::mem::take(&mut self.unfinished) {
            if let Err(problem) = unfinished.finish() {
                warn!(
                    "{}: is left to the next start: {problem}",
                    unfinished.part.path()
                );
            }
        }
    }

    fn wake_uploader(&self) {
        #[cfg(feature = "s3")]
        self.uploader
            .iter()
            .for_each(crate::server::record::upload::Uploader::wake);
    }
}
