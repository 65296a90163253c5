//! A request to the server: sent again, with growing intervals, until it is answered or times out.

use crate::base::limits::rendezvous::{REQUEST_ATTEMPTS, RETRANSMIT_AFTER};
use crate::base::time::{Duration, Instant};

/// A request that waits for its response.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transaction {
    /// The number that the response must have.
    pub(super) mid: u32,
    attempts: u8,
    next_at: Instant,
}

/// What is to be done about a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retransmission {
    /// Send the request now.
    Send,
    /// Nothing, until `next_deadline`.
    Wait,
    /// The request was sent often enough: there will be no response.
    TimedOut,
}

impl Transaction {
    /// A transaction whose request is to be sent at `first_at`.
    pub(super) fn new(first_at: Instant, mid: u32) -> Self {
        Self {
            mid,
            attempts: 0,
            next_at: first_at,
        }
    }

    /// What is to be done now. Each attempt returns `Send` once.
    pub(super) fn poll(&mut self, now: Instant) -> Retransmission {
        if now < self.next_at {
            return Retransmission::Wait;
        }
        if self.attempts == REQUEST_ATTEMPTS {
            return Retransmission::TimedOut;
        }
        let interval = RETRANSMIT_AFTER.millis() << self.attempts;
        self.next_at = now + Duration::from_millis(interval);
        self.attempts += 1;
        Retransmission::Send
    }

    /// When `poll` has something to do.
    pub(super) fn next_deadline(&self) -> Instant {
        self.next_at
    }
}
