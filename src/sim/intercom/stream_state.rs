//! What the threads of a call's streams share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Between two attempts to reach a stream server.
pub(super) const RETRY: Duration = Duration::from_millis(500);

/// The state of a call's streams.
#[derive(Default)]
pub(super) struct StreamState {
    pub(super) is_over: AtomicBool,
    /// Sound is published after the answer only.
    pub(super) is_answered: AtomicBool,
    pub(super) sound_ms: AtomicU64,
    pub(super) pictures: AtomicU64,
}

impl StreamState {
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }
}
