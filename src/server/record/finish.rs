//! The end of a recording: stopping it, finishing its file, telling its phone.
//!
//! A recording whose sidecar cannot be written is kept in `unfinished`, and tried again while the
//! server runs. What the server leaves behind is repaired by the next one.

use log::{error, info, warn};

use crate::base::limits::server::FINISHED_PER_TURN;
use crate::io::clock::Now;
use crate::server::record::counters::ServerCounter;
use crate::server::record::end_reason::EndReason;
use crate::server::record::recording::{Owner, ServerRecording};
use crate::server::record::service::RecordService;
use crate::server::record::workspace::RecordingTurn;

impl RecordService {
    /// The recording in a slot of a connection.
    pub(super) fn recording_in(
        &mut self,
        connection: usize,
        slot: usize,
    ) -> Option<&mut ServerRecording> {
        let connection = self.connections.get(connection)?;
        let index = connection.recordings[slot]?;
        self.recordings.get_mut(index)
    }

    /// Asks the phones of all recordings to stop.
    pub(super) fn stop_all(&mut self, now: &Now, reason: EndReason) {
        for index in self.recording_indices() {
            self.stop(now, index, reason);
        }
    }

    /// Asks a recording's phone to stop. A recording without a control connection ends at once.
    pub(super) fn stop(&mut self, now: &Now, index: usize, reason: EndReason) {
        let Some(recording) = self.recordings.get_mut(index) else {
            return;
        };
        if recording.end_reason().is_some() {
            return;
        }
        let Some(Owner { connection, slot }) = recording.owner else {
            return recording.end(now.monotonic, reason);
        };
        let Some(owner) = self.connections.get_mut(connection) else {
            return recording.end(now.monotonic, reason);
        };
        recording.note_stop_request(reason);
        let session = &mut owner.session;
        let queued = session.request_stop(now.monotonic, slot, reason.code());
        self.flush_or_close(now, connection, queued);
    }

    /// Finishes a recording, and tells its phone if that has asked for the stop.
    pub(super) fn finish(&mut self, now: &Now, index: usize) {
        let Some(mut recording) = self.recordings.try_remove(index) else {
            return;
        };
        let finished = recording.finish(&mut RecordingTurn {
            now,
            writing: &mut self.workspace.writing,
            counters: &mut self.counters,
        });
        self.counters.count(if finished.is_success {
            ServerCounter::Finished
        } else {
            ServerCounter::Failed
        });
        let owner = recording.owner;
        self.needs_sync = true;
        match finished.unwritten_sidecar {
            Some(sidecar) => {
                self.disk.is_suspect = true;
                let unfinished = recording.into_unfinished(sidecar);
                self.unfinished.push_back(unfinished);
            }
            None => {
                drop(recording); // releases its claim on the file: now it may be uploaded
                self.wake_uploader();
            }
        }
        // Last, so that the file is closed when the phone knows that it is finished.
        if let Some(owner) = owner {
            self.report_finished(now, owner);
        }
    }

    fn report_finished(&mut self, now: &Now, Owner { connection, slot }: Owner) {
        let index = connection;
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        connection.recordings[slot] = None;
        let queued = connection.session.complete_stop(now.monotonic, slot);
        let is_over = connection.is_over();
        self.flush_or_close(now, index, queued);
        if is_over {
            self.close(now, index);
        }
    }

    /// Tries again to finish what could not be finished: a few in one turn, until one fails.
    pub(super) fn retry_unfinished(&mut self) {
        for _ in 0..FINISHED_PER_TURN.min(self.unfinished.len()) {
            let Some(mut unfinished) = self.unfinished.pop_front() else {
                return;
            };
            let path = unfinished.part.path.to_string();
            match unfinished.finish() {
                Ok(()) => {
                    info!("{path}: its sidecar has been written after a retry");
                    self.needs_sync = true;
                    drop(unfinished); // releases its claim on the file: now it may be uploaded
                    self.wake_uploader();
                }
                Err(problem) if unfinished.part.is_deleted() => {
                    error!("{path}: was deleted before it was finished: {problem}");
                }
                // To the back: another one may be on a disk that works.
                Err(_) => return self.unfinished.push_back(unfinished),
            }
        }
    }

    /// The last try, at the end of the server.
    pub(super) fn finish_last(&mut self) {
        for mut unfinished in std::mem::take(&mut self.unfinished) {
            if let Err(problem) = unfinished.finish() {
                let path = &unfinished.part.path;
                warn!("{path}: is left for the next start to repair: {problem}");
            }
        }
    }

    fn wake_uploader(&self) {
        #[cfg(feature = "s3")]
        if let Some(uploader) = &self.uploader {
            uploader.wake();
        }
    }
}
