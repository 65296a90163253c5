//! What happens to the call of an endpoint: the inputs of its state machine.

use core::net::IpAddr;

use crate::wire::intercom::{Id, Reason};

/// An input of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// The connection is made; this device has the address on it.
    Connected(IpAddr),
    /// The connection has ended, or was never made.
    Lost,
    /// The deadline of the stage has come.
    Expired,
    /// The peer has sent `call_keep` before, and nothing for too long.
    Silent,
    /// Messages of the peer.
    Keep,
    /// Who has answered.
    Accepted(Id),
    /// `call_reject`.
    Rejected(Reason),
    /// `call_end`.
    Ended(Reason),
    /// `open_door`; `ack`: the result is wanted.
    OpenDoor { door: u8, ack: bool },
    /// `open_door_result`.
    DoorResult { door: u8, ok: bool, reason: Reason },
    /// The same `call_req` again.
    Repeated,
    /// Requests of the phone's user.
    Answer,
    /// Reject with this reason.
    Reject(Reason),
    /// Stop the bell.
    Silence,
    /// End with this reason; empty: the one that fits.
    HangUp(Reason),
    /// Open the peer's door.
    Open(u8),
}

/// The last message of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    /// The peer has ended the call, or is gone.
    None,
    /// `call_reject`.
    Reject(Reason),
    /// `call_end`.
    End(Reason),
}
