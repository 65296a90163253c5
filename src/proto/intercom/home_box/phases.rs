//! Which message of which leg does what in which state of the call.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::call::{CallState, Direction, Part};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::{LegId, LegState};
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{text, Message, Reason};

/// The state of the call without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Ringing,
    Dialling,
    RingingOut,
    Talking,
}

impl HomeBox {
    /// A message of a screen, or of a leg of the call.
    ///
    /// ```text
    /// state        leg       message                  
    /// RINGING      ringing   call_accept              it has won
    ///                        call_reject, call_end    by the policy of rejects
    ///                        open_door                by the policy of doors
    ///              caller    call_keep                copied to the screens that ring
    ///                        call_end, call_reject    cancelled
    /// DIALLING     caller    call_end, call_reject    cancelled
    /// RINGING OUT  callee    call_accept              both talk
    ///                        call_reject, call_end    passed to the caller
    ///              both      call_keep                passed to the other end
    ///              caller    call_end, call_reject    cancelled
    /// TALKING      both      call_keep                passed to the other end
    ///                        call_end, call_reject    passed to the other end
    ///              screen    open_door                passed to the door
    ///              door      open_door_result         passed to who asked
    ///              others    call_accept              answered elsewhere
    /// ```
    pub(super) fn handle_call_message(&mut self, now: Instant, leg: LegId, message: &Message) {
        let Some(call) = &self.call else {
            self.counts.ignored_messages += 1;
            return;
        };
        let sid = message.sid().filter(|sid| !sid.is_empty());
        if sid.is_some_and(|sid| *sid != call.sid) {
            self.counts.ignored_messages += 1;
            return;
        }
        let part = call.part(leg);
        let phase = match call.state {
            CallState::Ringing(_) => Phase::Ringing,
            CallState::Dialling { .. } => Phase::Dialling,
            CallState::RingingOut { .. } => Phase::RingingOut,
            CallState::Talking(_) => Phase::Talking,
        };
        if part != Part::None {
            self.note_heard(now, leg, message);
        }
        match (phase, part, message) {
            (Phase::Ringing, Part::Ringing, Message::CallAccept { .. }) => self.answer(now, leg),
            (
                Phase::Ringing,
                Part::Ringing,
                Message::CallReject { reason, .. } | Message::CallEnd { reason, .. },
            ) => self.handle_ring_rejected(now, leg, reason),
            (Phase::Ringing, Part::Ringing, Message::OpenDoor { door, .. }) => {
                self.open_while_ringing(now, leg, *door);
            }
            (_, Part::Caller | Part::Callee, Message::CallKeep { .. }) => self.relay_keep(leg),
            (_, Part::Ringing, Message::CallKeep { .. }) => {}
            (Phase::RingingOut, Part::Callee, Message::CallAccept { by, .. }) => {
                self.handle_callee_accept(now, by);
            }
            (Phase::Talking, _, _) => self.handle_talk_message(now, leg, part, message),
            (_, part, Message::CallReject { reason, .. } | Message::CallEnd { reason, .. }) => {
                self.handle_end_before_answer(now, part, reason);
            }
            _ => self.counts.ignored_messages += 1,
        }
    }

    fn handle_talk_message(&mut self, now: Instant, leg: LegId, part: Part, message: &Message) {
        match (part, message) {
            (
                Part::Caller | Part::Callee,
                Message::CallReject { reason, .. } | Message::CallEnd { reason, .. },
            ) => self.handle_talk_end(now, part, reason),
            (Part::Caller | Part::Callee, Message::OpenDoor { door, .. }) => {
                self.open_door(now, leg, part, *door);
            }
            (Part::Caller | Part::Callee, Message::OpenDoorResult { ok, reason, .. }) => {
                self.handle_door_result(leg, *ok, reason)
            }
            (Part::None, Message::CallAccept { .. }) => {
                let reason: Reason = text("answered_elsewhere");
                self.send_in_call(leg, |sid| Message::CallEnd { sid, reason });
            }
            _ => self.counts.ignored_messages += 1,
        }
    }

    /// One end hangs up or rejects before the call was answered.
    fn handle_end_before_answer(&mut self, now: Instant, part: Part, reason: &Reason) {
        let Some(call) = &self.call else {
            return;
        };
        let is_ringing = matches!(call.state, CallState::Ringing(_));
        match part {
            Part::Caller if is_ringing && call.direction == Direction::In => {
                self.handle_ring_cancelled(now, "cancelled");
            }
            Part::Caller => {
                let end = Farewell::End(text("cancelled"));
                self.finish_unanswered(now, Farewell::None, end, "cancelled");
            }
            Part::Callee => {
                let reason = if reason.is_empty() {
                    text("declined")
                } else {
                    reason.clone()
                };
                let reject = Farewell::Reject(reason.clone());
                let state = match &reason[..] {
                    b"line_busy" => "busy",
                    b"no_answer" | b"timeout" | b"app_offline" | b"unreachable" | b"lost" => {
                        "unanswered"
                    }
                    _ => "rejected",
                };
                self.finish(now, reject, Farewell::None, state, &reason);
            }
            Part::Ringing | Part::None => self.counts.ignored_messages += 1,
        }
    }

    /// From its first keep-alive in a call on, a leg is watched; each message of the call counts.
    fn note_heard(&mut self, now: Instant, leg: LegId, message: &Message) {
        let is_keep = matches!(message, Message::CallKeep { .. });
        if let Some(leg) = self.legs.find_mut(leg) {
            // The cloud has keep-alives and time-outs of its own.
            let is_cloud = matches!(leg.state, LegState::Cloud { .. });
            if is_cloud {
                return;
            }
            if is_keep || leg.heard_at.is_some() {
                leg.heard_at = Some(now);
            }
        }
    }
}
