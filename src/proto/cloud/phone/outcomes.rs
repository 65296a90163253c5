//! What came of requests to the application server, of the helper with the vendor's transport, and
//! of the streams.

use crate::base::time::Instant;
use crate::proto::cloud::phone::call::Stage;
use crate::proto::cloud::phone::url_check::{check, Place};
use crate::proto::cloud::phone::{CloudPhone, Output, TransportEvent, TransportMode};
use crate::proto::cloud::posts::{Outcome as PostOutcome, Post};
use crate::proto::intercom::endpoint::output::{CallState, Outcome};
use crate::wire::cloud::message::{Kind, Url};
use crate::wire::control::Text;
use crate::wire::intercom::{cut, text, Reason};
use crate::wire::json::Object;

impl CloudPhone {
    /// The request that `poll_post` has returned has this outcome; `body` is the response's.
    pub fn handle_outcome(&mut self, now: Instant, outcome: PostOutcome, body: &[u8]) {
        let Some(post) = self.posts.handle_outcome(now, outcome) else {
            return;
        };
        let is_of_call = self.call.as_ref().is_some_and(|call| call.sid == post.sid);
        match post.kind {
            // A call that was given up meanwhile; its `cancel` waits already.
            Kind::Call if !is_of_call => {}
            Kind::Call => self.handle_placed(now, &post, outcome, body),
            Kind::Ringing if is_of_call => self.handle_announced(now, outcome),
            Kind::Accept if is_of_call => self.handle_accepted(now, outcome),
            // The application server does not know the call any more.
            _ if is_of_call && outcome == PostOutcome::Answered(404) => {
                self.close(now, Outcome::Answered, text("lost"));
            }
            _ => {}
        }
    }

    fn handle_placed(&mut self, now: Instant, post: &Post, outcome: PostOutcome, body: &[u8]) {
        let body = Object::parse(body).ok();
        let given = |key| body.map_or(Text::new(), |body| body.text::<256>(key));
        let is_early = self
            .call
            .as_ref()
            .is_some_and(|call| call.is_answered_early);
        let why: Reason = match outcome {
            PostOutcome::Answered(200..=299) => return self.handle_sent(now, &given("url")),
            // The other device has answered: it was sent.
            _ if is_early => return self.handle_sent(now, &Url::new()),
            PostOutcome::Answered(401 | 403) => text("unauthorised"),
            PostOutcome::Answered(_) => match given("reason") {
                reason if reason.is_empty() => text("cloud-error"),
                reason => cut(&reason),
            },
            // It may have been sent all the same.
            PostOutcome::TimedOut | PostOutcome::Failed => {
                self.post(Kind::Cancel, post.sid, Reason::new());
                text(match outcome {
                    PostOutcome::TimedOut => "cloud-timeout",
                    _ => "cloud-error",
                })
            }
        };
        let Some(call) = &self.call else { return };
        let outcome = Self::outcome(call, &why);
        self.close(now, outcome, why);
    }

    /// The call was sent to the other device; the URL is the one that it has got.
    fn handle_sent(&mut self, now: Instant, url: &Url) {
        let relays = &self.settings.relays;
        let relay = match check(url, self.settings.cid, relays, None) {
            Some(Place::Relay(number)) => number,
            _ => 0,
        };
        let Some(call) = &mut self.call else { return };
        if let Stage::Placing { expires_at } = call.stage {
            call.enter(now, Stage::Requested { expires_at });
        }
        let (sid, peer, is_early) = (call.sid, call.peer, call.is_answered_early);
        if url.starts_with(b"topvdn:") {
            self.wait_for_transport(now);
        } else {
            let urls = self.urls(relay, &sid, peer);
            if let Some(call) = &mut self.call {
                (call.place, call.urls) = (Place::Relay(relay), urls);
            }
        }
        if is_early {
            self.answer(now);
        }
    }

    /// The other device opens this one's URL with the vendor's library.
    fn wait_for_transport(&mut self, now: Instant) {
        let Some(call) = &mut self.call else { return };
        (call.place, call.urls) = (Place::Vendor, Default::default());
        if self.settings.has_transport {
            // The helper gets the device's own token in place of a URL.
            self.output(Output::StartTransport(TransportMode::Wait, Url::new()));
        } else {
            let why = text("transport-not-available");
            self.close_telling(now, Kind::Cancel, Outcome::Failed, why);
        }
    }

    /// The application server knows the call: this device rings.
    fn handle_announced(&mut self, now: Instant, outcome: PostOutcome) {
        let is_known = matches!(outcome, PostOutcome::Answered(200..=299));
        let Some(call) = &mut self.call else { return };
        match call.stage {
            Stage::Announced { expires_at } if is_known => {
                call.enter(now, Stage::Ringing { expires_at });
                self.call_event(CallState::Incoming);
            }
            Stage::Announced { .. } => {
                self.counts.ignored += 1;
                self.close(now, Outcome::Missed, text("lost"));
            }
            _ => {}
        }
    }

    /// An answer that the application server does not take: the call was over.
    fn handle_accepted(&mut self, now: Instant, outcome: PostOutcome) {
        let why = match outcome {
            PostOutcome::Answered(200..=299) => return,
            PostOutcome::Answered(404 | 409) => "cancelled",
            _ => "lost",
        };
        let Some(call) = &self.call else { return };
        let outcome = Self::outcome(call, why.as_bytes());
        self.close(now, outcome, text(why));
    }

    /// The helper with the vendor's transport has said something.
    pub fn handle_transport(&mut self, now: Instant, event: TransportEvent) {
        let Some(call) = &self.call else { return };
        let is_waiting = call.stage.calls() || matches!(call.stage, Stage::Opening { .. });
        if call.place != Place::Vendor {
            return;
        }
        match event {
            TransportEvent::Accepted if is_waiting => self.talk(now),
            TransportEvent::Accepted => {}
            TransportEvent::Closed | TransportEvent::Ended if is_waiting => {
                let kind = if call.stage.calls() {
                    Kind::Cancel
                } else {
                    Kind::End
                };
                self.close_telling(now, kind, Outcome::Failed, text("transport-failed"));
            }
            TransportEvent::Closed => {
                self.close_telling(now, Kind::End, Outcome::Answered, text("hangup"));
            }
            TransportEvent::Ended => {
                self.close_telling(now, Kind::End, Outcome::Answered, text("lost"));
            }
        }
    }

    /// The peer's stream has ended, and does not come back.
    pub fn handle_stream_ended(&mut self, now: Instant) {
        let call = self.call.as_ref();
        if call.is_some_and(|call| call.stage == Stage::Talking) {
            self.close_telling(now, Kind::End, Outcome::Answered, text("lost"));
        }
    }
}
