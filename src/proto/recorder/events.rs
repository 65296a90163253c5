//! Which responses and events the changes of a recording cause.

use crate::proto::recorder::reason::{stick_reason, Reason};
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::DiskError;
use crate::proto::recording::state::{Failure, RecordingEvent};

impl Recorder {
    pub(super) fn announce(&mut self, place: usize, event: Option<RecordingEvent>) {
        match event {
            None => {}
            Some(RecordingEvent::Started(client)) => {
                self.note_begun(place);
                self.answer_started(client, place);
                self.record_event(place, "recording", self.why_not_server(place).as_ref());
            }
            Some(RecordingEvent::Rolled) => {
                self.note_begun(place);
                let first = self.places[place].names().1 == 1;
                let reason = self.why_not_server(place).filter(|_| first);
                self.record_event(place, "rolled", reason.as_ref());
            }
            Some(RecordingEvent::Stopped(client)) => {
                if let Some(client) = client {
                    self.answer_stopped(client, place);
                }
                self.record_event(place, "stopped", None);
            }
            Some(RecordingEvent::Refused(client, failure)) => {
                let reason = self.failure(place, failure);
                self.refuse(client, b"RecordStartRequest", &reason);
                if failure == Failure::Server {
                    self.record_event(place, "failed", Some(&reason));
                }
            }
            Some(RecordingEvent::Failed(client, failure)) => {
                self.note_failed(place);
                let reason = self.failure(place, failure);
                if let Some(client) = client {
                    self.refuse(client, b"RecordStopRequest", &reason);
                }
                self.record_event(place, "failed", Some(&reason));
            }
        }
    }

    /// Why a recording that was started for the server is on the stick, if it is.
    fn why_not_server(&self, place: usize) -> Option<Reason> {
        let recording = &self.places[place];
        let fell_back = recording.was_for_server() && recording.server().is_none();
        fell_back.then(|| recording.why().clone())
    }

    /// The reason text of a failure. A full stick also causes a stick event.
    fn failure(&mut self, place: usize, failure: Failure) -> Reason {
        let error = match failure {
            Failure::Server => return self.places[place].why().clone(),
            Failure::Stick(error) => error,
        };
        if error == DiskError::Full {
            if let Some(path) = self.stick.clone() {
                self.stick_event("full", &path, self.places[place].free_bytes());
            }
        }
        stick_reason(error)
    }
}
