//! The queue of responses and events to the control clients: whole messages in a ring, in order.

use crate::base::limits::{MESSAGE_BYTES, OUTBOX_BYTES};
use crate::base::ring::Ring;

/// The number of a control client's connection; it is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(pub u32);

/// The recipient of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The client that sent the request: this is its response.
    Client(ClientId),
    /// The same client: a line before the response.
    Before(ClientId),
    /// All clients that have subscribed.
    Subscribers,
}

/// A bounded queue of messages.
pub struct Outbox {
    ring: Ring,
}

const HEAD: usize = 7;

impl Outbox {
    /// An empty queue. This is the only allocation.
    pub fn new() -> Self {
        Self {
            ring: Ring::new(OUTBOX_BYTES),
        }
    }

    /// Queues a message without its line end; `false` when there is no room left for it.
    #[must_use]
    pub fn push(&mut self, to: To, message: &[u8]) -> bool {
        let Ok(len) = u16::try_from(message.len()) else {
            return false;
        };
        if self.ring.room() < HEAD + message.len() {
            return false;
        }
        let (kind, client) = match to {
            To::Client(ClientId(client)) => (1, client),
            To::Before(ClientId(client)) => (2, client),
            To::Subscribers => (0, 0),
        };
        let [c0, c1, c2, c3] = client.to_be_bytes();
        let [l0, l1] = len.to_be_bytes();
        self.ring.push(&[kind, c0, c1, c2, c3, l0, l1]) && self.ring.push(message)
    }

    /// The oldest message, copied into `buffer`.
    pub fn pop<'a>(&mut self, buffer: &'a mut [u8; MESSAGE_BYTES]) -> Option<(To, &'a [u8])> {
        let mut head = [0; HEAD];
        if !self.ring.take(&mut head) {
            return None;
        }
        let [kind, c0, c1, c2, c3, l0, l1] = head;
        let message = buffer.get_mut(..usize::from(u16::from_be_bytes([l0, l1])))?;
        let client = ClientId(u32::from_be_bytes([c0, c1, c2, c3]));
        let to = match kind {
            1 => To::Client(client),
            2 => To::Before(client),
            _ => To::Subscribers,
        };
        self.ring.take(message).then_some((to, message))
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_whole_and_in_order() {
        let mut outbox = Outbox::new();
        let mut buffer = [0; MESSAGE_BYTES];
        for round in 0..200u32 {
            let long = vec![b'x'; (round as usize * 37) % MESSAGE_BYTES];
            assert!(outbox.push(To::Client(ClientId(round)), &long));
            assert!(outbox.push(To::Subscribers, b"event"));
            assert_eq!(
                outbox.pop(&mut buffer),
                Some((To::Client(ClientId(round)), &long[..]))
            );
            assert_eq!(
                outbox.pop(&mut buffer),
                Some((To::Subscribers, &b"event"[..]))
            );
            assert_eq!(outbox.pop(&mut buffer), None);
        }
    }

    #[test]
    fn a_full_queue_refuses() {
        let mut outbox = Outbox::new();
        let message = [b'x'; MESSAGE_BYTES];
        let taken = (0..100)
            .take_while(|_| outbox.push(To::Subscribers, &message))
            .count();
        assert_eq!(taken, OUTBOX_BYTES / (MESSAGE_BYTES + HEAD));
    }
}
