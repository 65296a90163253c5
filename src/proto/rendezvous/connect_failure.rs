//! Why a caller did not reach a phone.

use core::fmt;

/// Why a phone was not reached. The codes are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// 408: the server does not respond.
    NoServer,
    /// The code of the server's response: 400, 403, 404, 503.
    Refused(u16),
    /// 408: no PING got through.
    NoPath,
    /// 408: no PING got through, and the server has no relay, or it did not help.
    NoRelay,
    /// 408: the phone is registered, but does not respond to the server.
    NoPhone,
    /// 408: the host that answers the PINGs cannot prove that it is the phone.
    NoProof,
}

impl ConnectFailure {
    /// The protocol's code.
    pub fn code(self) -> u16 {
        match self {
            Self::Refused(code) => code,
            _ => 408,
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Self::NoServer => "the rendezvous server does not respond",
            Self::Refused(400) => "the rendezvous server does not accept the registration",
            Self::Refused(403) => "wrong invite code",
            Self::Refused(404) => "no phone with this id is registered with the rendezvous server",
            Self::Refused(503) => "too many callers at once, of this phone or from this address; try again in a minute",
            Self::Refused(_) => "the rendezvous server refuses",
            Self::NoPhone => "the phone is registered, but does not respond to the rendezvous server",
            Self::NoProof => "the host that answers cannot prove that it is the phone",
            Self::NoPath => "no packet gets through the NATs between here and the phone",
            Self::NoRelay => {
                "no packet gets through the NATs between here and the phone, and the server does not relay"
            }
        };
        write!(f, "{} {words}", self.code())
    }
}
