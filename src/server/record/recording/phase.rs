//! How far a recording is.
//!
//! ```text
//! Running --ask--> StopRequested
//!    |                  |
//!   end                end
//!    v                  v
//!  Draining (packets that the stop has overtaken may still arrive) --window over--> Finishing
//! ```

use crate::base::limits::server::REORDER_WINDOW;
use crate::base::time::Instant;
use crate::server::record::end_reason::EndReason;

/// How far a recording is. The first reason to end it is the one that is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Running,
    /// The phone has been asked to stop; RTP is still recorded.
    StopRequested(EndReason),
    /// It has been stopped; late packets are accepted until this time.
    Draining(EndReason, Instant),
    /// The window for late packets is over, and `poll_over` has said so.
    Finishing(EndReason),
}

impl Phase {
    /// Why it is to end; `None` while it runs.
    pub(super) fn end_reason(self) -> Option<EndReason> {
        match self {
            Self::Running => None,
            Self::StopRequested(reason) | Self::Draining(reason, _) | Self::Finishing(reason) => {
                Some(reason)
            }
        }
    }

    /// The phone is being asked to stop.
    pub(super) fn ask(&mut self, reason: EndReason) {
        if *self == Self::Running {
            *self = Self::StopRequested(reason);
        }
    }

    /// It has been stopped.
    pub(super) fn end(&mut self, now: Instant, reason: EndReason) {
        match *self {
            Self::Running => *self = Self::Draining(reason, now + REORDER_WINDOW),
            Self::StopRequested(first) => *self = Self::Draining(first, now + REORDER_WINDOW),
            Self::Draining(..) | Self::Finishing(_) => {}
        }
    }

    /// `true` once: the window for late packets is over.
    pub(super) fn poll_over(&mut self, now: Instant) -> bool {
        match *self {
            Self::Draining(reason, until) if now >= until => {
                *self = Self::Finishing(reason);
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Duration;

    fn at(millis: u64) -> Instant {
        Instant::from_nanos(1) + Duration::from_millis(millis)
    }

    #[test]
    fn the_first_reason_stays_and_the_end_is_reported_once() {
        let mut phase = Phase::Running;
        assert_eq!(phase.end_reason(), None);
        phase.ask(EndReason::MaxMinutes);
        assert!(!phase.poll_over(at(60_000)), "the phone has not stopped");
        phase.end(at(100), EndReason::Stopped);
        phase.end(at(200), EndReason::ConnectionLost);
        phase.ask(EndReason::Shutdown);
        assert_eq!(phase.end_reason(), Some(EndReason::MaxMinutes));
        let over = at(100) + REORDER_WINDOW;
        assert!(!phase.poll_over(over - Duration::from_nanos(1)));
        assert!(phase.poll_over(over));
        assert!(!phase.poll_over(over));
        assert_eq!(phase.end_reason(), Some(EndReason::MaxMinutes));
    }
}
