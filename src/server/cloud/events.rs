//! What webhooks are told: events of devices, signed with the app's key.

use serde_json::{json, Value};

use crate::server::cloud::apps::Device;
use crate::server::web::ids::{random_hex, unix_now};
use crate::server::web::signature::signed_headers;

/// What an event is about; each kind has an address of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum EventKind {
    /// A message that a device wants its app to have.
    Message,
    /// The state of a device.
    State,
}

impl EventKind {
    /// As in `X-Topvdn-Event`.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Message => "device-message",
            Self::State => "device-state",
        }
    }
}

/// An event. Its id and time stay the same however often it is sent.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) device: Device,
    pub(super) kind: EventKind,
    id: String,
    time: u64,
    body: String,
}

/// The headers of an event.
pub(super) type Headers = Vec<(&'static str, String)>;

impl Event {
    pub(super) fn new(device: Device, kind: EventKind, data: Value) -> Self {
        Self {
            device,
            kind,
            id: random_hex::<16>(),
            time: unix_now(),
            body: json!({ "event": kind.word(), "data": data }).to_string(),
        }
    }

    /// The body and the headers.
    pub(super) fn request(&self, app_id: &str, key: &str) -> (Vec<u8>, Headers) {
        let body = self.body.as_bytes();
        let mut headers = signed_headers(app_id, key, &self.id, self.time, body);
        headers.push(("X-Topvdn-Event", self.kind.word().into()));
        (body.to_vec(), headers)
    }
}
