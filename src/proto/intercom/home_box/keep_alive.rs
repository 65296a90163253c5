//! Keep-alives: the box sends its own on each leg of a call, passes on those of the ends, and
//! watches each leg.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::call::{CallState, Part};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::LegId;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{text, Message, Reason};

impl HomeBox {
    /// Passes a keep-alive to the other end, or to all screens that ring.
    pub(super) fn relay_keep(&mut self, from: LegId) {
        let Some(call) = &self.call else {
            return;
        };
        let others = call.legs().into_iter().filter(|leg| *leg != from);
        for leg in others.collect::<Vec<_>>() {
            self.send_in_call(leg, |sid| Message::CallKeep { sid });
        }
    }

    /// When the next keep-alive is due, or the first leg has been silent for too long.
    pub(super) fn keep_alive_at(&self) -> Instant {
        let Some(call) = &self.call else {
            return Instant::NEVER;
        };
        let silent_at = |leg: LegId| {
            let heard_at = self.legs.find(leg)?.heard_at?;
            Some(heard_at + self.rules.keep_timeout)
        };
        let silent = call.legs().into_iter().filter_map(silent_at).min();
        silent.map_or(call.next_keep_at, |at| at.min(call.next_keep_at))
    }

    pub(super) fn send_keep_alives(&mut self, now: Instant) {
        let keep = self.rules.keep;
        let Some(call) = self.call.as_mut().filter(|call| call.next_keep_at <= now) else {
            return;
        };
        call.next_keep_at = now + keep;
        for leg in call.legs() {
            self.send_in_call(leg, |sid| Message::CallKeep { sid });
        }
    }

    /// Ends what a silent leg was part of.
    pub(super) fn handle_silent_legs(&mut self, now: Instant) {
        let Some(call) = &self.call else {
            return;
        };
        let is_silent = |leg: &LegId| {
            let heard_at = self.legs.find(*leg).and_then(|leg| leg.heard_at);
            heard_at.is_some_and(|at| at + self.rules.keep_timeout <= now)
        };
        let silent: Vec<LegId> = call.legs().into_iter().filter(is_silent).collect();
        for leg in silent {
            self.handle_silent_leg(now, leg);
        }
    }

    fn handle_silent_leg(&mut self, now: Instant, leg: LegId) {
        let Some(call) = &self.call else {
            return;
        };
        let lost: Reason = text("lost");
        let end = Farewell::End(lost.clone());
        match (&call.state, call.part(leg)) {
            (CallState::Talking(_), _) => self.hang_up(now, &lost),
            (_, Part::Ringing) => {
                self.send_in_call(leg, |sid| Message::CallEnd { sid, reason: lost });
                self.handle_ringing_lost(now, leg);
            }
            (CallState::Ringing(_), Part::Caller) => {
                let state = self.unanswered();
                self.finish(now, end.clone(), end, state, &lost);
            }
            (CallState::RingingOut { .. } | CallState::Dialling { .. }, _) => {
                self.finish_unanswered(now, Farewell::Reject(lost), end, "lost");
            }
            _ => {}
        }
    }
}
