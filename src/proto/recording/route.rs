//! Where the frames of a recording go: to the stick, to a server, or from the server to the stick when it fails.

use crate::base::limits::{BURST_FRAMES, FRAME};
use crate::base::time::{Duration, Instant};

/// Where a recording's frames go.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// To the stick, as requested.
    Stick,
    /// To the server.
    Server(Sending),
    /// To the stick, after the server failed.
    Fallback {
        /// The server did not confirm the end, so its copy may be complete.
        unconfirmed: bool,
    },
}

impl Route {
    /// The recording was started for a server, wherever its frames go now.
    pub(super) fn was_for_server(&self) -> bool {
        !matches!(self, Self::Stick)
    }

    /// The frames go to the server.
    pub(super) fn is_server(&self) -> bool {
        matches!(self, Self::Server(_))
    }

    /// Bytes at the front of the ring that have been sent to the server.
    pub(super) fn sent(&self) -> usize {
        match self {
            Self::Server(sending) => sending.sent,
            Self::Stick | Self::Fallback { .. } => 0,
        }
    }
}

/// The transmission of frames to a server.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sending {
    /// Bytes at the front of the ring that have been sent; they are kept for a fallback.
    pub(super) sent: usize,
    /// Frames that may be sent before `refill_at`.
    burst: u32,
    refill_at: Instant,
}

impl Sending {
    /// Refills the burst allowance if that is due.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if now >= self.refill_at {
            self.burst = BURST_FRAMES;
            // Half a frame, not a whole one: a late wake-up may be followed by one that is in time.
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
