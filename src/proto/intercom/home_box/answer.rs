//! A ringing call is answered, or its door is opened.

use crate::base::time::{Duration, Instant};
use crate::proto::intercom::home_box::call::{CallState, DoorAsked, Talking};
use crate::proto::intercom::home_box::legs::LegId;
use crate::proto::intercom::home_box::output::{BoxEvent, Output};
use crate::proto::intercom::home_box::rules::DoorPolicy;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{cut, peer_type, text, Id, Message, Reason};

/// What a door has to carry out an opening before the call ends.
const OPENING: Duration = Duration::from_millis(1000);
/// How long a door may take to say that it was opened.
pub(super) const DOOR_REPLY: Duration = Duration::from_millis(2000);
/// How long before its limit the end of a call is announced.
pub(super) const WARNING: Duration = Duration::from_millis(10_000);

impl HomeBox {
    /// The first screen that accepts has won.
    pub(super) fn answer(&mut self, now: Instant, leg: LegId) {
        let Some((device, _)) = self.legs.device(leg) else {
            return;
        };
        self.end_other_rings(leg);
        let Some(caller) = self.call.as_ref().map(|call| call.caller) else {
            return;
        };
        let by = device.clone();
        self.send_in_call(caller, |sid| Message::CallAccept { sid, by });
        self.talk(now, leg, device);
    }

    /// Both ends talk from now on.
    pub(super) fn talk(&mut self, now: Instant, callee: LegId, by: Id) {
        let limit = self.rules.max_call;
        let Some(call) = &mut self.call else {
            return;
        };
        let door = peer_type::OUTER_BOX;
        let has_door = call.src.peer_type == door || call.dest.peer_type == door;
        let is_limited = has_door && limit > Duration::ZERO;
        let until = if is_limited {
            now + limit
        } else {
            Instant::NEVER
        };
        let warn_at = if is_limited && limit > WARNING {
            until - WARNING
        } else {
            Instant::NEVER
        };
        call.answered_at = Some(now);
        call.by = by;
        call.state = CallState::Talking(Talking {
            callee,
            until,
            warn_at,
            hang_up_at: Instant::NEVER,
            door_asked: None,
        });
        self.counts.answered += 1;
        self.announce_call("talking", b"");
    }

    /// A ringing screen opens the door without answering, where that is allowed: the call is over
    /// as soon as the door has had time to open.
    pub(super) fn open_while_ringing(&mut self, now: Instant, leg: LegId, door: u8) {
        let is_door = self
            .call
            .as_ref()
            .is_some_and(|call| call.src.peer_type == peer_type::OUTER_BOX);
        let Some((device, _)) = self.legs.device(leg) else {
            return;
        };
        if !is_door || self.rules.door != DoorPolicy::Ringing {
            self.counts.ignored_messages += 1;
            return;
        }
        self.end_other_rings(leg);
        if let Some(call) = &mut self.call {
            call.by = device.clone();
            call.opened += 1;
            call.state = CallState::Talking(Talking {
                callee: leg,
                until: Instant::NEVER,
                warn_at: Instant::NEVER,
                hang_up_at: now + OPENING,
                door_asked: Some(DoorAsked {
                    by: leg,
                    device: device.clone(),
                    door,
                    until: now + DOOR_REPLY,
                }),
            });
            let caller = call.caller;
            self.ask_door(caller, door, device);
        }
    }

    /// Asks a door to open, and tells subscribers.
    pub(super) fn ask_door(&mut self, leg: LegId, door: u8, by: Id) {
        self.counts.doors_opened += 1;
        self.send_in_call(leg, |sid| Message::OpenDoor {
            sid,
            door,
            ack: true,
        });
        self.announce_door("requested", door, by);
    }

    pub(super) fn announce_door(&mut self, state: &'static str, door: u8, by: Id) {
        let sid = self.call.as_ref().map(|call| call.sid.clone());
        self.output(Output::Event(BoxEvent::Door {
            sid: sid.unwrap_or_default(),
            state,
            door,
            by,
        }));
    }

    /// All screens that ring, but this one, hear that the call was answered.
    fn end_other_rings(&mut self, winner: LegId) {
        let Some(call) = &self.call else {
            return;
        };
        let CallState::Ringing(ringing) = &call.state else {
            return;
        };
        let sid = call.sid.clone();
        let others = ringing.legs.iter().copied().filter(|leg| *leg != winner);
        for leg in others.collect::<Vec<_>>() {
            let reason: Reason = text("answered_elsewhere");
            let sid = sid.clone();
            self.send(leg, Message::CallEnd { sid, reason });
        }
    }

    /// The device that was called from the home has accepted.
    pub(super) fn handle_callee_accept(&mut self, now: Instant, by: &Id) {
        let Some(call) = &self.call else {
            return;
        };
        let CallState::RingingOut { callee, .. } = call.state else {
            return;
        };
        let caller = call.caller;
        let called = if call.is_passed_on {
            &self.rules.no_answer_to
        } else {
            &call.dest.id
        };
        let by: Id = if by.is_empty() {
            cut(called)
        } else {
            by.clone()
        };
        let who = by.clone();
        self.send_in_call(caller, |sid| Message::CallAccept { sid, by: who });
        self.talk(now, callee, by);
    }
}
