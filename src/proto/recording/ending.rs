//! How a recording ends, and what is said of it.

use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::recording::{Change, Failure, Recording, State};

impl Recording {
    /// Frees the place when the files are closed, and the server has been told.
    pub fn settle(&mut self, now: Instant, stats: &mut Stats) -> Option<Change> {
        let failure = match self.state {
            State::Free | State::Ports(_) => return None,
            State::Leaving => {
                self.leave(stats);
                return None;
            }
            _ if self.upload.active => return None,
            _ => self.part.ended()?,
        };
        let state = self.leave(stats);
        let client = match state {
            State::Draining(_, client) | State::Closing(client) => client,
            _ => None,
        };
        let unwritten =
            (self.ring.len() as u64 + self.part.torn_bytes()) / self.stream.frame_bytes() as u64;
        self.ring.clear();
        let failure = match failure {
            Some(_) if self.parts == 0 && self.upload.unconfirmed => None, // the server may well have it all
            Some(_) if self.parts == 0 && self.upload.wanted => Some(Failure::Server),
            failure => failure.map(Failure::Stick),
        };
        let Some(failure) = failure else {
            return Some(Change::Stopped(client));
        };
        stats.count(Counter::Failed);
        stats.add(Counter::FramesLost, unwritten);
        if let State::Opening(client) = state {
            return Some(Change::Refused(client, failure));
        }
        self.frames -= unwritten.min(self.frames);
        stats.add(Counter::FramesLost, self.timeline.unmixed(now));
        Some(Change::Failed(client, failure))
    }

    /// It has ended; the state it had.
    pub(super) fn leave(&mut self, stats: &mut Stats) -> State {
        self.sources.clear(stats);
        core::mem::replace(
            &mut self.state,
            if self.uplink.is_idle() {
                State::Free
            } else {
                State::Leaving
            },
        )
    }
}
