//! What a control connection reports to the server.

use core::net::SocketAddr;

use crate::base::limits::server::{DEVICE_BYTES, ID_BYTES};
use crate::base::time::Instant;
use crate::proto::media::leg_monitor::Heard;
use crate::proto::recording::setup::{Call, IntercomCall};
use crate::wire::control::{Message, Text};
use crate::wire::g711::Law;

/// A phone's name for a recording.
pub type Id = Text<ID_BYTES>;

/// `RecordStartRequest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartRequest {
    /// Taken from the message unchanged.
    pub id: Id,
    /// The phone's MAC address, or any other name it gives itself.
    pub device: Text<DEVICE_BYTES>,
    /// PCMU if the message has no `codec`.
    pub law: Law,
    /// The two parties and the direction.
    pub call: Call,
}

/// `RecordStopRequest`, or what stands for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRequest {
    /// The values that have changed, and the reason.
    pub call: Call,
    /// Which parties the phone has heard; `None`: it did not say. Phones say it if one is missing.
    pub heard: Option<Heard>,
}

/// One event of a control connection. A recording is identified by its slot on the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub enum ControlEvent {
    /// The proxy has named the phone that it forwards.
    Peer(SocketAddr),
    /// A recording is requested in this slot: respond with `accept_start` or `refuse_start`.
    Start(usize, StartRequest),
    /// The recording in this slot is to stop: call `complete_stop` once it is finished. The call's
    /// non-empty values replace those of the start request.
    Stop(usize, StopRequest),
    /// The proxy asks for the server's health: respond with `report_health`.
    Health(Id),
    /// A message that is not understood; it has no effect.
    Ignored,
    /// A start request that has already been refused.
    Refused(StartRefusal),
    /// The connection must be closed.
    Close(CloseReason),
}

/// Why a start request is refused before the server sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartRefusal {
    /// Neither PCMU nor PCMA.
    Codec,
    /// A recording with this id is running on the connection.
    DuplicateId,
    /// All slots of the connection are taken.
    TooManyCalls,
}

impl StartRefusal {
    /// `reason` of the response.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Codec => "bad-request: codec must be PCMU or PCMA",
            Self::DuplicateId => "bad-request: this id is being recorded already",
            Self::TooManyCalls => "busy: too many recordings on one connection",
        }
    }
}

/// Why the server closes a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// It carried no recording for `CONTROL_IDLE`.
    Idle,
    /// A message is longer than `MESSAGE_BYTES`.
    MessageTooLong,
    /// The peer does not read: `ANSWER_BYTES` are waiting to be sent.
    SlowReader,
    /// A trusted proxy does not begin with a valid PROXY line, or names an address that may not
    /// connect.
    NoProxyLine,
}

pub(super) fn parse_stop(message: &Message) -> StopRequest {
    StopRequest {
        call: parse_call(message),
        heard: match message.raw("heard") {
            Some(b"both") => Some(Heard::Both),
            Some(b"one") => Some(Heard::One),
            Some(b"none") => Some(Heard::None),
            _ => None,
        },
    }
}

/// The call's values in a message: texts that are too long are cut, invalid values are left out.
pub(super) fn parse_call(message: &Message) -> Call {
    Call {
        remote_number: message.text_cut("remote_number"),
        remote_name: message.text_cut("remote_name"),
        local_number: message.text_cut("local_number"),
        local_name: message.text_cut("local_name"),
        incoming: match message.raw("dir") {
            Some(b"in") => Some(true),
            Some(b"out") => Some(false),
            _ => None,
        },
        stop_reason: message.text_cut("reason"),
        intercom: matches!(message.raw("kind"), Some(b"intercom" | b"cloud")).then(|| {
            IntercomCall {
                sid: message.text_cut("sid"),
                // It is the remote number.
                peer: Text::new(),
                answered_at: Instant::default(),
            }
        }),
        ..Call::default()
    }
}
