//! What a device in the cloud is for the one that has its sockets: a phone, or a home's box.

use crate::base::time::Instant;
use crate::proto::cloud::posts::{Outcome, Post};

/// A device: its channel, and what it tells the application server.
pub trait CloudDevice {
    /// The channel's request is answered.
    fn handle_channel_answered(&mut self, now: Instant, status: u16, date: Option<u64>);

    /// More bytes of the channel can be taken before the outputs are.
    fn has_room(&self) -> bool;

    /// Takes bytes of the channel, `CHANNEL_BYTES` at most.
    fn handle_channel_bytes(&mut self, now: Instant, bytes: &[u8]);

    /// The channel could not be opened, or has ended.
    fn handle_channel_lost(&mut self, now: Instant);

    /// The request to the application server that is to be sent now; `handle_outcome` follows.
    fn poll_post(&mut self, now: Instant) -> Option<Post>;

    /// When `poll_post` has a request.
    fn next_post_at(&self) -> Instant;

    /// That request has this outcome; `body` is the response's.
    fn handle_outcome(&mut self, now: Instant, outcome: Outcome, body: &[u8]);
}
