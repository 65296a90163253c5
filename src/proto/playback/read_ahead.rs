//! The frames of a recording that is played: its parts in order, read before they are due. No heap
//! after `new`.

use crate::base::limits::play::{PLAY_BUFFER, PLAY_READ, PLAY_READY};
use crate::base::limits::MAX_PARTS_NAMED;
use crate::wire::control::Text;
use crate::wire::recording::probe::Head;
use crate::wire::recording::HEADER_BYTES;

/// The name of a further part.
pub type PartName = Text<48>;

/// The next step to read further frames.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// Open this further part, and close the open file.
    Open(&'a [u8]),
    /// Read at this offset of the open file.
    Read(u64, &'a mut [u8]),
}

/// The parts, and their buffered frames.
pub struct ReadAhead {
    frame_bytes: usize,
    /// The frames of the first part, then name and frames of each further one.
    first: u64,
    further: heapless::Vec<(PartName, u64), MAX_PARTS_NAMED>,
    /// A ring of slots of `frame_bytes` each; the waiting frames begin at `front`.
    buffer: Box<[u8]>,
    front: usize,
    waiting: usize,
    /// The part that is being read, the frames read of it, and whether the open file is its file.
    part: usize,
    read: u64,
    open: bool,
}

impl ReadAhead {
    /// No parts.
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

    /// Begins with this first part, whose file is already open.
    pub fn begin(&mut self, head: &Head) {
        self.frame_bytes = head.header.rtp_len as usize;
        self.first = head.frames;
        self.further.clear();
        self.front = 0;
        self.waiting = 0;
        self.part = 0;
        self.read = 0;
        self.open = true;
    }

    /// Adds a part; `false` when no further part fits.
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

    /// Continues at this frame.
    pub fn seek(&mut self, frame: u64) {
        let was = self.part;
        self.front = 0;
        self.waiting = 0;
        self.part = 0;
        self.read = frame;
        while self.part < self.further.len() && self.read >= self.frames_of(self.part) {
            self.read -= self.frames_of(self.part);
            self.part += 1;
        }
        self.open &= was == self.part;
    }

    /// Enough frames are buffered to begin, or to postpone the next read; frame `next` is the one
    /// at the front.
    pub fn is_ready(&self, next: u64) -> bool {
        self.waiting >= PLAY_READY * self.unit() || next + self.waiting as u64 >= self.total()
    }

    /// The next frame, if it has been read.
    pub fn front(&self) -> Option<&[u8]> {
        let at = self.front * self.frame_bytes;
        self.buffer
            .get(at..at + self.frame_bytes)
            .filter(|_| self.waiting > 0)
    }

    /// Discards the next frame.
    pub fn consume(&mut self) {
        self.waiting -= usize::from(self.waiting > 0);
        self.front = (self.front + 1) % self.slots();
    }

    /// The next step; `None` when enough frames are buffered, or all have been read.
    pub fn want(&mut self) -> Option<Step<'_>> {
        while self.read >= self.frames_of(self.part) {
            if self.part >= self.further.len() {
                return None;
            }
            self.part += 1;
            self.read = 0;
            self.open = false;
        }
        if !self.open {
            // Only further parts are ever opened again, or the first one after a seek backwards.
            let further = self.part.checked_sub(1);
            let name: &[u8] = further.map_or(&[], |part| &self.further[part].0);
            return Some(Step::Open(name));
        }
        let slots = self.slots();
        let unit = self.unit();
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

    /// The part that `want` named is open; or it does not exist any more, and is skipped.
    pub fn handle_open(&mut self, there: bool) {
        self.open = there;
        if !there {
            self.end_part();
        }
    }

    /// The number of bytes that were read for `want`. A file that ends too early has been
    /// shortened.
    pub fn handle_read(&mut self, bytes: usize) {
        match bytes / self.frame_bytes {
            0 => self.end_part(),
            frames => {
                self.waiting += frames;
                self.read += frames as u64;
            }
        }
    }

    /// Ends the part after the frames that have been read.
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

    /// The number of frames of one read.
    fn unit(&self) -> usize {
        (PLAY_READ / self.frame_bytes).max(1)
    }

    fn slots(&self) -> usize {
        // A multiple of one read, so that no read is split at the end of the buffer.
        self.buffer.len() / self.frame_bytes / self.unit() * self.unit()
    }
}

impl Default for ReadAhead {
    fn default() -> Self {
        Self::new()
    }
}
