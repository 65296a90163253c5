//! How a recording ends, and which event that causes.

use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::{DiskError, FilesEnded};
use crate::proto::recording::route::Route;
use crate::proto::recording::state::{Failure, RecordingEvent, RecordingState};
use crate::proto::recording::Recording;

impl Recording {
    /// Why it must end by itself now, in the word of `reason`.
    pub fn reached_limit(&self, now: Instant) -> Option<&'static str> {
        if self.state != RecordingState::Running {
            return None;
        }
        let reached = |limit: u64, frames: u64| limit > 0 && frames >= limit;
        if reached(self.setup.max_frames, self.unpaused) {
            Some("max-minutes")
        } else if reached(self.setup.idle_frames, self.audio.silent_frames(now)) {
            Some("idle")
        } else {
            None
        }
    }

    /// Ends it although nobody has stopped this recording in particular; without a client, the
    /// recorder does so by itself. One that is ending already keeps its reason.
    pub fn stop_because(
        &mut self,
        now: Instant,
        until: Instant,
        reason: &[u8],
        client: Option<ClientId>,
    ) {
        if self.state != RecordingState::Running {
            return self.stop(now, until, client);
        }
        let call = &mut self.setup.call;
        call.stop_reason = reason.try_into().unwrap_or_default();
        call.is_stopped_here = client.is_none();
        self.stop(now, until, client);
    }

    /// Frees the slot once the files are closed and the server connection has ended.
    pub fn settle(&mut self, now: Instant, stats: &mut Stats) -> Option<RecordingEvent> {
        match self.state {
            RecordingState::Free | RecordingState::Binding { .. } => None,
            RecordingState::Disconnecting => {
                self.leave(stats);
                None
            }
            _ if self.route.is_server() => None,
            _ => {
                let ended = self.parts.ended()?;
                Some(self.handle_files_ended(now, ended, stats))
            }
        }
    }

    fn handle_files_ended(
        &mut self,
        now: Instant,
        ended: FilesEnded,
        stats: &mut Stats,
    ) -> RecordingEvent {
        let state = self.leave(stats);
        let torn = self.ring.len() as u64 + self.parts.writer.torn_bytes();
        let unwritten = torn / self.audio.stream.frame_bytes() as u64;
        self.ring.clear();
        let Some(failure) = self.failure(ended) else {
            return RecordingEvent::Stopped(state.stopped_by());
        };
        stats.count(Counter::Failed);
        stats.add(Counter::FramesLost, unwritten);
        let internal = failure == Failure::Stick(DiskError::Internal);
        stats.add(Counter::Bug, u64::from(internal));
        if let RecordingState::Opening { client, .. } = state {
            return RecordingEvent::Refused(client, failure);
        }
        self.frames -= unwritten.min(self.frames);
        stats.add(Counter::FramesLost, self.audio.clock.unmixed(now));
        RecordingEvent::Failed(state.stopped_by(), failure)
    }

    /// Whether the end of the files means that the recording failed.
    fn failure(&self, ended: FilesEnded) -> Option<Failure> {
        let FilesEnded::Failed(error) = ended else {
            return None;
        };
        match self.route {
            Route::Fallback { unconfirmed } if self.parts.is_empty() => {
                // Nothing is on the stick, so only the server's copy counts, which may be complete.
                (!unconfirmed).then_some(Failure::Server)
            }
            _ => Some(Failure::Stick(error)),
        }
    }

    /// Ends the recording; returns its previous state.
    pub(super) fn leave(&mut self, stats: &mut Stats) -> RecordingState {
        self.audio.clear(stats);
        let next = if self.client.is_idle() {
            RecordingState::Free
        } else {
            RecordingState::Disconnecting
        };
        core::mem::replace(&mut self.state, next)
    }
}
