//! The one call of an endpoint: its states and deadlines.

use crate::base::limits::endpoint::{END_NOTICE, MAX_OPENINGS};
use crate::base::time::{Duration, Instant};
use crate::proto::intercom::endpoint::output::{CallInfo, CallState, Direction, Link, Outcome};
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::ascii;
use crate::wire::intercom::{Id, Party, Sid};

/// A call that is not over.
pub(super) struct Call {
    /// What programs are told of it.
    pub(super) info: CallInfo,
    /// The sid in messages to the peer: empty if the peer sent none.
    pub(super) wire_sid: Sid,
    /// Its connection; `None` once it is lost.
    pub(super) link: Option<Link>,
    pub(super) stage: Stage,
    pub(super) began_at: Instant,
    /// When the present stage began.
    pub(super) since: Instant,
    pub(super) answered_at: Option<Instant>,
    /// When the next `call_keep` is sent.
    pub(super) keep_at: Instant,
    /// When the peer counts as lost; `None` until its first `call_keep`.
    pub(super) silent_at: Option<Instant>,
    /// This device, and the other one, as `call_req` describes them.
    pub(super) own: Party,
    pub(super) peer: Party,
    pub(super) urls: Urls,
    /// Pictures are wanted.
    pub(super) with_video: bool,
    /// Who answered.
    pub(super) by: Id,
    /// How often a door was opened.
    pub(super) opened: u32,
    pub(super) openings: heapless::Vec<Opening, MAX_OPENINGS>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Caller: the connection is being made.
    Connecting { expires_at: Instant },
    /// Caller: `call_req` is sent.
    Requested { expires_at: Instant },
    /// Caller: the other device has shown that it rings.
    Alerting { expires_at: Instant },
    /// Callee: this device rings.
    Ringing { expires_at: Instant },
    /// Callee: the same without a bell.
    Silenced { expires_at: Instant },
    /// Callee: answered here, and perhaps elsewhere before.
    Answering { confirmed_at: Instant },
    /// Both: answered.
    Talking { limit: Limit },
}

/// The limit of a call's length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// None.
    None,
    /// A notice is due before the end.
    Notice { at: Instant, ends_at: Instant },
    /// The end is due.
    End { at: Instant },
}

/// A request to open a door whose result is not known. On the door unit itself, the program that
/// opens it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) door: u8,
    /// On a door unit: the peer wants the result.
    pub(super) ack: bool,
    /// Elsewhere: when the result counts as unknown.
    pub(super) expires_at: Instant,
}

impl Stage {
    /// When something is to be done.
    pub(super) fn deadline(self) -> Instant {
        match self {
            Self::Connecting { expires_at }
            | Self::Requested { expires_at }
            | Self::Alerting { expires_at }
            | Self::Ringing { expires_at }
            | Self::Silenced { expires_at } => expires_at,
            Self::Answering { confirmed_at } => confirmed_at,
            Self::Talking { limit } => limit.deadline(),
        }
    }

    /// The same for programs.
    pub(super) fn shown(self) -> CallState {
        match self {
            Self::Connecting { .. } | Self::Requested { .. } => CallState::Calling,
            Self::Alerting { .. } => CallState::Ringing,
            Self::Ringing { .. } | Self::Silenced { .. } => CallState::Incoming,
            Self::Answering { .. } | Self::Talking { .. } => CallState::Talking,
        }
    }

    /// The call was answered.
    pub(super) fn is_answered(self) -> bool {
        matches!(self, Self::Answering { .. } | Self::Talking { .. })
    }
}

impl Limit {
    /// A call that was answered at this time; a length of zero is no limit. A limit that is no longer
    /// than the notice has none.
    pub(super) fn new(answered_at: Instant, length: Duration) -> Self {
        let ends_at = answered_at + length;
        if length == Duration::ZERO {
            Self::None
        } else if length > END_NOTICE {
            Self::Notice {
                at: ends_at - END_NOTICE,
                ends_at,
            }
        } else {
            Self::End { at: ends_at }
        }
    }

    fn deadline(self) -> Instant {
        match self {
            Self::None => Instant::NEVER,
            Self::Notice { at, .. } | Self::End { at } => at,
        }
    }
}

impl Call {
    /// The next time at which something is to be done.
    pub(super) fn deadline(&self) -> Instant {
        let openings = self.openings.iter().map(|opening| opening.expires_at);
        let keep_at = match self.stage {
            Stage::Connecting { .. } => Instant::NEVER,
            _ => self.keep_at,
        };
        let others = [
            self.stage.deadline(),
            keep_at,
            self.silent_at.unwrap_or(Instant::NEVER),
        ];
        let earliest = openings.chain(others).min();
        earliest.unwrap_or(Instant::NEVER)
    }

    /// The time from the answer until `now`, in milliseconds.
    pub(super) fn duration_ms(&self, now: Instant) -> u64 {
        self.answered_at.map_or(0, |at| now.since(at).millis())
    }

    /// It rings here without a bell: whoever ends it, its user has not heard it.
    fn is_silenced(&self) -> bool {
        matches!(self.stage, Stage::Silenced { .. })
    }

    /// What the call was, if it ends now for this reason, given by the peer or by nobody.
    pub(super) fn outcome(&self, reason: &[u8]) -> Outcome {
        match (self.info.direction, ascii::word(reason)) {
            _ if self.answered_at.is_some() => Outcome::Answered,
            // Somebody of the home has answered.
            (Direction::In, "answered_elsewhere") if !self.is_silenced() => Outcome::Answered,
            (Direction::In, _) => Outcome::Missed,
            (Direction::Out, "line_busy") => Outcome::Busy,
            (Direction::Out, "declined" | "call_denied") => Outcome::Rejected,
            (Direction::Out, _) => Outcome::Unanswered,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_call_has_a_notice_and_a_short_one_has_none() {
        let at = Instant::from_nanos(0);
        let seconds = |n: u64| Duration::from_millis(n * 1000);
        assert_eq!(Limit::new(at, Duration::ZERO), Limit::None);
        assert_eq!(
            Limit::new(at, seconds(10)),
            Limit::End {
                at: at + seconds(10)
            }
        );
        assert_eq!(
            Limit::new(at, seconds(300)),
            Limit::Notice {
                at: at + seconds(290),
                ends_at: at + seconds(300)
            }
        );
    }
}
