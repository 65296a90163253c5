//! What an endpoint wants done: connections, messages, and what the phone's programs are told.

use core::net::SocketAddr;

use crate::base::time::Instant;
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::intercom::{text, Id, Message, Reason, Sid, Words};

/// A connection; a number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link(pub u32);

/// An output of the endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // in a queue that is allocated once
pub enum Output {
    /// Begin to connect; `handle_connected` or `handle_lost` follows.
    Connect(Link, SocketAddr),
    /// Send a message.
    Send(Link, Message),
    /// Close a connection once everything is sent. It is not named again.
    Close(Link),
    /// Tell the programs that have subscribed.
    Event(Event),
}

/// Which way a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// This device is called.
    In,
    /// This device calls.
    Out,
}

/// Which call it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallInfo {
    /// Its key.
    pub sid: Sid,
    /// Which way it goes.
    pub direction: Direction,
    /// The other device; empty if it is unknown.
    pub peer: Id,
    /// Its type; 0 for a device of the cloud.
    pub peer_type: u8,
    /// It goes through the cloud.
    pub via_cloud: bool,
}

/// Something that programs are told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // as above
pub enum Event {
    /// A call has reached another state; its URLs, as far as they apply now.
    Call(CallState, CallInfo, Urls),
    /// A call has ended. Each call that was told has exactly one of these.
    Closed(Closed),
    /// About opening a door; by whom.
    Door(DoorState, Sid, u8, Id, Reason),
    /// About the link to the box: the id of the home, or why it is not there.
    Box(BoxState, Id, Reason),
    /// About an alarm; for `Acked`, by whom.
    Alarm(AlarmState, Alarm, Id),
    /// About the channel to the cloud.
    Cloud(CloudState),
}

/// The state of a call, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// This device calls; nothing is known of the other one.
    Calling,
    /// The other device rings.
    Ringing,
    /// This device rings.
    Incoming,
    /// The call was answered.
    Talking,
    /// Another device has called, and was told that the line is busy.
    Waiting,
    /// The call will be ended in so many milliseconds.
    Ending(u64),
}

/// How a call has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Which call.
    pub info: CallInfo,
    /// What it was, for the log.
    pub outcome: Outcome,
    /// Why it has ended.
    pub reason: Reason,
    /// When it began.
    pub began_at: Instant,
    /// The time from the answer to the end, in milliseconds.
    pub duration_ms: u64,
    /// Who answered; empty if it is unknown.
    pub by: Id,
    /// How often a door was opened.
    pub opened: u32,
}

impl Closed {
    /// A call that found the line busy at this time.
    pub fn busy(info: CallInfo, at: Instant) -> Self {
        Self {
            info,
            outcome: Outcome::Busy,
            reason: text("line_busy"),
            began_at: at,
            duration_ms: 0,
            by: Id::new(),
            opened: 0,
        }
    }
}

/// What a call was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words of the log
pub enum Outcome {
    Answered,
    Missed,
    Rejected,
    Unanswered,
    Busy,
    Failed,
}

/// What became of opening a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoorState {
    /// On a door unit: open it, and say what came of it.
    Requested,
    /// It was opened.
    Opened,
    /// It was not.
    Refused,
    /// The door has not said.
    Unknown,
}

/// The link to the box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words of the event
pub enum BoxState {
    Joined,
    Refused,
    Replaced,
    Lost,
}

/// The channel to the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words of the event
pub enum CloudState {
    Online,
    Lost,
    Refused,
    Replaced,
}

/// An alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words of the event
pub enum AlarmState {
    Raised,
    Cleared,
    Acked,
}

/// An alarm of the home.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alarm {
    /// Its id; empty from a box that gives none.
    pub id: Id,
    /// The zone, 0 to 7.
    pub port: u8,
    /// Its name, such as `smoke`.
    pub name: Words,
    /// Words for people.
    pub message: Words,
}
