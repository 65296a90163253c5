//! The names of rendezvous messages, and the characters that they may have.

/// The keep-alive; each third one is the agent's own `ip:port` instead.
pub const KEEP: &[u8] = b"keep";

/// Whether a message is a request or a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Class {
    Request,
    Response,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An agent registers its address with the server.
    Register,
    /// A caller asks the server to connect it with a phone.
    Connect,
    /// The server tells the phone of the caller.
    Forward,
    /// A connectivity check, directly from one peer to the other, through both NATs.
    Ping,
    /// The response to a PING.
    Pong,
    /// A notification, without a response.
    Notify,
    /// A query to the server.
    Query,
    /// Registers an address with a port of our relay.
    Bind,
    /// Anything else.
    Unknown,
}

pub(super) const KINDS: [(&[u8], Kind); 8] = [
    (b"REG", Kind::Register),
    (b"CON", Kind::Connect),
    (b"FWD", Kind::Forward),
    (b"PING", Kind::Ping),
    (b"PONG", Kind::Pong),
    (b"NFY", Kind::Notify),
    (b"QRY", Kind::Query),
    (b"BIND", Kind::Bind),
];

/// Whether `name` can be the name of an attribute.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Whether `value` can be the value of an attribute: no control characters.
pub(super) fn is_value(value: &[u8]) -> bool {
    value.iter().all(|b| *b >= b' ' && *b != 0x7F)
}
