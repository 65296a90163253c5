//! What others may know of a recording.

use crate::base::limits::FRAME;
use crate::proto::recording::file_writer::{Ended, Name};
use crate::proto::recording::part_history::PartHistory;
use crate::proto::recording::setup::Ports;
use crate::proto::recording::state::State;
use crate::proto::recording::Recording;

impl Recording {
    /// Where its legs and its local stream are received.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Frames recorded so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Their length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.frames * FRAME.millis()
    }

    /// Free bytes on the stick when they were last asked for.
    pub fn free_bytes(&self) -> u64 {
        self.parts.writer.free_bytes()
    }

    /// The names of the parts, as many as are kept, and the number of all parts.
    pub fn names(&self) -> (&[Name], u32) {
        self.parts.names()
    }

    /// Of the part that is being written, what a power cut leaves.
    pub fn durable_bytes(&self) -> u64 {
        self.parts.writer.durable_bytes()
    }

    /// The part that is being written has this name.
    pub fn writes(&self, name: &[u8]) -> bool {
        let current = self.parts.current().map(|current| current.as_bytes());
        self.state != State::Free && current == Some(name)
    }

    /// A part's file is open.
    pub fn has_file(&self) -> bool {
        self.parts.writer.has_file()
    }

    /// Frames in the file that is open, or was the last one.
    pub fn part_frames(&self) -> u64 {
        self.parts.writer.frames()
    }

    /// How the last part has ended; `None` while another one may follow.
    pub fn parts_ended(&self) -> Option<Ended> {
        self.parts.ended()
    }

    /// What has happened since the part began.
    pub fn history(&self) -> &PartHistory {
        &self.parts.history
    }

    /// The same, to be added to.
    pub fn history_mut(&mut self) -> &mut PartHistory {
        &mut self.parts.history
    }

    /// Sources that are being mixed.
    pub fn legs_heard(&self) -> usize {
        self.audio.sources()
    }

    /// The latest pause or resume was a pause.
    pub fn paused(&self) -> bool {
        self.audio.clock.paused()
    }
}
