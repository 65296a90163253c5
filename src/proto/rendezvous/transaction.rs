//! A question to the server: asked again, in ever longer steps, until there is an answer or no hope.

use crate::base::limits::rendezvous::{ASKS, ASK_AGAIN};
use crate::base::time::{Duration, Instant};

/// A question that waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    /// The number that the answer must have.
    pub(super) mid: u32,
    asks: u8,
    next_at: Instant,
}

/// What is to be done about a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Ask, now.
    Now,
    /// Nothing before `next_deadline`.
    Wait,
    /// There will be no answer.
    GiveUp,
}

impl Question {
    /// One that is to be asked at once.
    pub(super) fn new(now: Instant, mid: u32) -> Self {
        Self {
            mid,
            asks: 0,
            next_at: now,
        }
    }

    /// What is to be done now; `Ask::Now` only once each time.
    pub(super) fn poll(&mut self, now: Instant) -> Ask {
        if now < self.next_at {
            return Ask::Wait;
        } else if self.asks == ASKS {
            return Ask::GiveUp;
        }
        self.next_at = now + Duration::from_millis(ASK_AGAIN.millis() << self.asks);
        self.asks += 1;
        Ask::Now
    }

    /// When `poll` has something to do.
    pub(super) fn next_deadline(&self) -> Instant {
        self.next_at
    }
}
