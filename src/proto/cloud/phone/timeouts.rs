//! What happens when time has passed.

use crate::base::time::Instant;
use crate::proto::cloud::phone::call::{Call, Stage};
use crate::proto::cloud::phone::CloudPhone;
use crate::proto::intercom::endpoint::output::{DoorState, Outcome};
use crate::wire::cloud::message::Kind;
use crate::wire::intercom::{text, Reason};

impl CloudPhone {
    /// The time of `next_deadline` has come; early and additional calls do no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now >= self.channel.next_deadline() {
            let jitter = self.ids.number();
            self.channel.handle_timeout(now, jitter);
            self.follow_channel(now);
        }
        self.expire_opening(now);
        let stage = self.call.as_ref().map(|call| call.stage);
        let Some(stage) = stage.filter(|stage| now >= stage.deadline()) else {
            return;
        };
        match stage {
            // The caller has a timer of its own.
            Stage::Announced { .. } | Stage::Ringing { .. } | Stage::Silenced { .. } => {
                self.close(now, Outcome::Missed, text("timeout"));
            }
            Stage::Opening { .. } => {
                let why = text("transport-failed");
                self.close_telling(now, Kind::End, Outcome::Failed, why);
            }
            _ => {
                let why = text("no_answer");
                self.close_telling(now, Kind::Cancel, Outcome::Unanswered, why);
            }
        }
    }

    /// When `handle_timeout` is due, or `poll_post` has a request.
    pub fn next_deadline(&self) -> Instant {
        let call = self.call.as_ref().map_or(Instant::NEVER, Call::deadline);
        let posts = self.posts.next_deadline();
        self.channel.next_deadline().min(call).min(posts)
    }

    fn expire_opening(&mut self, now: Instant) {
        let Some(mut call) = self.call.take() else {
            return;
        };
        if let Some((door, _)) = call.opening.take_if(|(_, until)| now >= *until) {
            self.door_event(&call, DoorState::Unknown, door, Reason::new());
        }
        self.call = Some(call);
    }
}
