//! Messages that the channel brings. A `call` begins one; all others belong to the running call by
//! its sid, and come from its peer.

use crate::base::time::Instant;
use crate::proto::cloud::phone::call::Stage;
use crate::proto::cloud::phone::requests::call_info;
use crate::proto::cloud::phone::url_check::{check, Place};
use crate::proto::cloud::phone::{CloudPhone, Output};
use crate::proto::intercom::endpoint::or_else;
use crate::proto::intercom::endpoint::output::{
    CallState, Closed, Direction, DoorState, Event, Outcome,
};
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::cloud::message::{CallMessage, Kind};
use crate::wire::intercom::{text, Reason};

impl CloudPhone {
    pub(super) fn handle_message(&mut self, now: Instant, src: u32, bytes: &[u8]) {
        let message = CallMessage::parse(bytes);
        let is_own = |message: &CallMessage| message.from == self.settings.cid;
        let from_whom = |message: &CallMessage| src == 0 || src == message.from;
        let Some(message) = message
            .ok()
            .filter(|message| from_whom(message) && !is_own(message))
        else {
            self.counts.ignored += 1;
            return;
        };
        if message.kind == Kind::Call {
            self.handle_call_message(now, &message);
        } else {
            self.handle_peer_message(now, &message);
        }
    }

    fn handle_call_message(&mut self, now: Instant, message: &CallMessage) {
        let is_here = self
            .call
            .as_ref()
            .is_some_and(|call| call.sid == message.sid);
        if is_here || self.is_over(now, &message.sid, message.from) || self.is_late(now, message) {
            self.counts.stale += 1;
            return;
        }
        let cloud_now = self.channel.unix_seconds(now);
        let place = check(&message.url, message.from, &self.settings.relays, cloud_now);
        let Some(place) = place else {
            self.counts.refused_urls += 1;
            return;
        };
        let calling = self.call.as_ref().filter(|call| call.stage.calls());
        if calling.is_some_and(|call| call.peer == message.from) {
            // Both call each other: the call of the lower cid lives.
            if self.settings.cid < message.from {
                self.counts.stale += 1;
                return;
            }
            self.close(now, Outcome::Unanswered, text("glare"));
        }
        if self.call.is_some() || self.line_busy {
            self.refuse_busy(now, message);
            return;
        }
        let expires_at = now + self.settings.ring_timeout;
        let stage = Stage::Announced { expires_at };
        self.begin(now, message.sid, message.from, Direction::In, stage, place);
        let urls = match place {
            Place::Relay(number) => self.urls(number, &message.sid, message.from),
            Place::Vendor => Urls::default(),
        };
        if let Some(call) = &mut self.call {
            call.url = message.url.clone();
            call.urls = urls;
        }
        self.post(Kind::Ringing, message.sid, Reason::new());
    }

    /// Its caller has given up by now. A sender that does not say when it called is believed.
    fn is_late(&self, now: Instant, message: &CallMessage) -> bool {
        let times = message.at.zip(self.channel.unix_seconds(now));
        let patience = self.settings.ring_timeout.millis() / 1000;
        times.is_some_and(|(at, now)| at.saturating_add(patience) < now)
    }

    /// The first call goes on. Who talks is told that somebody waits.
    fn refuse_busy(&mut self, now: Instant, message: &CallMessage) {
        self.post(Kind::Busy, message.sid, Reason::new());
        self.remember(now, message.sid, message.from);
        let is_talking = self
            .call
            .as_ref()
            .is_some_and(|call| call.stage == Stage::Talking);
        let info = call_info(&message.sid, Direction::In, message.from);
        let event = if is_talking {
            Event::Call(CallState::Waiting, info, Urls::default())
        } else {
            Event::Closed(Closed::busy(info, now))
        };
        self.output(Output::Event(event));
    }

    fn handle_peer_message(&mut self, now: Instant, message: &CallMessage) {
        let call = self.call.as_mut().filter(|call| call.sid == message.sid);
        // A server that ends a call says so in its own name or in the other device's.
        let call = call.filter(|call| message.from == call.peer || message.from == 0);
        let Some(call) = call else {
            // A call that is cancelled before it has come must not ring.
            if matches!(message.kind, Kind::Cancel | Kind::End) {
                self.remember(now, message.sid, message.from);
            }
            self.counts.ignored += 1;
            return;
        };
        match (message.kind, call.stage) {
            (Kind::Ringing, Stage::Placing { expires_at } | Stage::Requested { expires_at }) => {
                call.enter(now, Stage::Alerting { expires_at });
                self.call_event(CallState::Ringing);
            }
            // Where the streams are is not known yet.
            (Kind::Accept, Stage::Placing { .. }) => call.is_answered_early = true,
            (Kind::Accept, stage) if stage.calls() => self.answer(now),
            (Kind::Decline, stage) if stage.calls() => self.close_by(now, message, "declined"),
            (Kind::Busy, stage) if stage.calls() => self.close_by(now, message, "line_busy"),
            (Kind::Cancel, stage) if stage.calls() => self.close_by(now, message, "lost"),
            (Kind::Cancel, _) => self.close_by(now, message, "cancelled"),
            (Kind::End, _) => self.close_by(now, message, "hangup"),
            (Kind::OpenDoorResult, _) => self.handle_open_result(message),
            _ => self.counts.ignored += 1,
        }
    }

    /// The peer has ended the call, for its reason or the usual one.
    fn close_by(&mut self, now: Instant, message: &CallMessage, usual: &str) {
        let Some(call) = &self.call else { return };
        let reason = or_else(message.reason.clone(), usual);
        let outcome = match (message.kind, call.stage) {
            (Kind::Decline, _) => Outcome::Rejected,
            (Kind::Busy, _) => Outcome::Busy,
            // The vendor's transport was being opened.
            (_, Stage::Opening { .. }) => Outcome::Unanswered,
            _ => Self::outcome(call, &reason),
        };
        self.close(now, outcome, reason);
    }

    fn handle_open_result(&mut self, message: &CallMessage) {
        let opening = self.call.as_mut().and_then(|call| call.opening.take());
        let Some((door, _)) = opening else {
            self.counts.ignored += 1;
            return;
        };
        let Some(mut call) = self.call.take() else {
            return;
        };
        let is_open = message.reason.is_empty();
        call.opened += u32::from(is_open);
        let state = if is_open {
            DoorState::Opened
        } else {
            DoorState::Refused
        };
        self.door_event(&call, state, door, message.reason.clone());
        self.call = Some(call);
    }
}
