//! The queue of sidecar lines that are written when there is time: whole lines in a ring, in order.

use crate::base::limits::play::{SIDECAR_LINE_BYTES, SIDECAR_QUEUE_BYTES};
use crate::base::ring::Ring;
use crate::proto::recording::file_writer::Name;

/// A queued sidecar line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarLine<'a> {
    /// The recording's file.
    pub name: Name,
    /// The recording is finished.
    pub finished: bool,
    /// The content of its sidecar.
    pub line: &'a [u8],
}

/// A bounded queue of sidecar lines.
pub struct SidecarQueue(Ring);

const HEAD: usize = 4;

impl SidecarQueue {
    /// An empty queue. This is the only allocation.
    pub fn new() -> Self {
        Self(Ring::new(SIDECAR_QUEUE_BYTES))
    }

    /// Nothing is queued.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Queues a line; `false` when there is no room for it.
    #[must_use]
    pub fn push(&mut self, name: &Name, finished: bool, line: &[u8]) -> bool {
        if line.len() > SIDECAR_LINE_BYTES || self.0.room() < HEAD + name.len() + line.len() {
            return false;
        }
        let [low, high, ..] = line.len().to_le_bytes();
        self.0
            .push(&[u8::from(finished), name.len() as u8, low, high])
            && self.0.push(name.as_bytes())
            && self.0.push(line)
    }

    /// The oldest entry, with its line copied into `buffer`.
    pub fn pop<'a>(&mut self, buffer: &'a mut [u8]) -> Option<SidecarLine<'a>> {
        let mut head = [0; HEAD];
        if !self.0.take(&mut head) {
            return None;
        }
        let [finished, name, low, high] = head;
        let place = buffer.get_mut(..usize::from(name))?;
        let taken = self.0.take(place);
        let name = Name::try_from(core::str::from_utf8(place).ok().filter(|_| taken)?).ok()?;
        let line = buffer.get_mut(..usize::from(u16::from_le_bytes([low, high])))?;
        self.0.take(line).then_some(SidecarLine {
            name,
            finished: finished == 1,
            line,
        })
    }
}

impl Default for SidecarQueue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_out_whole_and_in_order() {
        let mut notes = SidecarQueue::new();
        let mut buffer = [0; SIDECAR_LINE_BYTES];
        for round in 0..100 {
            let name = Name::try_from(format!("Record_{round}.wav").as_str()).unwrap();
            let line = vec![b'x'; round * 41 % (SIDECAR_LINE_BYTES + 1)];
            assert!(notes.push(&name, round % 2 == 0, &line) && notes.push(&name, true, b""));
            let note = notes.pop(&mut buffer).unwrap();
            assert_eq!(
                (note.name, note.finished, note.line.len()),
                (name, round % 2 == 0, line.len())
            );
            assert!(
                notes
                    .pop(&mut buffer)
                    .is_some_and(|note| note.line.is_empty())
                    && notes.is_empty()
            );
        }
        let taken = (0..100)
            .take_while(|_| notes.push(&Name::new(), true, &[0; SIDECAR_LINE_BYTES]))
            .count();
        assert_eq!(taken, SIDECAR_QUEUE_BYTES / (SIDECAR_LINE_BYTES + HEAD));
        assert!(!notes.push(&Name::new(), true, &[0; SIDECAR_LINE_BYTES + 1]));
    }
}
