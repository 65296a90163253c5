//! A phone for the one that has its sockets.

use crate::base::time::Instant;
use crate::proto::cloud::device::CloudDevice;
use crate::proto::cloud::phone::CloudPhone;
use crate::proto::cloud::posts::{Outcome, Post};

impl CloudDevice for CloudPhone {
    fn handle_channel_answered(&mut self, now: Instant, status: u16, date: Option<u64>) {
        Self::handle_channel_answered(self, now, status, date);
    }

    fn has_room(&self) -> bool {
        Self::has_room(self)
    }

    fn handle_channel_bytes(&mut self, now: Instant, bytes: &[u8]) {
        Self::handle_channel_bytes(self, now, bytes);
    }

    fn handle_channel_lost(&mut self, now: Instant) {
        Self::handle_channel_lost(self, now);
    }

    fn poll_post(&mut self, now: Instant) -> Option<Post> {
        Self::poll_post(self, now)
    }

    fn next_post_at(&self) -> Instant {
        Self::next_post_at(self)
    }

    fn handle_outcome(&mut self, now: Instant, outcome: Outcome, body: &[u8]) {
        Self::handle_outcome(self, now, outcome, body);
    }
}
