//! The frames of a recording that is played: its parts in order, read ahead of their time. No heap after `new`.

use crate::base::limits::play::{PLAY_BUFFER, PLAY_READ, PLAY_READY};
use crate::base::limits::MAX_PARTS_NAMED;
use crate::wire::control::Text;
use crate::wire::recording::probe::Head;
use crate::wire::recording::HEADER_BYTES;

/// The name of a further part.
pub type PartName = Text<48>;

/// What to do next for the frames to come.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Open this further part in place of the file that is open.
    Open(&'a [u8]),
    /// Read here in the open file.
    Read(u64, &'a mut [u8]),
}

/// The parts, and the frames of them that wait to be sent.
pub struct ReadAhead {
    frame_bytes: usize,
    /// Frames of the first part, then name and frames of each further one.
    first: u64,
    further: heapless::Vec<(PartName, u64), MAX_PARTS_NAMED>,
    /// Frames in slots of `frame_bytes`; those that wait begin at `front` and go round.
    buffer: Box<[u8]>,
    front: usize,
    waiting: usize,
    /// The part that is being read, frames read of it, and whether its file is the open one.
    part: usize,
    read: u64,
    open: bool,
}

impl ReadAhead {
    /// Without any part.
    pub fn new() -> Self {
        Self {
            frame_bytes: 1,
            first: 0,
            further: heapless::Vec::new(),
            buffer: vec![0; PLAY_BUFFER].into_boxed_slice(),
            front: 0,
            waiting: 0,
            part: 0,
            read: 0,
            open: false,
        }
    }

    /// Begins with this first part, whose file is open.
    pub fn begin(&mut self, head: &Head) {
        self.frame_bytes = head.header.rtp_len as usize;
        self.first = head.frames;
        self.further.clear();
        (self.front, self.waiting) = (0, 0);
        (self.part, self.read, self.open) = (0, 0, true);
    }

    /// Adds the part behind the last one; `false` when none fits behind it.
    pub fn push(&mut self, name: &[u8], frames: u64) -> bool {
        let name = PartName::from_slice(name).unwrap_or_default();
        self.further.push((name, frames)).is_ok() && !self.further.is_full()
    }

    /// The further part that is being read; `None`: the first one.
    pub fn name(&self) -> Option<&[u8]> {
        Some(&self.further.get(self.part.checked_sub(1)?)?.0)
    }

    /// Frames of all parts.
    pub fn total(&self) -> u64 {
        self.first + self.further.iter().map(|(_, frames)| frames).sum::<u64>()
    }

    /// Goes on at this frame.
    pub fn seek(&mut self, frame: u64) {
        let was = self.part;
        (self.front, self.waiting) = (0, 0);
        (self.part, self.read) = (0, frame);
        while self.part < self.further.len() && self.read >= self.frames_of(self.part) {
            self.read -= self.frames_of(self.part);
            self.part += 1;
        }
        self.open &= was == self.part;
    }

    /// Enough waits to begin, or to take one's time: frame `next` is the front one.
    pub fn is_ready(&self, next: u64) -> bool {
        self.waiting >= PLAY_READY * self.unit() || next + self.waiting as u64 >= self.total()
    }

    /// The next frame, if it is there.
    pub fn front(&self) -> Option<&[u8]> {
        let at = self.front * self.frame_bytes;
        self.buffer
            .get(at..at + self.frame_bytes)
            .filter(|_| self.waiting > 0)
    }

    /// Forgets the next frame.
    pub fn consume(&mut self) {
        self.waiting -= usize::from(self.waiting > 0);
        self.front = (self.front + 1) % self.slots();
    }

    /// What to do now; nothing when enough waits, or all has been read.
    pub fn want(&mut self) -> Option<Step<'_>> {
        while self.read >= self.frames_of(self.part) {
            if self.part >= self.further.len() {
                return None;
            }
            (self.part, self.read, self.open) = (self.part + 1, 0, false);
        }
        if !self.open {
            // Only further parts are ever opened anew, or the first one after a jump back.
            return Some(Step::Open(
                self.part
                    .checked_sub(1)
                    .map_or(&[], |part| &self.further[part].0),
            ));
        }
        let (slots, unit) = (self.slots(), self.unit());
        let free = slots - self.waiting;
        if free < unit {
            return None;
        }
        let end = (self.front + self.waiting) % slots;
        let left = usize::try_from(self.frames_of(self.part) - self.read).unwrap_or(unit);
        let frames = unit.min(left).min(slots - end);
        let offset = HEADER_BYTES as u64 + self.read * self.frame_bytes as u64;
        let at = end * self.frame_bytes;
        Some(Step::Read(
            offset,
            &mut self.buffer[at..at + frames * self.frame_bytes],
        ))
    }

    /// The part that `want` named is open; or it is not there any more, and left out.
    pub fn handle_open(&mut self, there: bool) {
        self.open = there;
        if !there {
            self.end_part();
        }
    }

    /// Bytes were read where `want` said. A file that ends too early is shorter than it was.
    pub fn handle_read(&mut self, bytes: usize) {
        match bytes / self.frame_bytes {
            0 => self.end_part(),
            frames => {
                self.waiting += frames;
                self.read += frames as u64;
            }
        }
    }

    /// The part ends at what has been read of it.
    fn end_part(&mut self) {
        let read = self.read;
        match self
            .part
            .checked_sub(1)
            .and_then(|part| self.further.get_mut(part))
        {
            Some((_, frames)) => *frames = read,
            None => self.first = read,
        }
    }

    fn frames_of(&self, part: usize) -> u64 {
        part.checked_sub(1).map_or(self.first, |part| {
            self.further.get(part).map_or(0, |(_, frames)| *frames)
        })
    }

    /// Frames of one read.
    fn unit(&self) -> usize {
        (PLAY_READ / self.frame_bytes).max(1)
    }

    fn slots(&self) -> usize {
        // Whole reads: then none is cut by the buffer's end.
        self.buffer.len() / self.frame_bytes / self.unit() * self.unit()
    }
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self::new()
    }
}
