//! The status of a phone's registration, for people and for the statistics.

use core::fmt;
use core::net::SocketAddrV4;

/// The last known status of the phone's registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The first registration has not succeeded or failed yet.
    Starting,
    /// The server's name was not found.
    NoName,
    /// The server does not respond.
    NoAnswer,
    /// The server refuses the registration with this code.
    Refused(u16),
    /// The phone is registered; the address that the server sees.
    Registered(Option<SocketAddrV4>),
}

impl Status {
    /// The status in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NoName => "no-name",
            Self::NoAnswer => "no-answer",
            Self::Refused(_) => "refused",
            Self::Registered(_) => "registered",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Registered(Some(outside)) => write!(f, ", seen at {outside}"),
            Self::Refused(code) => write!(f, " ({code}): check p2pCid and p2pKey"),
            _ => Ok(()),
        }
    }
}
