//! The messages as values.

use crate::wire::control::Text;

/// The longest message, without its NUL.
pub const FRAME_BYTES: usize = 10_240;
/// The deepest nesting of a message, its own braces included.
pub(super) const MAX_NESTING: usize = 8;

/// The key of a call, made by the caller.
pub type Sid = Text<64>;
/// The id of a device or home, such as `2-1-201`.
pub type Id = Text<64>;
/// A word such as `line_busy`; unknown words are passed on as they came.
pub type Reason = Text<64>;
/// The id of a stream, or its URL.
pub type Stream = Text<192>;
/// Words for people.
pub type Words = Text<128>;
/// An opaque token.
pub type Token = Text<512>;

/// What a device is (CallPeerType).
pub mod peer_type {
    /// A home's box.
    pub const INNER_BOX: u8 = 1;
    /// A screen, pad or phone inside a home.
    pub const INNER_SCREEN: u8 = 2;
    /// A door unit.
    pub const OUTER_BOX: u8 = 3;
    /// The property's phone.
    pub const PROPERTY_APP: u8 = 4;

    /// A home: its box, or one of its screens.
    pub fn is_home(device: u8) -> bool {
        matches!(device, INNER_BOX | INNER_SCREEN)
    }
}

/// One end of a call, as `call_req` describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of the message
pub struct Party {
    pub id: Id,
    /// See `peer_type`; 0 if it is unknown.
    pub peer_type: u8,
    /// An address as text; empty if it is unknown.
    pub ip: Text<46>,
    /// 0 if it is unknown.
    pub port: u16,
    pub audio: Stream,
    pub video: Stream,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of the messages
#[allow(clippy::large_enum_variant)] // lives on the stack for one turn; the phone must not allocate
pub enum Message {
    CallReq {
        sid: Sid,
        src: Party,
        dest: Party,
    },
    CallAccept {
        sid: Sid,
        /// Who answered.
        by: Id,
    },
    CallReject {
        sid: Sid,
        reason: Reason,
    },
    CallEnd {
        sid: Sid,
        reason: Reason,
    },
    CallKeep {
        sid: Sid,
    },
    OpenDoor {
        sid: Sid,
        door: u8,
        /// The sender understands `open_door_result`.
        ack: bool,
    },
    OpenDoorResult {
        sid: Sid,
        door: u8,
        ok: bool,
        reason: Reason,
    },
    JoinFamily {
        token: Token,
        id: Id,
        /// 1: a pad, 2: a phone, 0: unknown.
        device_type: u8,
    },
    JoinAccept {
        room_id: Id,
    },
    JoinReject {
        reason: Reason,
    },
    Emergency {
        alarm: Id,
        port: u8,
        name: Words,
        message: Words,
    },
    SeczoneAck {
        alarm: Id,
        by: Id,
    },
    SeczoneClear {
        alarm: Id,
        port: u8,
        reason: Reason,
    },
    /// A call that cannot be: nobody is described, or its key or a stream is longer than it may be.
    /// To be rejected as `bad_request`.
    BadCallReq {
        /// Its key, cut.
        sid: Sid,
    },
    /// A name that is not understood, or values that make no sense; to be ignored and counted.
    Unknown,
}

/// Known reasons, and the numbers that deployed peers have for four of them.
pub(super) const CODES: [(&str, u8); 4] = [
    ("undefined", 0),
    ("line_busy", 1),
    ("call_denied", 2),
    ("app_offline", 3),
];

/// A text of the right length, or cut.
#[inline(never)] // 60 bytes for each reason that is given
pub fn text<const N: usize>(words: &str) -> Text<N> {
    cut(words.as_bytes())
}

/// The same of bytes.
pub fn cut<const N: usize>(bytes: &[u8]) -> Text<N> {
    let fits = &bytes[..bytes.len().min(N)];
    Text::from_slice(fits).unwrap_or_default()
}

impl Message {
    /// The key of the call that the message belongs to; `None` if it belongs to none.
    pub fn sid(&self) -> Option<&Sid> {
        match self {
            Self::CallReq { sid, .. }
            | Self::BadCallReq { sid }
            | Self::CallAccept { sid, .. }
            | Self::CallReject { sid, .. }
            | Self::CallEnd { sid, .. }
            | Self::CallKeep { sid }
            | Self::OpenDoor { sid, .. }
            | Self::OpenDoorResult { sid, .. } => Some(sid),
            _ => None,
        }
    }
}
