//! The recorder's part of the requests about the stick, and the responses to them.

use crate::base::limits::STORED_BYTES_PER_HOUR;
use crate::base::time::Instant;
use crate::proto::recorder::outbox::{ClientId, To};
use crate::proto::recorder::reason::Reason;
use crate::proto::recorder::Recorder;
use crate::proto::recording::state::RecordingState;
use crate::proto::recording::Recording;

impl Recorder {
    /// Answers a `StickStatusRequest`; `free` bytes are left on the stick.
    pub fn answer_stick_status(&mut self, client: ClientId, free: u64) {
        let usable = free.saturating_sub(self.settings.reserve);
        let path = self.stick.clone();
        let ejected = self.ejected;
        self.send(To::Client(client), "StickStatusResponse", |writer| {
            writer.pair("result", "success");
            match path {
                _ if ejected => _ = writer.pair("state", "ejected"),
                None => _ = writer.pair("state", "none"),
                Some(path) => {
                    writer.pair("state", "mounted").bytes("path", &path);
                    writer.pair("free_mib", free >> 20);
                    writer.pair("hours_left", usable / STORED_BYTES_PER_HOUR);
                }
            }
        });
    }

    /// Answers a `DeleteRequest`: this many recordings were deleted, or why not.
    pub fn answer_deleted(&mut self, client: ClientId, outcome: Result<u32, Reason>) {
        match outcome {
            Ok(count) => self.send(To::Client(client), "DeleteResponse", |writer| {
                writer.pair("result", "success").pair("count", count);
            }),
            Err(reason) => self.refuse(client, b"DeleteRequest", &reason),
        }
    }

    /// The recording with this id is running, or its last frames are being written.
    pub fn records(&self, id: u32) -> bool {
        let mine = |slot: &Recording| slot.state() != RecordingState::Free && slot.setup().id == id;
        self.slots.iter().any(mine)
    }

    /// The stick is to be ejected: ends the players, and refuses new recordings. `false`: it is being
    /// ejected already. `end_on_stick` follows.
    #[must_use]
    pub fn handle_eject(&mut self) -> bool {
        if core::mem::replace(&mut self.ejected, true) {
            return false;
        }
        self.stop_players();
        true
    }

    /// Ends the recordings on the stick that is being ejected; `true` when nothing uses it any more.
    /// To be called in each turn until then, for recordings that are still being opened, or that
    /// fall back to the stick.
    #[must_use]
    pub fn end_on_stick(&mut self, now: Instant) -> bool {
        for recording in &mut self.slots {
            if recording.server().is_none() {
                recording.stop_because(now, now, b"ejected", None);
            }
        }
        !self.uses_stick()
    }

    /// Refuses an `EjectRequest`.
    pub fn refuse_eject(&mut self, client: ClientId, reason: &Reason) {
        self.refuse(client, b"EjectRequest", reason);
    }

    /// A recording uses the stick, or one that is being stopped may still come to it.
    pub fn uses_stick(&self) -> bool {
        let uses =
            |slot: &Recording| slot.state() != RecordingState::Free && slot.server().is_none();
        self.slots.iter().any(uses) || self.has_sidecars()
    }

    /// The stick is unmounted (`true`), could not be unmounted by us (`false`), or is still in use.
    pub fn answer_ejected(&mut self, client: ClientId, outcome: Result<bool, Reason>) {
        match outcome {
            Err(reason) => {
                self.ejected = false;
                self.refuse(client, b"EjectRequest", &reason);
            }
            Ok(unmounted) => {
                if let Some(path) = self.stick.take() {
                    self.stick_event("ejected", &path, 0);
                }
                self.players.handle_stick_gone();
                self.send(To::Client(client), "EjectResponse", |writer| {
                    writer
                        .pair("result", "success")
                        .pair("unmounted", u8::from(unmounted));
                });
            }
        }
    }

    /// The ejected stick was unplugged.
    pub fn handle_ejected_gone(&mut self) {
        self.ejected = false;
    }
}
