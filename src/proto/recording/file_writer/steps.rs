//! The transitions after successful calls to the stick.

use crate::base::ring::Ring;
use crate::proto::recording::disk_call::{DiskError, Done};
use crate::proto::recording::file_writer::state::{Beginning, Checkpoint, Course, Ending, State};
use crate::proto::recording::file_writer::FileWriter;
use crate::wire::recording::HEADER_BYTES;

impl FileWriter {
    pub(super) fn begun(&mut self, step: Beginning, done: Done) {
        let next = match (step, done) {
            (Beginning::Space, Done::Free(free)) if self.has_room(free) => Beginning::Create,
            (Beginning::Space, Done::Free(_)) if self.may_cover() => Beginning::MakeRoom,
            (Beginning::MakeRoom, Done::Yes) => Beginning::Space,
            (Beginning::Space, Done::Free(_)) | (Beginning::MakeRoom, Done::NothingToDelete) => {
                return self.fail(DiskError::Full);
            }
            (Beginning::Header(at), Done::Wrote(len)) if at + len < HEADER_BYTES => {
                Beginning::Header(at + len)
            }
            (Beginning::Header(_), Done::Wrote(_)) if self.reserve_ahead() => Beginning::Reserve,
            (Beginning::Header(_), Done::Wrote(_)) => {
                self.state = State::Appending;
                return;
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = State::Beginning(next);
    }

    pub(super) fn checkpointed(&mut self, step: Checkpoint, done: Done) {
        let next = match (step, done) {
            (Checkpoint::Sync, Done::Yes) => {
                self.synced = self.data;
                self.note_size();
                Checkpoint::Size(0)
            }
            (Checkpoint::Size(at), Done::Wrote(len)) if at + len < 4 => Checkpoint::Size(at + len),
            (Checkpoint::Size(_), Done::Wrote(_)) => Checkpoint::Space,
            (Checkpoint::Space, Done::Free(free)) if self.has_room(free) => {
                if !self.reserve_ahead() {
                    self.state = State::Appending;
                    return;
                }
                Checkpoint::Reserve
            }
            (Checkpoint::Space, Done::Free(_)) if self.may_cover() => Checkpoint::MakeRoom,
            (Checkpoint::MakeRoom, Done::Yes) => Checkpoint::Space,
            (Checkpoint::Space, Done::Free(_)) | (Checkpoint::MakeRoom, Done::NothingToDelete) => {
                return self.fail(DiskError::Full);
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = State::Checkpoint(next);
    }

    pub(super) fn ended_step(&mut self, step: Ending, done: Done, ring: &Ring) {
        let next = match (step, done) {
            (Ending::Trim, Done::Yes) => Ending::Sync,
            (Ending::Sync, Done::Yes) => {
                self.synced = self.data;
                self.note_size();
                Ending::Size(0)
            }
            (Ending::Size(at), Done::Wrote(len)) if at + len < 4 => Ending::Size(at + len),
            (Ending::Size(_), Done::Wrote(_)) => Ending::FinalSync,
            (Ending::FinalSync, Done::Yes) => Ending::Close,
            (Ending::Close | Ending::Discard, _) => {
                self.state = match self.course {
                    Course::Recording => State::Waiting,
                    Course::Finishing if !ring.is_empty() => State::Waiting,
                    Course::Finishing | Course::Failed(_) => State::Ended,
                };
                return;
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = State::Ending(next);
    }
}
