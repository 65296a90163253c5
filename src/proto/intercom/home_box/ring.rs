//! A call from the community: it rings on all screens of the home.

use crate::base::time::Instant;
use crate::proto::intercom::home_box::call::{Call, CallState, Direction, Part, Ringing};
use crate::proto::intercom::home_box::ending::Farewell;
use crate::proto::intercom::home_box::legs::{LegId, LegState, PHONE};
use crate::proto::intercom::home_box::output::{CallRecord, Output, Report};
use crate::proto::intercom::home_box::rewrite::{to_home, within_home};
use crate::proto::intercom::home_box::rules::RejectPolicy;
use crate::proto::intercom::home_box::HomeBox;
use crate::wire::intercom::{peer_type, text, Id, Message, Party, Reason, Sid, Stream};

impl HomeBox {
    pub(super) fn handle_call_req(
        &mut self,
        now: Instant,
        leg: LegId,
        sid: &Sid,
        src: &Party,
        dest: &Party,
    ) {
        if self.call.is_some() {
            self.counts.busy += 1;
            self.tell_talking_screen(sid, src, dest);
            self.refuse(now, leg, sid, src, "line_busy", "busy");
            return;
        }
        if has_equal_audio(src, dest) {
            self.refuse(now, leg, sid, src, "bad_request", "rejected");
            return;
        }
        let is_disturbing = src.peer_type != peer_type::PROPERTY_APP;
        if is_disturbing && self.do_not_disturb_until(now).is_some() {
            self.refuse(now, leg, sid, src, "call_denied", "rejected");
            return;
        }
        let screens = self.legs.joined().map(|(leg, ..)| leg);
        let screens: Vec<LegId> = screens.chain(self.cloud_for(src)).collect();
        if screens.is_empty() && !self.may_pass_on(src) {
            self.refuse(now, leg, sid, src, "app_offline", "missed");
            return;
        }
        self.counts.calls_in += 1;
        let peer = src.id.clone();
        self.output(Output::Report(Report::CallIn { peer }));
        if let Some(leg) = self.legs.find_mut(leg) {
            leg.state = LegState::InCall;
        }
        self.begin(now, Direction::In, leg, sid, src, dest);
        if screens.is_empty() {
            self.pass_on(now);
        } else {
            self.ring(screens);
        }
    }

    /// The screen that talks hears of a second caller, which it cannot have: it rejects the call
    /// itself, and shows who was there.
    fn tell_talking_screen(&mut self, sid: &Sid, src: &Party, dest: &Party) {
        let Some(call) = self.call.as_ref().filter(|call| call.sid != *sid) else {
            return;
        };
        let CallState::Talking(talking) = &call.state else {
            return;
        };
        let screens = [call.caller, talking.callee];
        let (src, dest, left_out) = to_home(&self.rules.addresses, src, dest);
        self.counts.urls_left_out += left_out;
        for leg in screens {
            if sid.is_empty() || !self.legs.is_screen(leg) {
                continue;
            }
            let message = Message::CallReq {
                sid: sid.clone(),
                src: src.clone(),
                dest: dest.clone(),
            };
            self.send(leg, message);
        }
    }

