//! The names in the stick's folder, sorted by age, with bounded work per turn and bounded memory:
//! the folder is scanned once for every `SORTED_NAMES` names.

use core::cmp::Ordering;
use std::io;

use crate::base::limits::play::{NAMES_PER_TURN, SORTED_NAMES};
use crate::io::dir::{Dir, Names};
use crate::wire::control::Text;
use crate::wire::recording::age_key;

/// Names of recordings have at most 34 bytes; names that are longer than this cannot be recordings.
pub(super) type FileName = Text<48>;

/// One walk through the folder.
pub(super) struct FolderWalk {
    /// From the newest to the oldest.
    backwards: bool,
    wanted: fn(&[u8]) -> bool,
    names: Option<Names>,
    /// Names up to this one have been returned.
    behind: FileName,
    /// The next names, in reverse order.
    batch: heapless::Vec<FileName, SORTED_NAMES>,
    /// There are names that did not fit into the batch.
    more: bool,
}

/// The result of a step.
pub(super) enum Found {
    /// The next name.
    Name(FileName),
    /// No name yet: another turn is needed.
    Later,
    /// There are no further names.
    End,
}

impl FolderWalk {
    /// Begins after this name, or at the beginning if it is empty.
    pub(super) fn new(behind: &[u8], backwards: bool, wanted: fn(&[u8]) -> bool) -> Self {
        let behind = FileName::from_slice(behind).unwrap_or_default();
        Self {
            backwards,
            wanted,
            names: None,
            behind,
            batch: heapless::Vec::new(),
            more: true,
        }
    }

    /// Reads some names.
    pub(super) fn next(&mut self, dir: &Dir) -> io::Result<Found> {
        let mut names = match self.names.take() {
            Some(names) => names,
            None => {
                if let Some(name) = self.batch.pop() {
                    self.behind.clone_from(&name);
                    return Ok(Found::Name(name));
                }
                if !std::mem::take(&mut self.more) {
                    return Ok(Found::End);
                }
                dir.names()?
            }
        };
        for _ in 0..NAMES_PER_TURN {
            match names.next_file()? {
                Some(name) if (self.wanted)(name) => self.consider(name),
                Some(_) => {}
                None => return Ok(Found::Later), // the batch is complete
            }
        }
        self.names = Some(names);
        Ok(Found::Later)
    }

    /// Adds the name to the batch if it is among the next ones.
    fn consider(&mut self, name: &[u8]) {
        let Ok(name) = FileName::from_slice(name) else {
            return;
        };
        if !self.behind.is_empty() && self.compare(&name, &self.behind) != Ordering::Greater {
            return;
        }
        let at = self
            .batch
            .iter()
            .position(|known| self.compare(&name, known) == Ordering::Greater);
        let at = at.unwrap_or(self.batch.len());
        if self.batch.is_full() {
            self.more = true;
            if at == 0 {
                return;
            }
            self.batch.remove(0);
            let _ = self.batch.insert(at - 1, name);
        } else {
            let _ = self.batch.insert(at, name);
        }
    }

    /// The order of two names in this walk.
    fn compare(&self, one: &[u8], other: &[u8]) -> Ordering {
        let order = (age_key(one), one).cmp(&(age_key(other), other));
        if self.backwards {
            order.reverse()
        } else {
            order
        }
    }
}
