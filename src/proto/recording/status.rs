//! Read access to the state of a recording.

use crate::base::limits::FRAME;
use crate::proto::media::leg_monitor::{Heard, Unintelligible};
use crate::proto::recording::file_writer::{Ended, Name};
use crate::proto::recording::part_history::PartHistory;
use crate::proto::recording::setup::Ports;
use crate::proto::recording::state::State;
use crate::proto::recording::Recording;

impl Recording {
    /// The ports of its legs and its local stream.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Frames recorded so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Their duration in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.frames * FRAME.millis()
    }

    /// Free bytes on the stick at the last check.
    pub fn free_bytes(&self) -> u64 {
        self.parts.writer.free_bytes()
    }

    /// The names of the parts that are kept, and the number of all parts.
    pub fn names(&self) -> (&[Name], u32) {
        self.parts.names()
    }

    /// The bytes of the current part that survive a power failure.
    pub fn durable_bytes(&self) -> u64 {
        self.parts.writer.durable_bytes()
    }

    /// The current part has this name.
    pub fn writes(&self, name: &[u8]) -> bool {
        let current = self.parts.current().map(|current| current.as_bytes());
        self.state != State::Free && current == Some(name)
    }

    /// The file of a part is open.
    pub fn has_file(&self) -> bool {
        self.parts.writer.has_file()
    }

    /// Frames in the file that is open, or was open last.
    pub fn part_frames(&self) -> u64 {
        self.parts.writer.frames()
    }

    /// How the last part ended; `None` while another one may follow.
    pub fn parts_ended(&self) -> Option<Ended> {
        self.parts.ended()
    }

    /// The history of the current part.
    pub fn history(&self) -> &PartHistory {
        &self.parts.history
    }

    /// Mutable access to the history of the current part.
    pub fn history_mut(&mut self) -> &mut PartHistory {
        &mut self.parts.history
    }

    /// Sources that are being mixed.
    pub fn legs_heard(&self) -> usize {
        self.audio.sources()
    }

    /// The recording is paused: the latest request was a pause.
    pub fn paused(&self) -> bool {
        self.audio.clock.paused()
    }

    /// Which parties are in it so far.
    pub fn heard(&self) -> Heard {
        self.audio.monitor().heard(self.ports.len())
    }

    /// Milliseconds of audio that came to a port, silence included.
    pub fn heard_ms(&self, port: usize) -> u64 {
        self.audio.monitor().heard_ms(port)
    }

    /// Why a leg was not heard, if there was one.
    pub fn unintelligible(&self) -> Option<Unintelligible> {
        self.audio.monitor().unintelligible
    }
}