    /// A call begins, without anybody that rings yet.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        direction: Direction,
        caller: LegId,
        sid: &Sid,
        src: &Party,
        dest: &Party,
    ) {
        let key = if sid.is_empty() {
            self.sids.make()
        } else {
            sid.clone()
        };
        // The time-out of a leg begins anew with each call.
        for leg in self.legs.iter_mut() {
            leg.heard_at = None;
        }
        self.call = Some(Call {
            sid: key,
            caller_has_no_sid: sid.is_empty(),
            direction,
            caller,
            src: src.clone(),
            dest: dest.clone(),
            began_at: now,
            answered_at: None,
            by: Id::new(),
            opened: 0,
            is_passed_on: false,
            next_keep_at: now + self.rules.keep,
            state: CallState::Ringing(Ringing {
                legs: vec![],
                rejected: vec![],
                until: now + self.rules.ring_timeout,
            }),
        });
    }

    /// Lets screens ring.
    pub(super) fn ring(&mut self, screens: Vec<LegId>) {
        for leg in screens {
            self.ring_one(leg);
        }
        self.announce_call("ringing", b"");
    }

    /// Lets one screen ring, if the call still rings and its device has not rejected it.
    pub(super) fn ring_one(&mut self, leg: LegId) {
        let Some((device, _)) = self.legs.device(leg) else {
            return;
        };
        let Some(call) = &mut self.call else {
            return;
        };
        let CallState::Ringing(ringing) = &mut call.state else {
            return;
        };
        if leg == call.caller || ringing.rejected.contains(&device) {
            return;
        }
        ringing.legs.push(leg);
        let sid = call.sid.clone();
        let (src, dest, left_out) = match call.direction {
            Direction::WithinHome => within_home(&self.rules.addresses, &call.src, &call.dest),
            _ => to_home(&self.rules.addresses, &call.src, &call.dest),
        };
        self.counts.urls_left_out += left_out;
        self.send(leg, Message::CallReq { sid, src, dest });
    }

    /// A ringing screen does not want the call.
    pub(super) fn handle_ring_rejected(&mut self, now: Instant, leg: LegId, reason: &Reason) {
        let Some((device, device_type)) = self.legs.device(leg) else {
            return;
        };
        let Some(CallState::Ringing(ringing)) = self.call.as_mut().map(|call| &mut call.state)
        else {
            return;
        };
        ringing.legs.retain(|ringing| *ringing != leg);
        ringing.rejected.push(device.clone());
        let all_have = ringing.legs.is_empty();
        let ends = match self.rules.reject {
            RejectPolicy::Panel => device_type != PHONE,
            RejectPolicy::Household => true,
            RejectPolicy::Device => false,
        };
        if !ends && !all_have {
            return;
        }
        let is_plain = reason.is_empty() || all_have;
        let reason = if is_plain {
            text("declined")
        } else {
            reason.clone()
        };
        if let Some(call) = &mut self.call {
            call.by = device;
        }
        self.finish(
            now,
            Farewell::Reject(reason.clone()),
            Farewell::End(text("declined")),
            "rejected",
            &reason,
        );
    }

    /// A screen of the ring is gone.
    pub(super) fn handle_ringing_lost(&mut self, now: Instant, leg: LegId) {
        let Some(CallState::Ringing(ringing)) = self.call.as_mut().map(|call| &mut call.state)
        else {
            return;
        };
        ringing.legs.retain(|ringing| *ringing != leg);
        // Under the other policies somebody may come back before the time is over.
        if ringing.legs.is_empty() && self.rules.reject == RejectPolicy::Device {
            let reason = text("app_offline");
            let reject = Farewell::Reject(text("app_offline"));
            self.finish(now, reject, Farewell::None, "missed", &reason);
        }
    }

    /// The caller has given up.
    pub(super) fn handle_ring_cancelled(&mut self, now: Instant, reason: &str) {
        let end = Farewell::End(text(reason));
        self.finish(now, Farewell::None, end, "missed", &text(reason));
    }

    /// Nobody has answered.
    pub(super) fn handle_ring_timeout(&mut self, now: Instant) {
        let passes_on = self
            .call
            .as_ref()
            .is_some_and(|call| call.direction == Direction::In && self.may_pass_on(&call.src));
        if passes_on {
            self.pass_on(now);
            return;
        }
        let reason = text("no_answer");
        let end = Farewell::End(text("timeout"));
        let state = self.unanswered();
        self.finish(now, Farewell::Reject(reason.clone()), end, state, &reason);
    }

    /// The word of the call log for a call that nobody answered.
    pub(super) fn unanswered(&self) -> &'static str {
        match self.call.as_ref().map(|call| call.direction) {
            Some(Direction::Out | Direction::WithinHome) => "unanswered",
            _ => "missed",
        }
    }

    /// Refuses a call of the community before it has begun.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        leg: LegId,
        sid: &Sid,
        src: &Party,
        reason: &str,
        state: &'static str,
    ) {
        let sid = sid.clone();
        let reason: Reason = text(reason);
        let reject = Message::CallReject {
            sid: sid.clone(),
            reason: reason.clone(),
        };
        self.send(leg, reject);
        self.close(leg);
        self.announce_refused(&sid, src, &reason, state);
        self.output(Output::Ended(CallRecord {
            sid,
            began_at: now,
            direction: "in",
            peer: src.id.clone(),
            peer_type: src.peer_type,
            state,
            reason: reason.clone(),
            duration_ms: 0,
            by: Id::new(),
            opened: 0,
            pictured: Stream::new(),
        }));
        let peer = src.id.clone();
        self.output(Output::Report(Report::Rejected { peer, reason }));
    }

    /// A leg of the call is gone.
    pub(super) fn handle_lost_leg(&mut self, now: Instant, leg: LegId) {
        let Some(call) = &self.call else {
            return;
        };
        let part = call.part(leg);
        match (&call.state, part) {
            (_, Part::None) => {}
            (CallState::Ringing(_), Part::Ringing) => self.handle_ringing_lost(now, leg),
            (CallState::Ringing(_), _) => self.handle_ring_cancelled(now, "lost"),
            (CallState::Dialling { .. } | CallState::RingingOut { .. }, Part::Caller) => {
                self.finish_unanswered(now, Farewell::None, Farewell::End(text("lost")), "lost");
            }
            (CallState::Dialling { .. } | CallState::RingingOut { .. }, _) => {
                let reject = Farewell::Reject(text("lost"));
                self.finish_unanswered(now, reject, Farewell::None, "lost");
            }
            (CallState::Talking(_), _) => self.hang_up(now, &text("lost")),
        }
    }
}

/// Both ends would publish under one id. (The source document's last example does it.)
pub(super) fn has_equal_audio(src: &Party, dest: &Party) -> bool {
    !src.audio.is_empty() && src.audio == dest.audio
}
