//! The end of a call: what its ends are told, and what is remembered.

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::home_box::call::{Call, CallState, Direction};
use crate::proto::intercom::home_box::legs::{LegId, Side};
use crate::proto::intercom::home_box::output::{BoxEvent, CallRecord, Output, Report};
use crate::proto::intercom::home_box::rewrite::to_home;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{cut, peer_type, Id, Message, Party, Reason, Sid, Stream};

/// The last message to one end.
#[derive(Clone, Debug)]
pub(super) enum Farewell {
    /// It has said so itself, or is gone.
    None,
    Reject(Reason),
    End(Reason),
}

impl Farewell {
    fn message(self, sid: Sid) -> Option<Message> {
        match self {
            Self::None => None,
            Self::Reject(reason) => Some(Message::CallReject { sid, reason }),
            Self::End(reason) => Some(Message::CallEnd { sid, reason }),
        }
    }
}

impl HomeBox {
    /// Ends the call. Legs of the community are closed; screens stay.
    pub(super) fn finish(
        &mut self,
        now: Instant,
        to_caller: Farewell,
        to_called: Farewell,
        state: &'static str,
        reason: &Reason,
    ) {
        self.close_door_question();
        let Some(call) = self.call.take() else {
            return;
        };
        let event_state = if state == "missed" { "missed" } else { "ended" };
        self.announce(&call, event_state, reason, None);
        let sid = self.caller_sid(&call);
        self.part_with(call.caller, to_caller.message(sid));
        let called = match &call.state {
            CallState::Ringing(ringing) => ringing.legs.clone(),
            CallState::Dialling { callee, .. } => {
                // It is no leg yet: only the attempt to connect ends.
                self.output(Output::Close(*callee));
                vec![]
            }
            CallState::RingingOut { callee, .. } => vec![*callee],
            CallState::Talking(talking) => vec![talking.callee],
        };
        for leg in called {
            let message = to_called.clone().message(call.sid.clone());
            self.part_with(leg, message);
        }
        self.remember(now, &call, state, reason);
    }

    /// Ends a call that was not answered yet.
    pub(super) fn finish_unanswered(
        &mut self,
        now: Instant,
        to_caller: Farewell,
        to_called: Farewell,
        reason: &str,
    ) {
        let state = self.unanswered();
        let reason = cut(reason.as_bytes());
        self.finish(now, to_caller, to_called, state, &reason);
    }

    fn part_with(&mut self, leg: LegId, farewell: Option<Message>) {
        let Some(side) = self.legs.find(leg).map(|leg| leg.side) else {
            return;
        };
        if let Some(message) = farewell {
            self.send(leg, message);
        }
        if side == Side::Community {
            self.close(leg);
        }
    }

    fn remember(&mut self, now: Instant, call: &Call, state: &'static str, reason: &Reason) {
        // A call that was passed on is one that the home has missed.
        let state = if call.is_passed_on { "missed" } else { state };
        let duration = call
            .answered_at
            .map_or(Duration::ZERO, |answered| now.since(answered));
        let peer = call.peer();
        let pictured = if state == "answered" {
            Stream::new()
        } else {
            self.picture_of(call)
        };
        if state == "rejected" {
            self.outputs.push_back(Output::Report(Report::Rejected {
                peer: peer.id.clone(),
                reason: reason.clone(),
            }));
        }
        self.outputs.push_back(Output::Ended(CallRecord {
            sid: call.sid.clone(),
            began_at: call.began_at,
            direction: direction(call),
            peer: peer.id.clone(),
            peer_type: peer.peer_type,
            state,
            reason: reason.clone(),
            duration_ms: duration.millis(),
            by: call.by.clone(),
            opened: call.opened,
            pictured,
        }));
    }

    /// The id of the stream with the picture of the call's door; empty if there is none.
    fn picture_of(&self, call: &Call) -> Stream {
        let peer = call.peer();
        if peer.peer_type != peer_type::OUTER_BOX {
            return Stream::new();
        }
        let (door, ..) = to_home(&self.rules.addresses, peer, peer);
        door.video
    }

    /// The key that messages to the caller carry.
    pub(super) fn caller_sid(&self, call: &Call) -> Sid {
        if call.caller_has_no_sid {
            Sid::new()
        } else {
            call.sid.clone()
        }
    }

    /// Sends a message of the call to one of its ends, with the key that this end knows.
    pub(super) fn send_in_call(&mut self, leg: LegId, message: impl FnOnce(Sid) -> Message) {
        let Some(call) = &self.call else {
            return;
        };
        let sid = if leg == call.caller {
            self.caller_sid(call)
        } else {
            call.sid.clone()
        };
        self.send(leg, message(sid));
    }

    /// Tells subscribers about the call.
    pub(super) fn announce_call(&mut self, state: &'static str, reason: &[u8]) {
        if let Some(call) = self.call.take() {
            self.announce(&call, state, &cut(reason), None);
            self.call = Some(call);
        }
    }

    pub(super) fn announce_limit(&mut self, left: Duration) {
        if let Some(call) = self.call.take() {
            self.announce(&call, "ending", &Reason::new(), Some(left.millis()));
            self.call = Some(call);
        }
    }

    pub(super) fn announce_refused(
        &mut self,
        sid: &Sid,
        src: &Party,
        reason: &Reason,
        state: &'static str,
    ) {
        let state = if state == "missed" { "missed" } else { "ended" };
        self.output(Output::Event(BoxEvent::Call {
            sid: sid.clone(),
            state,
            direction: "in",
            peer: src.id.clone(),
            peer_type: src.peer_type,
            reason: reason.clone(),
            by: Id::new(),
            left_ms: None,
        }));
    }

    fn announce(
        &mut self,
        call: &Call,
        state: &'static str,
        reason: &Reason,
        left_ms: Option<u64>,
    ) {
        self.output(Output::Event(event_of(call, state, reason, left_ms)));
    }
}

/// What subscribers are told of a call.
pub(super) fn event_of(
    call: &Call,
    state: &'static str,
    reason: &Reason,
    left_ms: Option<u64>,
) -> BoxEvent {
    let peer = call.peer();
    BoxEvent::Call {
        sid: call.sid.clone(),
        state,
        direction: direction(call),
        peer: peer.id.clone(),
        peer_type: peer.peer_type,
        reason: reason.clone(),
        by: call.by.clone(),
        left_ms,
    }
}

fn direction(call: &Call) -> &'static str {
    match call.direction {
        Direction::In => "in",
        Direction::Out | Direction::WithinHome => "out",
    }
}
