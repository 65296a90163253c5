//! What is the same on both sides once a call has been answered.

use std::time::{Duration, Instant};

use crate::sim::intercom::call::{Call, Event};
use crate::sim::intercom::link::earliest;
use crate::sim::intercom::output::{reason_shown, say};
use crate::sim::intercom::streams::StreamPlan;
use crate::wire::intercom::{text, Message};

/// A door that understands `ack` answers within this time.
const DOOR_PATIENCE: Duration = Duration::from_secs(2);

/// What a device does during a call.
pub(super) struct Plan {
    /// Hang up after this time.
    pub(super) talk_for: Option<Duration>,
    /// Ask the other side to open its door.
    pub(super) open_door: bool,
    /// This device is a door, and opens when it is asked to.
    pub(super) is_door: bool,
    /// Its streams.
    pub(super) streams: StreamPlan,
}

/// Talks until the call ends, and prints what happens. Returns whether this door was opened.
pub(super) fn talk(call: &mut Call, plan: &Plan) -> bool {
    let hang_up_at = plan.talk_for.map(|time| Instant::now() + time);
    let mut result_at = None;
    let mut has_opened = false;
    if plan.open_door {
        ask_to_open(call);
        result_at = Some(Instant::now() + DOOR_PATIENCE);
    }
    loop {
        match call.next(earliest(hang_up_at, result_at)) {
            Event::OpenDoor { door, ack } if plan.is_door => {
                open(call, door, ack);
                has_opened = true;
            }
            Event::OpenDoorResult { door, ok, reason } => {
                result_at = None;
                say_result(door, ok, &reason_shown(&reason));
            }
            Event::TimeUp if result_at.is_some_and(|at| at <= Instant::now()) => {
                result_at = None;
                say_result(0, false, "unknown");
            }
            Event::TimeUp => {
                call.end("hangup");
                return has_opened;
            }
            Event::Ended { reason } | Event::Rejected { reason } => {
                say(&format!("ended reason={}", reason_shown(&reason)));
                return has_opened;
            }
            Event::OpenDoor { .. } | Event::Accepted { .. } => {}
        }
    }
}

fn ask_to_open(call: &mut Call) {
    let message = Message::OpenDoor {
        sid: call.sid(),
        door: 0,
        ack: true,
    };
    call.send(&message);
}

fn open(call: &mut Call, door: u8, ack: bool) {
    say(&format!("opened door={door}"));
    if ack {
        let message = Message::OpenDoorResult {
            sid: call.sid(),
            door,
            ok: true,
            reason: text(""),
        };
        call.send(&message);
    }
}

fn say_result(door: u8, ok: bool, reason: &str) {
    if ok {
        say(&format!("opened door={door}"));
    } else {
        say(&format!("not_opened door={door} reason={reason}"));
    }
}
