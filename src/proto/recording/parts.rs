//! The parts of one recording: the file that is being written, and the names of all files.

use crate::base::limits::MAX_PARTS_NAMED;
use crate::base::ring::Ring;
use crate::base::time::Instant;
use crate::proto::recording::file_writer::{DiskError, Done, Ended, FileWriter, Name, Op, Plan};
use crate::proto::recording::part_history::PartHistory;

/// The parts of a recording on the stick.
pub(super) struct Parts {
    pub(super) writer: FileWriter,
    /// Capacity `MAX_PARTS_NAMED`; unused memory is not touched.
    names: Vec<Name>,
    count: u32,
    pub(super) history: PartHistory,
}

impl Parts {
    /// Room for the names. Nothing is allocated later.
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            writer: FileWriter::new(plan),
            names: Vec::with_capacity(MAX_PARTS_NAMED),
            count: 0,
            history: PartHistory::default(),
        }
    }

    /// A new recording begins.
    pub(super) fn begin(&mut self, plan: Plan) {
        self.writer = FileWriter::new(plan);
        self.names.clear();
        self.count = 0;
        self.history = PartHistory::default();
    }

    /// The names of the parts that are kept, and the number of all parts.
    pub(super) fn names(&self) -> (&[Name], u32) {
        (&self.names, self.count)
    }

    /// No part has been created.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The part that is being written, or was written last.
    pub(super) fn current(&self) -> Option<&Name> {
        self.names.last()
    }

    /// The next call to the stick.
    pub(super) fn op<'a>(
        &'a mut self,
        now: Instant,
        first_frame_at: Instant,
        ring: &'a Ring,
    ) -> Option<Op<'a>> {
        self.writer.op(now, first_frame_at, ring)
    }

    /// Takes the result of a call; `true` when a part was created, after `stored` frames of the
    /// recording.
    pub(super) fn done(
        &mut self,
        now: Instant,
        stored: u64,
        ring: &mut Ring,
        result: Result<Done, DiskError>,
    ) -> bool {
        let Some(name) = self.writer.done(now, ring, result) else {
            return false;
        };
        self.count += 1;
        self.history.begin(stored);
        // The last entry is always the name of the current part.
        self.names.truncate(MAX_PARTS_NAMED - 1);
        self.names.push(name);
        true
    }

    /// How the writer ended; `None` while it is active or waits for frames.
    pub(super) fn ended(&self) -> Option<Ended> {
        self.writer.ended()
    }
}
