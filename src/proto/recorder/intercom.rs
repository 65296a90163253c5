//! Recordings that the phone's own intercom starts and stops: as a client would, without a line.

use crate::base::limits::{NAME_BYTES, TEXT_BYTES};
use crate::base::time::Instant;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recorder::request::RecordRequest;
use crate::proto::recorder::{FollowUp, Recorder};
use crate::proto::recording::setup::{Call, IntercomCall, Ports};
use crate::proto::recording::state::RecordingState;
use crate::wire::control::{Message, Text};

/// The intercom among the clients; no connection ever has this number.
pub const INTERCOM: ClientId = ClientId(u32::MAX);
/// Both parties.
const LEGS: usize = 2;

impl Recorder {
    /// Starts the recording of a call; `RecordStartResponse` follows for `INTERCOM`.
    pub fn start_call(&mut self, call: Call, random: [u32; 3]) {
        let request = RecordRequest {
            sink: None,
            law: None,
            legs: LEGS,
            device: Text::new(),
            call,
            declared: Default::default(),
        };
        if let Err(why) = self.start(INTERCOM, request, random) {
            self.refuse(INTERCOM, b"RecordStartRequest", &why);
        }
    }

    /// Stops it with what was said until then; `RecordStopResponse` follows for `INTERCOM`.
    pub fn stop_call(&mut self, now: Instant, id: u32, until: Instant, why: &[u8]) {
        let call = Call {
            stop_reason: Text::from_slice(why).unwrap_or_default(),
            ..Call::default()
        };
        match self.stop(now, INTERCOM, id, call, until) {
            Ok(FollowUp::Later | FollowUp::Nothing) => {}
            Ok(_) => debug_assert!(false, "bug: a stop has no other follow-up"),
            Err(why) => self.refuse(INTERCOM, b"RecordStopRequest", &why),
        }
    }

    /// The slot is that of a call of the intercom that begins: its ports are bound next.
    pub fn begins_call(&self, slot: usize) -> bool {
        matches!(self.state(slot), RecordingState::Binding { client, .. } if client == INTERCOM)
    }
}

/// What the recorder has answered to `INTERCOM`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum CallAnswer {
    /// It records, to this file; to a server if it is empty.
    Started(u32, Text<NAME_BYTES>),
    /// It does not record, for this reason.
    Refused(Text<TEXT_BYTES>),
    /// This recording has stopped, after so many milliseconds.
    Stopped(u32, u64),
    /// It has failed before it was stopped.
    Failed,
}

impl CallAnswer {
    /// Takes a response apart; `None` if it is no answer to a start or a stop.
    pub fn parse(response: &[u8]) -> Option<Self> {
        let message = Message::parse(response).ok()?;
        let succeeded = message.raw("result") == Some(b"success");
        let number = |key| message.number(key).and_then(Result::ok).unwrap_or(0);
        let id = u32::try_from(number("id")).unwrap_or(0);
        Some(match (message.name(), succeeded) {
            ("RecordStartResponse", true) => Self::Started(id, message.text_cut("file")),
            ("RecordStartResponse", false) => Self::Refused(message.text_cut("reason")),
            ("RecordStopResponse", true) => Self::Stopped(id, number("duration_ms")),
            ("RecordStopResponse", false) => Self::Failed,
            _ => return None,
        })
    }
}

/// What is recorded of an intercom call.
pub fn call_of(intercom: IntercomCall, own: &[u8], incoming: bool) -> Call {
    let fitting = |text: &[u8]| Text::from_slice(text).unwrap_or_default();
    Call {
        remote_number: fitting(&intercom.peer),
        local_number: fitting(own),
        incoming: Some(incoming),
        intercom: Some(intercom),
        ..Call::default()
    }
}

/// The ports are not used: packets come from the intercom itself.
pub fn no_ports() -> Ports {
    Ports::from_slice(&[0; LEGS + 1]).unwrap_or_default()
}
