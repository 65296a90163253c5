//! Both ends talk: hanging up, opening the door.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::answer::DOOR_REPLY;
use crate::proto::intercom::home_box::call::{CallState, Direction, DoorAsked, Part, Talking};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::LegId;
use crate::proto::intercom::home_box::HomeBox;

use crate::wire::intercom::{peer_type, text, Message, Reason, Sid};

impl HomeBox {
    /// One end hangs up.
    pub(super) fn handle_talk_end(&mut self, now: Instant, part: Part, reason: &Reason) {
        let reason = if reason.is_empty() {
            text("hangup")
        } else {
            reason.clone()
        };
        let end = Farewell::End(reason.clone());
        let (to_caller, to_callee) = if part == Part::Caller {
            (Farewell::None, end)
        } else {
            (end, Farewell::None)
        };
        self.finish(now, to_caller, to_callee, "answered", &reason);
    }

    /// The box ends the call, or one end is gone: both hear of it, as far as they are there.
    pub(super) fn hang_up(&mut self, now: Instant, reason: &Reason) {
        let end = Farewell::End(reason.clone());
        self.finish(now, end.clone(), end, "answered", reason);
    }

    /// The box ends: so does the call.
    pub fn handle_shutdown(&mut self, now: Instant) {
        let is_answered = self.talking().is_some();
        let reason = text("lost");
        let end = Farewell::End(text("lost"));
        if is_answered {
            self.hang_up(now, &reason);
        } else {
            self.finish_unanswered(now, end.clone(), end, "lost");
        }
    }

    /// Only the end that is no door opens it. Other homes have none. (A device that does not say
    /// what it is may be one.)
    pub(super) fn open_door(&mut self, now: Instant, leg: LegId, part: Part, door: u8) {
        let Some(call) = &self.call else {
            return;
        };
        let opener = match call.direction {
            Direction::In => Part::Callee,
            Direction::Out => Part::Caller,
            Direction::WithinHome => Part::None,
        };
        let is_door = !peer_type::is_home(call.peer().peer_type);
        let Some(other) = self.other_end(leg).filter(|_| part == opener && is_door) else {
            self.counts.ignored_messages += 1;
            return;
        };
        // Who is no screen of the home has answered in its place.
        let answered = call.by.clone();
        let device = self.legs.device(leg).map_or(answered, |(device, _)| device);
        let ends_after = self.rules.open_ends;
        if let Some(call) = &mut self.call {
            call.opened += 1;
        }
        if let Some(talking) = self.talking() {
            talking.door_asked = Some(DoorAsked {
                by: leg,
                device: device.clone(),
                door,
                until: now + DOOR_REPLY,
            });
            if ends_after > crate::base::time::Duration::ZERO {
                talking.hang_up_at = now + ends_after;
            }
        }
        self.ask_door(other, door, device);
    }

    /// A door says what came of it.
    pub(super) fn handle_door_result(&mut self, leg: LegId, ok: bool, reason: &Reason) {
        let Some(other) = self.other_end(leg) else {
            return;
        };
        let asked = self.talking().and_then(|talking| talking.door_asked.take());
        let Some(asked) = asked.filter(|asked| asked.by == other) else {
            self.counts.ignored_messages += 1;
            return;
        };
        let door = asked.door;
        if let Some(call) = self.call.as_mut().filter(|_| !ok) {
            call.opened = call.opened.saturating_sub(1);
        }
        let reason = reason.clone();
        self.send_in_call(asked.by, |sid| Message::OpenDoorResult {
            sid,
            door,
            ok,
            reason,
        });
        let state = if ok { "opened" } else { "refused" };
        self.announce_door(state, door, asked.device);
    }

    pub(super) fn talking(&mut self) -> Option<&mut Talking> {
        match &mut self.call.as_mut()?.state {
            CallState::Talking(talking) => Some(talking),
            _ => None,
        }
    }

    /// The key of the call in which a screen talks.
    pub(super) fn talking_sid(&self, leg: LegId) -> Option<Sid> {
        let call = self.call.as_ref()?;
        let talks = match &call.state {
            CallState::Talking(talking) => leg == talking.callee || leg == call.caller,
            _ => false,
        };
        talks.then(|| call.sid.clone())
    }

    /// The end that a leg talks to.
    pub(super) fn other_end(&self, leg: LegId) -> Option<LegId> {
        let call = self.call.as_ref()?;
        let callee = match call.state {
            CallState::RingingOut { callee, .. } => callee,
            CallState::Talking(Talking { callee, .. }) => callee,
            _ => return None,
        };
        Some(if leg == call.caller {
            callee
        } else {
            call.caller
        })
    }
}
