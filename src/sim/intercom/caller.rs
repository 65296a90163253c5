//! Places a call.

use std::time::{Duration, Instant};

use crate::sim::intercom::call::{Call, Event};
use crate::sim::intercom::link::Link;
use crate::sim::intercom::output::{reason_shown, say, shown};
use crate::sim::intercom::streams::Streams;
use crate::sim::intercom::talk::{talk, Plan};
use crate::wire::intercom::{text, Message, Party, Reason, Sid};

/// How long it may ring: a little longer than a box lets its screens ring.
const RING_TIMEOUT: Duration = Duration::from_secs(65);

/// How a call that was answered has gone.
pub(super) struct Placed {
    /// This door was opened.
    pub(super) has_opened: bool,
    /// The box has put this screen out during the call, for this reason.
    pub(super) put_out: Option<Reason>,
}

/// Calls, talks and hangs up. The error says why nobody answered.
pub(super) fn place(
    link: &mut Link,
    sid: Sid,
    src: Party,
    dest: Party,
    plan: &Plan,
) -> Result<Placed, String> {
    say(&format!(
        "calling to={} sid={}",
        shown(&dest.id),
        shown(&sid)
    ));
    let mut call = Call::new(link, &sid);
    call.send(&Message::CallReq { sid, src, dest });
    let streams = Streams::begin(&plan.streams);
    let result = wait_for_answer(&mut call).map(|()| {
        streams.handle_answer();
        talk(&mut call, plan)
    });
    streams.end();
    let put_out = call.close();
    let has_opened = result?;
    Ok(Placed {
        has_opened,
        put_out,
    })
}

fn wait_for_answer(call: &mut Call) -> Result<(), String> {
    let until = Instant::now() + RING_TIMEOUT;
    loop {
        match call.next(Some(until)) {
            Event::Accepted { by } => {
                say(&format!("answered by={}", shown(&by)));
                return Ok(());
            }
            Event::Rejected { reason } => {
                let reason = reason_shown(&reason);
                say(&format!("rejected reason={reason}"));
                return Err(format!("the call was rejected: {reason}"));
            }
            Event::Ended { reason } => {
                let reason = reason_shown(&reason);
                say(&format!("ended reason={reason}"));
                return Err(format!("the call ended before it was answered: {reason}"));
            }
            Event::TimeUp => {
                call.end("timeout");
                let seconds = RING_TIMEOUT.as_secs();
                return Err(format!("nobody answered within {seconds} s"));
            }
            Event::OpenDoor { door, ack } => refuse_to_open(call, door, ack),
            Event::OpenDoorResult { .. } => {}
        }
    }
}

/// Only who has answered may open.
fn refuse_to_open(call: &mut Call, door: u8, ack: bool) {
    let reason = "unauthorised";
    say(&format!("not_opened door={door} reason={reason}"));
    if ack {
        let message = Message::OpenDoorResult {
            sid: call.sid(),
            door,
            ok: false,
            reason: text(reason),
        };
        call.send(&message);
    }
}
