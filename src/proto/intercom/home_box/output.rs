//! What a box wants done, told and remembered.

use core::net::{IpAddr, SocketAddr};

use crate::base::time::Instant;
use crate::proto::intercom::home_box::legs::LegId;
use crate::wire::intercom::{Id, Message, Reason, Sid, Stream, Words};

/// Something to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields say what they are
#[allow(clippy::large_enum_variant)] // few at a time
pub enum Output {
    /// Send a message.
    Send { leg: LegId, message: Message },
    /// Close a connection after what was sent to it; it is not known here any more.
    Close(LegId),
    /// Connect to a device of the community; then `handle_connected` or `handle_unreachable`.
    Connect { leg: LegId, address: SocketAddr },
    /// Tell those who have subscribed.
    Event(BoxEvent),
    /// A call that has ended, for the call log.
    Ended(CallRecord),
    /// Something that the property's server wants to know.
    Report(Report),
}

/// An event of the control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of the events
pub enum BoxEvent {
    Call {
        sid: Sid,
        state: &'static str,
        direction: &'static str,
        peer: Id,
        peer_type: u8,
        reason: Reason,
        by: Id,
        left_ms: Option<u64>,
    },
    Join {
        state: &'static str,
        device: Id,
        device_type: u8,
        address: IpAddr,
        reason: Reason,
    },
    Door {
        sid: Sid,
        state: &'static str,
        door: u8,
        by: Id,
    },
    Alarm {
        alarm: Id,
        state: &'static str,
        port: u8,
        name: Words,
        message: Words,
        by: Id,
    },
}

/// A line of the call log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the keys of the line
pub struct CallRecord {
    pub sid: Sid,
    pub began_at: Instant,
    pub direction: &'static str,
    pub peer: Id,
    pub peer_type: u8,
    /// `answered`, `missed`, `rejected`, `unanswered` or `busy`.
    pub state: &'static str,
    pub reason: Reason,
    pub duration_ms: u64,
    pub by: Id,
    pub opened: u32,
    /// The stream whose last picture belongs to the line: that of a door which nobody answered.
    /// Empty: none.
    pub pictured: Stream,
}

/// For the property's server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields say what they are
pub enum Report {
    /// A door or a home calls.
    CallIn { peer: Id },
    /// A screen calls.
    CallOut { peer: Id },
    /// A call was refused or rejected.
    Rejected { peer: Id, reason: Reason },
    /// A screen has joined.
    Joined { device: Id },
    /// An alarm.
    Emergency { port: u8, name: Words, alarm: Id },
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // the counters of `StatsRequest`
pub struct BoxCounts {
    pub calls_in: u64,
    pub calls_out: u64,
    pub answered: u64,
    pub busy: u64,
    pub doors_opened: u64,
    pub joined: u64,
    pub refused_joins: u64,
    pub refused_connections: u64,
    pub ignored_messages: u64,
    pub unknown_messages: u64,
    pub bad_frames: u64,
    pub urls_left_out: u64,
}
