//! A recording's calls to the stick, and what they say of its parts.

use crate::base::limits::{FRAME, MAX_PARTS_NAMED};
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::proto::media::media_clock::Timeline;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::{DiskError, Done, Op};
use crate::proto::recording::part_history::Chronicle;
use crate::proto::recording::{Change, Recording, State};

impl Recording {
    /// The next call to the stick.
    pub fn disk_op(&mut self, now: Instant) -> Option<Op<'_>> {
        let first_frame_at = match self.state {
            State::Free | State::Ports(_) | State::Leaving => return None,
            _ if self.upload.active => return None,
            State::Opening(_) if !self.upload.wanted => self.bound_at,
            _ => {
                let waiting = (self.ring.len() / self.stream.frame_bytes()) as u64;
                self.timeline.next_frame_at() - Duration::from_nanos(FRAME.nanos() * waiting)
            }
        };
        self.part.op(now, first_frame_at, &self.ring)
    }

    /// Takes a call's result.
    pub fn disk_done(
        &mut self,
        now: Instant,
        result: Result<Done, DiskError>,
        stats: &mut Stats,
    ) -> Option<Change> {
        if let Some(name) = self.part.done(now, &mut self.ring, result) {
            self.parts += 1;
            self.chronicle
                .begin(self.frames - (self.ring.len() / self.stream.frame_bytes()) as u64);
            self.names.truncate(MAX_PARTS_NAMED - 1);
            self.names.push(name); // the last one is the one that is in use
            if !matches!(self.state, State::Opening(_)) {
                return Some(Change::Rolled);
            }
        }
        if let (State::Opening(client), true) = (self.state, self.part.is_open()) {
            if !self.upload.wanted {
                (self.timeline, self.drained_at) = (Timeline::new(now), now);
            }
            return Some(self.started(client, stats));
        }
        self.settle(now, stats)
    }

    pub(super) fn started(&mut self, client: ClientId, stats: &mut Stats) -> Change {
        self.state = State::Running;
        stats.count(Counter::Started);
        Change::Started(client)
    }

    /// A part's file is open.
    pub fn has_file(&self) -> bool {
        self.part.has_file()
    }

    /// Frames in the file that is open, or was the last one.
    pub fn part_frames(&self) -> u64 {
        self.part.frames()
    }

    /// No other part will follow, and the error if the stick has failed.
    pub fn part_ended(&self) -> Option<Option<DiskError>> {
        self.part.ended()
    }

    /// What happened since the part began.
    pub fn chronicle(&self) -> &Chronicle {
        &self.chronicle
    }

    /// The same, to be added to.
    pub fn chronicle_mut(&mut self) -> &mut Chronicle {
        &mut self.chronicle
    }
}
