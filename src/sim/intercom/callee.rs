//! Takes a call: rings, and answers or rejects it, or does neither.

use std::time::{Duration, Instant};

use crate::sim::intercom::call::{Call, Event};
use crate::sim::intercom::link::Link;
use crate::sim::intercom::output::{reason_shown, say, shown};
use crate::sim::intercom::streams::Streams;
use crate::sim::intercom::talk::{talk, Plan};
use crate::wire::intercom::{text, Id, Message, Reason, Sid};

/// How long it rings: a little longer than a box lets its screens ring.
const RING_TIMEOUT: Duration = Duration::from_secs(65);

/// What is done when it rings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reaction {
    Answer,
    Reject,
    /// Ring until the caller has had enough.
    Ignore,
}

/// Takes the call `sid` from `from`; `own_id` is told to the caller. Returns the reason if the box
/// has put this screen out meanwhile.
pub(super) fn take(
    link: &mut Link,
    sid: &Sid,
    from: &Id,
    own_id: &Id,
    reaction: Reaction,
    plan: &Plan,
) -> Option<Reason> {
    say(&format!("ringing from={} sid={}", shown(from), shown(sid)));
    let mut call = Call::new(link, sid);
    match reaction {
        Reaction::Answer => {
            let message = Message::CallAccept {
                sid: sid.clone(),
                by: own_id.clone(),
            };
            call.send(&message);
            say("answered");
            let streams = Streams::begin(&plan.streams);
            streams.handle_answer();
            talk(&mut call, plan);
            streams.end();
        }
        Reaction::Reject => {
            let message = Message::CallReject {
                sid: sid.clone(),
                reason: text("declined"),
            };
            call.send(&message);
            say("rejected reason=declined");
        }
        Reaction::Ignore => ring(&mut call),
    }
    call.close()
}

/// Rings until the call ends, and prints why.
fn ring(call: &mut Call) {
    let until = Instant::now() + RING_TIMEOUT;
    loop {
        match call.next(Some(until)) {
            Event::Ended { reason } | Event::Rejected { reason } => {
                say(&format!("ended reason={}", reason_shown(&reason)));
                return;
            }
            Event::TimeUp => {
                say("ended reason=timeout");
                return;
            }
            _ => {}
        }
    }
}
