//! A connection that the server helps to establish.

use crate::base::limits::rendezvous::PEER_KNOWN;
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::Name;

/// A FWD without a response is repeated after this.
const FORWARD_INTERVAL: Duration = Duration::from_millis(500);
/// Times that a FWD is sent.
const MAX_FORWARDS: u8 = 4;
/// The caller is told the phone's address once the phone has responded to the FWD, and so has
/// opened its NAT for what the caller sends then. After this time the caller is told anyway: the
/// SDK repeats its CON after 400 ms.
const RESPOND_WITHIN: Duration = Duration::from_millis(300);
/// NFYs of one connection that are passed on: the SDK sends up to seven.
const MAX_NOTICES: u8 = 24;

/// What a caller asks for in a CON.
pub(super) struct ConnectRequest {
    pub(super) caller: Name,
    /// The number of the CON.
    pub(super) mid: u32,
    pub(super) phone: Name,
    pub(super) service: Name,
    pub(super) caller_object: Name,
    pub(super) phone_object: Name,
    pub(super) invite: Name,
}

/// A connection that is being established.
pub(super) struct PendingConnection {
    pub(super) request: ConnectRequest,
    /// Both ends are told it, so that the phone can prove its identity. Empty if one of them does
    /// not know how.
    pub(super) secret: Name,
    /// When the caller is told the phone's address; `None`: it has been told.
    pub(super) respond_at: Option<Instant>,
    pub(super) forward_mid: u32,
    forward_at: Instant,
    forwards: u8,
    /// The code of the phone's response to the FWD.
    pub(super) phone_code: Option<u16>,
    notices: u8,
    pub(super) expires_at: Instant,
}

/// What is due for a connection whose FWD has no response yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ForwardDue {
    Nothing,
    /// The FWD is to be repeated.
    Forward,
    /// The FWD has been sent often enough: the phone does not respond.
    GiveUp,
}

impl PendingConnection {
    pub(super) fn new(
        now: Instant,
        request: ConnectRequest,
        secret: Name,
        forward_mid: u32,
    ) -> Self {
        Self {
            request,
            secret,
            respond_at: Some(now + RESPOND_WITHIN),
            forward_mid,
            forward_at: now,
            forwards: 0,
            phone_code: None,
            notices: 0,
            expires_at: now + PEER_KNOWN,
        }
    }

    /// When something is due while the phone has not responded.
    pub(super) fn next_deadline(&self) -> Instant {
        self.respond_at
            .map_or(self.forward_at, |at| at.min(self.forward_at))
    }

    pub(super) fn due(&self, now: Instant) -> ForwardDue {
        if now < self.forward_at {
            ForwardDue::Nothing
        } else if self.forwards >= MAX_FORWARDS {
            ForwardDue::GiveUp
        } else {
            ForwardDue::Forward
        }
    }

    /// A FWD is sent.
    pub(super) fn note_forward(&mut self, now: Instant) {
        self.forwards += 1;
        self.forward_at = now + FORWARD_INTERVAL;
    }

    /// Counts an NFY; `false`: there have been too many of them.
    pub(super) fn take_notice(&mut self) -> bool {
        self.notices = self.notices.saturating_add(1);
        self.notices <= MAX_NOTICES
    }

    /// The other end of the connection; `None`: the endpoint does not belong to it.
    pub(super) fn other(&self, cid: &Name) -> Option<&Name> {
        let ConnectRequest { caller, phone, .. } = &self.request;
        if cid == caller {
            Some(phone)
        } else if cid == phone {
            Some(caller)
        } else {
            None
        }
    }
}
