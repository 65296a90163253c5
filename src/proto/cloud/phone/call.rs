//! The one call of a phone in the cloud: its states and deadlines.

use crate::base::time::Instant;
use crate::proto::cloud::phone::url_check::Place;
use crate::proto::intercom::endpoint::output::{CallInfo, CallState, Direction};
use crate::proto::intercom::endpoint::urls::Urls;
use crate::wire::cloud::message::{Sid, Url};

/// A call that is not over.
pub(super) struct Call {
    /// What programs are told of it.
    pub(super) info: CallInfo,
    pub(super) sid: Sid,
    /// The other device.
    pub(super) peer: u32,
    pub(super) stage: Stage,
    pub(super) began_at: Instant,
    /// When the present stage began.
    pub(super) since: Instant,
    pub(super) answered_at: Option<Instant>,
    pub(super) place: Place,
    /// Of the call's message; only the vendor's helper needs it.
    pub(super) url: Url,
    /// Where its streams are; empty with the vendor's transport.
    pub(super) urls: Urls,
    /// Caller: the other device has answered before the application server has.
    pub(super) is_answered_early: bool,
    /// How often a door was opened.
    pub(super) opened: u32,
    /// A door is being opened: which, and when its result counts as unknown.
    pub(super) opening: Option<(u8, Instant)>,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Caller: the application server is asked.
    Placing { expires_at: Instant },
    /// Caller: it has sent the call.
    Requested { expires_at: Instant },
    /// Caller: the other device rings.
    Alerting { expires_at: Instant },
    /// Callee: the application server is told that this device is to ring. One that does not know
    /// the call has not sent it, and nobody is told of it.
    Announced { expires_at: Instant },
    /// Callee: this device rings.
    Ringing { expires_at: Instant },
    /// Callee: the same without a bell.
    Silenced { expires_at: Instant },
    /// Both: answered, and the vendor's transport is being opened.
    Opening { expires_at: Instant },
    /// Both.
    Talking,
}

impl Stage {
    /// When something is to be done.
    pub(super) fn deadline(self) -> Instant {
        match self {
            Self::Placing { expires_at }
            | Self::Requested { expires_at }
            | Self::Alerting { expires_at }
            | Self::Announced { expires_at }
            | Self::Ringing { expires_at }
            | Self::Silenced { expires_at }
            | Self::Opening { expires_at } => expires_at,
            Self::Talking => Instant::NEVER,
        }
    }

    /// Programs are told of the call.
    pub(super) fn is_told(self) -> bool {
        !matches!(self, Self::Announced { .. })
    }

    /// This device is called, and the call is not answered.
    pub(super) fn rings(self) -> bool {
        matches!(self, Self::Ringing { .. } | Self::Silenced { .. })
    }

    /// This device calls, and the call is not answered.
    pub(super) fn calls(self) -> bool {
        matches!(
            self,
            Self::Placing { .. } | Self::Requested { .. } | Self::Alerting { .. }
        )
    }
}

impl Call {
    /// Its state for programs.
    pub(super) fn shown(&self) -> CallState {
        match self.stage {
            Stage::Alerting { .. } => CallState::Ringing,
            Stage::Talking => CallState::Talking,
            Stage::Opening { .. } if self.info.direction == Direction::In => CallState::Incoming,
            Stage::Announced { .. } | Stage::Ringing { .. } | Stage::Silenced { .. } => {
                CallState::Incoming
            }
            Stage::Placing { .. } | Stage::Requested { .. } | Stage::Opening { .. } => {
                CallState::Calling
            }
        }
    }

    pub(super) fn enter(&mut self, now: Instant, stage: Stage) {
        self.stage = stage;
        self.since = now;
    }

    pub(super) fn deadline(&self) -> Instant {
        let opening = self.opening.map_or(Instant::NEVER, |(_, until)| until);
        self.stage.deadline().min(opening)
    }

    pub(super) fn duration_ms(&self, now: Instant) -> u64 {
        self.answered_at.map_or(0, |at| now.since(at).millis())
    }
}
