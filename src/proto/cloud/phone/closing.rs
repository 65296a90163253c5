//! How a call becomes answered, and how it ends.

use crate::base::limits::cloud::TRANSPORT_TIMEOUT;
use crate::base::time::Instant;
use crate::proto::cloud::phone::call::{Call, Stage};
use crate::proto::cloud::phone::url_check::Place;
use crate::proto::cloud::phone::{CloudPhone, Output, TransportMode};
use crate::proto::intercom::endpoint::output::{
    CallState, Closed, Direction, DoorState, Event, Outcome,
};
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::ascii;
use crate::wire::cloud::message::Kind;
use crate::wire::control::Text;
use crate::wire::intercom::{text, Id, Reason};

impl CloudPhone {
    /// The call was answered, here or by the other device.
    pub(super) fn answer(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        match call.place {
            Place::Relay(number) => {
                let (info, urls) = (call.info.clone(), call.urls.clone());
                self.output(Output::OpenStreams(info, urls, number));
                self.talk(now);
            }
            Place::Vendor if !self.settings.has_transport => {
                let kind = match call.info.direction {
                    Direction::In => Kind::Decline,
                    Direction::Out => Kind::Cancel,
                };
                let why = text("transport-not-available");
                self.close_telling(now, kind, Outcome::Failed, why);
            }
            Place::Vendor => {
                let is_started = call.info.direction == Direction::Out;
                let url = call.url.clone();
                let expires_at = now + TRANSPORT_TIMEOUT;
                call.enter(now, Stage::Opening { expires_at });
                if !is_started {
                    self.output(Output::StartTransport(TransportMode::Open, url));
                }
            }
        }
    }

    /// Both sides talk.
    pub(super) fn talk(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        call.enter(now, Stage::Talking);
        call.answered_at = Some(now);
        let event = Event::Call(CallState::Talking, call.info.clone(), call.urls.clone());
        self.output(Output::Event(event));
    }

    /// Ends the call; the other device is told that this one has done this.
    pub(super) fn close_telling(
        &mut self,
        now: Instant,
        kind: Kind,
        outcome: Outcome,
        reason: Reason,
    ) {
        let Some(call) = &self.call else { return };
        let sid = call.sid;
        // The kind says it already, if it is the usual reason of its kind.
        let told = match ascii::word(&reason) {
            "declined" | "cancelled" | "hangup" => Reason::new(),
            _ => reason.clone(),
        };
        self.post(kind, sid, told);
        self.close(now, outcome, reason);
    }

    /// Ends the call; the other device knows.
    pub(super) fn close(&mut self, now: Instant, outcome: Outcome, reason: Reason) {
        let Some(call) = self.call.take() else { return };
        self.remember(now, call.sid, call.peer);
        // Nobody wants to know any more whether it rings.
        self.posts.forget(Kind::Ringing, call.sid);
        if call.place == Place::Vendor {
            self.output(Output::StopTransport);
        }
        if !call.stage.is_told() {
            return;
        }
        if let Some((door, _)) = call.opening {
            self.door_event(&call, DoorState::Unknown, door, Reason::new());
        }
        let duration_ms = call.duration_ms(now);
        self.output(Output::Event(Event::Closed(Closed {
            info: call.info,
            outcome,
            reason,
            began_at: call.began_at,
            duration_ms,
            by: Id::new(),
            opened: call.opened,
        })));
    }

    /// What a call was that ends now for this reason.
    pub(super) fn outcome(call: &Call, reason: &[u8]) -> Outcome {
        match (call.stage, call.info.direction, ascii::word(reason)) {
            (Stage::Talking, ..) => Outcome::Answered,
            (Stage::Opening { .. }, ..) => Outcome::Failed,
            (_, Direction::In, _) => Outcome::Missed,
            (_, Direction::Out, "declined") => Outcome::Rejected,
            (_, Direction::Out, "busy" | "line_busy") => Outcome::Busy,
            (_, Direction::Out, _) => Outcome::Unanswered,
        }
    }

    pub(super) fn call_event(&mut self, state: CallState) {
        let Some(call) = &self.call else { return };
        let event = Event::Call(state, call.info.clone(), Urls::default());
        self.output(Output::Event(event));
    }

    pub(super) fn door_event(&mut self, call: &Call, state: DoorState, door: u8, why: Reason) {
        let sid = Text::from_slice(&call.sid).unwrap_or_default();
        self.output(Output::Event(Event::Door(state, sid, door, Id::new(), why)));
    }
}
