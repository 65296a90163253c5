//! Which responses and events the changes of a recording cause.

use crate::proto::recorder::reason::{stick_reason, Reason};
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::DiskError;
use crate::proto::recording::state::{Failure, RecordingEvent};

impl Recorder {
    pub(super) fn announce(&mut self, slot: usize, event: Option<RecordingEvent>) {
        match event {
            None => {}
            Some(RecordingEvent::Started(client)) => {
                self.begin_part_sidecar(slot);
                self.answer_started(client, slot);
                self.record_event(slot, "recording", self.why_not_server(slot).as_ref());
            }
            Some(RecordingEvent::Rolled) => {
                self.begin_part_sidecar(slot);
                let first = self.slots[slot].names().1 == 1;
                let reason = self.why_not_server(slot).filter(|_| first);
                self.record_event(slot, "rolled", reason.as_ref());
            }
            Some(RecordingEvent::Stopped(client)) => {
                match client {
                    Some(client) => self.answer_stopped(client, slot),
                    None if self.slots[slot].setup().call.is_stopped_here => {
                        self.keep_stopped(slot);
                    }
                    None => {}
                }
                self.record_event(slot, "stopped", None);
            }
            Some(RecordingEvent::Refused(client, failure)) => {
                let reason = self.failure(slot, failure);
                self.refuse(client, b"RecordStartRequest", &reason);
                if failure == Failure::Server {
                    self.record_event(slot, "failed", Some(&reason));
                }
            }
            Some(RecordingEvent::Failed(client, failure)) => {
                self.correct_last_sidecar(slot);
                let reason = self.failure(slot, failure);
                if let Some(client) = client {
                    self.refuse_stop(client, &reason);
                }
                self.record_event(slot, "failed", Some(&reason));
            }
        }
    }

    /// Why a recording that was started for the server is on the stick, if it is.
    fn why_not_server(&self, slot: usize) -> Option<Reason> {
        let recording = &self.slots[slot];
        let fell_back = recording.was_for_server() && recording.server().is_none();
        fell_back.then(|| recording.failure_reason().clone())
    }

    /// The reason text of a failure. A full stick also causes a stick event.
    fn failure(&mut self, slot: usize, failure: Failure) -> Reason {
        let error = match failure {
            Failure::Server => return self.slots[slot].failure_reason().clone(),
            Failure::Stick(error) => error,
        };
        if error == DiskError::Full {
            if let Some(path) = self.stick.clone() {
                self.stick_event("full", &path, self.slots[slot].free_bytes());
            }
        }
        stick_reason(error)
    }
}
