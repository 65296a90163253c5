//! Who hears what of a recording's changes.

use crate::proto::part::DiskError;
use crate::proto::recorder::Recorder;
use crate::proto::recording::Change;
use crate::proto::request::{reason, Reason};

impl Recorder {
    pub(super) fn announce(&mut self, place: usize, change: Option<Change>) {
        match change {
            None => {}
            Some(Change::Started(client, name)) => {
                self.answer_started(client, place, &name);
                self.record_event(place, "recording", Some(&name), None);
            }
            Some(Change::Rolled(name)) => self.record_event(place, "rolled", Some(&name), None),
            Some(Change::Stopped(client)) => {
                if let Some(client) = client {
                    self.answer_stopped(client, place);
                }
                let last = self.places[place].names().0.last().cloned();
                self.record_event(place, "stopped", last.as_ref(), None);
            }
            Some(Change::Refused(client, error)) => {
                let reason = self.failure(place, error);
                self.refuse(client, b"RecordStartRequest", &reason);
            }
            Some(Change::Failed(client, error)) => {
                let reason = self.failure(place, error);
                if let Some(client) = client {
                    self.refuse(client, b"RecordStopRequest", &reason);
                }
                let last = self.places[place].names().0.last().cloned();
                self.record_event(place, "failed", last.as_ref(), Some(&reason));
            }
        }
    }

    /// The words for a failure; a full stick is told of besides.
    fn failure(&mut self, place: usize, error: DiskError) -> Reason {
        if error == DiskError::Full {
            if let Some(path) = self.stick.clone() {
                self.stick_event("full", &path, self.places[place].free_bytes());
            }
        }
        match error {
            DiskError::Full => reason("disk-full", format_args!("the stick has no space left (usbReserve)")),
            DiskError::Lost => reason("stick-lost", format_args!("the USB stick was removed")),
            DiskError::Failed(errno) => reason("stick-error", format_args!("the USB stick failed (errno {errno})")),
        }
    }
}
