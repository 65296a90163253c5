//! The box for the one that has its sockets, and what came of its requests.

use crate::base::time::Instant;
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::home::HomeInCloud;
use crate::proto::cloud::posts::{Outcome, Post};
use crate::wire::cloud::message::Kind;
use crate::wire::control::Text;
use crate::wire::intercom::text;
use crate::wire::json::Object;

impl CloudDevice for HomeInCloud {
    fn handle_channel_answered(&mut self, now: Instant, status: u16, date: Option<u64>) {
        let jitter = self.ids.number();
        self.channel.handle_answered(now, status, date, jitter);
        self.follow_channel(now);
    }

    fn has_room(&self) -> bool {
        true
    }

    fn handle_channel_bytes(&mut self, now: Instant, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = self.channel.handle_bytes(now, bytes);
            bytes = &bytes[used..];
            self.follow_channel(now);
        }
    }

    fn handle_channel_lost(&mut self, now: Instant) {
        let jitter = self.ids.number();
        self.channel.handle_lost(now, jitter);
        self.follow_channel(now);
    }

    fn poll_post(&mut self, now: Instant) -> Option<Post> {
        self.posts.poll(now)
    }

    fn next_post_at(&self) -> Instant {
        self.posts.next_deadline()
    }

    fn handle_outcome(&mut self, now: Instant, outcome: Outcome, body: &[u8]) {
        let Some(post) = self.posts.handle_outcome(now, outcome) else {
            return;
        };
        let rings = |call: &super::Call| call.sid == post.sid && call.phone == 0;
        if post.kind != Kind::Call || !self.call.as_ref().is_some_and(rings) {
            return;
        }
        let given = |key| Object::parse(body).map_or(Text::<256>::new(), |body| body.text(key));
        match outcome {
            Outcome::Answered(200..=299) if given("url").starts_with(b"topvdn:") => {
                // The vendor's transport is a program for phones.
                self.end(&text("transport-not-available"));
                self.lose_ring();
            }
            Outcome::Answered(200..=299) => {}
            Outcome::TimedOut => {
                // They may ring.
                self.end(&text("cloud-timeout"));
                self.lose_ring();
            }
            Outcome::Answered(_) | Outcome::Failed => self.lose_ring(),
        }
    }
}
