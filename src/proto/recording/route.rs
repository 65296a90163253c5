//! Where the frames of a recording go: to the stick, to a server, or from the server to the stick when it fails.

use crate::base::limits::{BURST_FRAMES, FRAME};
use crate::base::time::{Duration, Instant};

/// Where a recording's frames go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// To the stick, as was asked for.
    Stick,
    /// To the server.
    Server(Sending),
    /// To the stick: it was begun for the server, which has failed.
    Fallback {
        /// The server did not confirm the end, and may have everything.
        unconfirmed: bool,
    },
}

impl Route {
    /// It was begun for a server, wherever it goes now.
    pub(super) fn was_for_server(&self) -> bool {
        !matches!(self, Self::Stick)
    }

    /// Its frames go to the server.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Bytes at the ring's front that the server has been sent.
    pub(super) fn sent(&self) -> usize {
        match self {
            Self::Server(sending) => sending.sent,
            Self::Stick | Self::Fallback { .. } => 0,
        }
    }
}

/// How the frames go to a server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sending {
    /// Bytes at the ring's front that have been sent; kept there for a fallback.
    pub(super) sent: usize,
    /// Frames that may be sent before `refill_at`.
    burst: u32,
    refill_at: Instant,
}

impl Sending {
    /// Time passes.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.refill_at {
            self.burst = BURST_FRAMES;
            // Half a frame, not a whole one: a wake-up may be late, and the next one in time.
            self.refill_at = now + Duration::from_nanos(FRAME.nanos() / 2);
        }
    }

    /// A frame may be sent now.
    pub(super) fn may_send(&self) -> bool {
        self.burst > 0
    }

    /// A frame has been sent.
    pub(super) fn spend(&mut self) {
        self.burst = self.burst.saturating_sub(1);
    }
}
