//! The call's tables (spec, section 7): what each input does in each stage.
//!
//! An answer and the end of a call may cross: the callee has sent `call_accept` while the caller has
//! given up, or another screen was faster. `Answering` is that second: the end is then no missed
//! call. Whatever does not fit a stage is ignored and counted; no input leaves a stage without its
//! deadline but `Talking` without a limit.

use crate::base::limits::endpoint::ANSWER_CONFIRMED;
use crate::base::time::Instant;
use crate::proto::intercom::endpoint::call::{Call, Limit, Stage};
use crate::proto::intercom::endpoint::input::{Farewell, Input};
use crate::proto::intercom::endpoint::output::{CallState, Event, Outcome};
use crate::proto::intercom::endpoint::urls::Urls;
use crate::proto::intercom::endpoint::{or_else, Endpoint};
use crate::wire::intercom::{peer_type, text, Id, Message, Reason};

impl Endpoint {
    pub(super) fn step(&mut self, now: Instant, input: Input) {
        let Some(stage) = self.call.as_ref().map(|call| call.stage) else {
            return self.ignore();
        };
        match stage {
            Stage::Connecting { .. } | Stage::Requested { .. } | Stage::Alerting { .. } => {
                self.step_caller(now, stage, input)
            }
            Stage::Ringing { .. } | Stage::Silenced { .. } => self.step_ringing(now, stage, input),
            Stage::Answering { .. } | Stage::Talking { .. } => {
                self.step_answered(now, stage, input)
            }
        }
    }

    /// The caller, until the answer.
    fn step_caller(&mut self, now: Instant, stage: Stage, input: Input) {
        use Stage::{Alerting, Connecting, Requested};
        match (stage, input) {
            (Connecting { .. }, Input::Connected(local)) => self.send_request(now, local),
            (Connecting { .. }, Input::Lost | Input::Expired) => {
                self.close(now, "unreachable", Farewell::None)
            }
            (Connecting { .. }, Input::HangUp(reason)) => {
                self.close_for(now, or_else(reason, "cancelled"), Farewell::None)
            }
            (Requested { expires_at }, Input::Keep) => {
                self.enter(now, Alerting { expires_at });
                self.call_event(CallState::Ringing);
            }
            (Requested { .. } | Alerting { .. }, Input::Accepted(by)) => {
                self.handle_accepted_by(now, by)
            }
            (Requested { .. } | Alerting { .. }, Input::Rejected(reason)) => {
                self.close_for(now, or_else(reason, "undefined"), Farewell::None)
            }
            (Requested { .. } | Alerting { .. }, Input::Ended(reason)) => {
                self.close_for(now, or_else(reason, "hangup"), Farewell::None)
            }
            (Requested { .. } | Alerting { .. }, Input::Expired) => {
                self.close(now, "no_answer", Farewell::End(text("timeout")))
            }
            (Requested { .. } | Alerting { .. }, Input::HangUp(reason)) => {
                let reason = or_else(reason, "cancelled");
                self.close_for(now, reason.clone(), Farewell::End(reason))
            }
            (Requested { .. } | Alerting { .. }, Input::Silent | Input::Lost) => {
                self.close(now, "lost", Farewell::End(text("lost")))
            }
            (Requested { .. } | Alerting { .. }, Input::OpenDoor { door, ack }) => {
                self.handle_early_opening(now, door, ack)
            }
            (Alerting { .. }, Input::Keep) => {}
            _ => self.ignore(),
        }
    }

    /// The callee, until the answer.
    fn step_ringing(&mut self, now: Instant, stage: Stage, input: Input) {
        match (stage, input) {
            (_, Input::Answer) => self.answer(now),
            (_, Input::Reject(reason)) => {
                let farewell = Farewell::Reject(reason.clone());
                self.close_as(now, Outcome::Rejected, reason, farewell)
            }
            (Stage::Ringing { expires_at }, Input::Silence) => {
                self.enter(now, Stage::Silenced { expires_at })
            }
            (Stage::Silenced { .. }, Input::Silence) => {}
            (_, Input::Ended(reason) | Input::Rejected(reason)) => {
                self.close_for(now, or_else(reason, "cancelled"), Farewell::None)
            }
            // The box has other screens that ring; only a caller of our own is told.
            (_, Input::Expired) => {
                let farewell = if self.is_call_on_box() {
                    Farewell::None
                } else {
                    Farewell::Reject(text("no_answer"))
                };
                self.close(now, "timeout", farewell)
            }
            (_, Input::Silent | Input::Lost) => self.close(now, "lost", Farewell::None),
            (_, Input::OpenDoor { door, ack }) => self.handle_early_opening(now, door, ack),
            (_, Input::Open(door)) => self.send_open(now, door),
            (_, Input::DoorResult { door, ok, reason }) => {
                self.handle_door_result(door, ok, reason)
            }
            (_, Input::Keep | Input::Repeated) => {}
            _ => self.ignore(),
        }
    }

