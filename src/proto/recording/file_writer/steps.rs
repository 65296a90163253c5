//! The transitions after successful calls to the stick.

use crate::base::ring::Ring;
use crate::proto::recording::disk_call::{DiskDone, DiskError};
use crate::proto::recording::file_writer::state::{
    Beginning, Checkpoint, Course, Ending, WriterState,
};
use crate::proto::recording::file_writer::FileWriter;
use crate::wire::recording::HEADER_BYTES;

impl FileWriter {
    pub(super) fn begun(&mut self, step: Beginning, done: DiskDone) {
        let next = match (step, done) {
            (Beginning::Space, DiskDone::Free(free)) if self.has_room(free) => Beginning::Create,
            (Beginning::Space, DiskDone::Free(_)) if self.may_cover() => Beginning::MakeRoom,
            (Beginning::MakeRoom, DiskDone::Yes) => Beginning::Space,
            (Beginning::Space, DiskDone::Free(_))
            | (Beginning::MakeRoom, DiskDone::NothingToDelete) => {
                return self.fail(DiskError::Full);
            }
            (Beginning::Header(at), DiskDone::Wrote(len)) if at + len < HEADER_BYTES => {
                Beginning::Header(at + len)
            }
            (Beginning::Header(_), DiskDone::Wrote(_)) if self.reserve_ahead() => {
                Beginning::Reserve
            }
            (Beginning::Header(_), DiskDone::Wrote(_)) => {
                self.state = WriterState::Appending;
                return;
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = WriterState::Beginning(next);
    }

    pub(super) fn checkpointed(&mut self, step: Checkpoint, done: DiskDone) {
        let next = match (step, done) {
            (Checkpoint::Sync, DiskDone::Yes) => {
                self.synced = self.data;
                self.update_data_size();
                Checkpoint::Size(0)
            }
            (Checkpoint::Size(at), DiskDone::Wrote(len)) if at + len < 4 => {
                Checkpoint::Size(at + len)
            }
            (Checkpoint::Size(_), DiskDone::Wrote(_)) => Checkpoint::Space,
            (Checkpoint::Space, DiskDone::Free(free)) if self.has_room(free) => {
                if !self.reserve_ahead() {
                    self.state = WriterState::Appending;
                    return;
                }
                Checkpoint::Reserve
            }
            (Checkpoint::Space, DiskDone::Free(_)) if self.may_cover() => Checkpoint::MakeRoom,
            (Checkpoint::MakeRoom, DiskDone::Yes) => Checkpoint::Space,
            (Checkpoint::Space, DiskDone::Free(_))
            | (Checkpoint::MakeRoom, DiskDone::NothingToDelete) => {
                return self.fail(DiskError::Full);
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = WriterState::Checkpoint(next);
    }

    pub(super) fn ended_step(&mut self, step: Ending, done: DiskDone, ring: &Ring) {
        let next = match (step, done) {
            (Ending::Trim, DiskDone::Yes) => Ending::Sync,
            (Ending::Sync, DiskDone::Yes) => {
                self.synced = self.data;
                self.update_data_size();
                Ending::Size(0)
            }
            (Ending::Size(at), DiskDone::Wrote(len)) if at + len < 4 => Ending::Size(at + len),
            (Ending::Size(_), DiskDone::Wrote(_)) => Ending::FinalSync,
            (Ending::FinalSync, DiskDone::Yes) => Ending::Close,
            (Ending::Close | Ending::Discard, _) => {
                self.state = match self.course {
                    Course::Recording => WriterState::Waiting,
                    Course::Finishing if !ring.is_empty() => WriterState::Waiting,
                    Course::Finishing | Course::Failed(_) => WriterState::Ended,
                };
                return;
            }
            (step, done) => {
                debug_assert!(false, "bug: {done:?} in {step:?}");
                return self.fail(DiskError::Internal);
            }
        };
        self.state = WriterState::Ending(next);
    }
}