    /// Both, from the answer on.
    fn step_answered(&mut self, now: Instant, stage: Stage, input: Input) {
        use Stage::{Answering, Talking};
        match (stage, input) {
            (Answering { .. }, Input::Keep | Input::Expired) => self.begin_talking(now),
            (
                Talking {
                    limit: Limit::Notice { ends_at, .. },
                },
                Input::Expired,
            ) => {
                let limit = Limit::End { at: ends_at };
                self.enter(now, Talking { limit });
                // In whole seconds: the timer is a moment late, and users are told the 10 s.
                let left = ends_at.since(now).millis().div_ceil(1000);
                self.call_event(CallState::Ending(left * 1000));
            }
            (Talking { .. }, Input::Expired) => {
                let reason = text("max_duration");
                self.close(now, "max_duration", Farewell::End(reason))
            }
            (Answering { .. }, Input::Ended(reason) | Input::Rejected(reason)) => {
                self.close_unconfirmed(now, or_else(reason, "answered_elsewhere"))
            }
            (_, Input::Ended(reason) | Input::Rejected(reason)) => {
                self.close_for(now, or_else(reason, "hangup"), Farewell::None)
            }
            (_, Input::HangUp(reason)) => {
                let reason = or_else(reason, "hangup");
                self.close_for(now, reason.clone(), Farewell::End(reason))
            }
            (_, Input::Silent | Input::Lost) => {
                self.close(now, "lost", Farewell::End(text("lost")))
            }
            (_, Input::OpenDoor { door, ack }) => self.handle_opening(now, door, ack),
            (_, Input::Open(door)) => self.send_open(now, door),
            (_, Input::DoorResult { door, ok, reason }) => {
                self.handle_door_result(door, ok, reason)
            }
            (_, Input::Keep | Input::Repeated | Input::Accepted(_)) => {}
            _ => self.ignore(),
        }
    }

    /// The callee answers.
    fn answer(&mut self, now: Instant) {
        let confirmed_at = now + ANSWER_CONFIRMED;
        let by = self.settings.id.clone();
        let Some(call) = &mut self.call else { return };
        call.answered_at = Some(now);
        call.by.clone_from(&by);
        let sid = call.wire_sid.clone();
        self.enter(now, Stage::Answering { confirmed_at });
        self.send_to_peer(Message::CallAccept { sid, by });
    }

    /// The end of a call that this device has only just answered: another one was faster.
    fn close_unconfirmed(&mut self, now: Instant, reason: Reason) {
        if let Some(call) = &mut self.call {
            if reason[..] == *b"answered_elsewhere" {
                call.answered_at = None;
                call.by.clear();
            }
        }
        self.close_for(now, reason, Farewell::None);
    }

    /// The callee of this device's call has answered.
    fn handle_accepted_by(&mut self, now: Instant, by: Id) {
        let Some(call) = &mut self.call else { return };
        call.answered_at = Some(now);
        call.by = by;
        self.begin_talking(now);
    }

    fn begin_talking(&mut self, now: Instant) {
        let own_type = self.settings.role.peer_type();
        let max_call = self.settings.max_call;
        let Some(call) = &self.call else { return };
        let types = [own_type, call.info.peer_type];
        let limit = if types.contains(&peer_type::OUTER_BOX) {
            Limit::new(call.answered_at.unwrap_or(now), max_call)
        } else {
            Limit::None
        };
        self.enter(now, Stage::Talking { limit });
        self.call_event(CallState::Talking);
    }

    pub(super) fn enter(&mut self, now: Instant, stage: Stage) {
        if let Some(call) = &mut self.call {
            let is_same = call.stage.shown() == stage.shown();
            call.stage = stage;
            if !is_same {
                call.since = now;
            }
        }
    }

    /// Tells the state of the call, with the URLs that apply now.
    pub(super) fn call_event(&mut self, state: CallState) {
        let Some(call) = &self.call else { return };
        let event = Event::Call(state, call.info.clone(), self.present_urls(call));
        self.event(event);
    }

    /// The URLs of the call that apply now.
    pub(super) fn present_urls(&self, call: &Call) -> Urls {
        if call.stage.is_answered() {
            call.urls.clone()
        } else {
            self.early_urls(call)
        }
    }

    fn is_call_on_box(&self) -> bool {
        let link = self.call.as_ref().and_then(|call| call.link);
        link.is_some_and(|link| self.is_box(link))
    }
}
