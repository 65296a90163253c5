//! Directory listings: blocks of one size, served from what was there when the first one was asked for.
//!
//! A folder changes while it is being listed: without a snapshot entries would be lost or come twice. A snapshot holds four
//! bytes an entry, in order; sizes and times are looked up when a block is made.

use crate::base::limits::fsp::LISTING_ENTRIES;
use crate::proto::fsp::server::sessions::Peer;
use crate::proto::fsp::server::tree::{File, Folder, Node};
use crate::wire::fsp::{Entry, ENTRY_HEAD};

/// A folder's snapshot for one client.
pub(super) struct Listing {
    pub(super) owner: Option<Peer>,
    pub(super) folder: Folder,
    /// The length of every block but the last.
    pub(super) block: usize,
    /// Counts what was begun: the least is the oldest.
    pub(super) age: u32,
    keys: Box<[u32]>,
    len: usize,
    /// Where the block that was served last begins: its position, and its first entry.
    last: (u32, usize),
}

/// What stands at a position of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A block that begins with this entry.
    Block(usize),
    /// Nothing, behind the end.
    Past,
    /// The middle of a block.
    Within,
}

/// What comes next in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This one, of so many bytes.
    Entry(Node, usize),
    /// The end of the listing.
    End,
    /// The next block: what comes does not fit.
    Full,
}

impl Listing {
    /// An empty one. The only allocation: pages that no listing uses stay untouched.
    pub(super) fn new() -> Self {
        Self {
            owner: None,
            folder: Folder::Root,
            block: 0,
            age: 0,
            keys: vec![0; LISTING_ENTRIES].into_boxed_slice(),
            len: 0,
            last: (0, 0),
        }
    }

    /// Begins a snapshot.
    pub(super) fn begin(&mut self, owner: Option<Peer>, folder: Folder, block: usize) {
        (self.owner, self.folder, self.block) = (owner, folder, block);
        (self.len, self.last) = (usize::from(folder == Folder::Root), (0, 0));
    }

    /// Takes a name that was found on the stick, if it belongs into the folder; `false` when there is no room.
    pub(super) fn take(&mut self, name: &[u8]) -> bool {
        let Some(key) = File::parse(name).and_then(|file| self.folder.key_of(file)) else {
            return true;
        };
        // The stick names them almost in order: most go to the end.
        let Err(at) = self.keys[..self.len].binary_search(&key) else {
            return true;
        };
        if self.len == self.keys.len() {
            return false;
        }
        self.keys.copy_within(at..self.len, at + 1);
        self.keys[at] = key;
        self.len += 1;
        true
    }

    /// It is nobody's any more.
    pub(super) fn forget(&mut self) {
        self.owner = None;
    }

    /// A folder that is made of its files, and there are none.
    pub(super) fn is_missing(&self) -> bool {
        self.len == 0 && matches!(self.folder, Folder::Day(_))
    }

    /// What comes at this place of a block.
    pub(super) fn next(&self, index: usize, used: usize) -> Next {
        let room = self.block - used;
        match self.keys[..self.len].get(index) {
            Some(key) => {
                let node = self.folder.child(*key);
                let len = Entry::len_of(node.name().len());
                if len <= room {
                    Next::Entry(node, len)
                } else {
                    Next::Full
                }
            }
            None if room >= ENTRY_HEAD => Next::End,
            None => Next::Full,
        }
    }

    /// Finds the block at `position`.
    pub(super) fn find(&mut self, position: u32) -> Place {
        if position < self.last.0 {
            self.last = (0, 0);
        }
        loop {
            let (start, first) = self.last;
            if start == position {
                return Place::Block(first);
            }
            let (mut index, mut used) = (first, 0);
            let ended = loop {
                match self.next(index, used) {
                    Next::Entry(_, len) => (index, used) = (index + 1, used + len),
                    Next::End => break true,
                    Next::Full => break false,
                }
            };
            let length = if ended { used + ENTRY_HEAD } else { self.block };
            if position - start < length as u32 {
                return Place::Within;
            }
            if ended {
                return Place::Past;
            }
            self.last = (start + length as u32, index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(names: &[String], block: usize) -> Listing {
        let mut listing = Listing::new();
        listing.begin(None, Folder::Day(20_260_102), block);
        names
            .iter()
            .for_each(|name| assert!(listing.take(name.as_bytes())));
        listing
    }

    fn names(count: u32) -> Vec<String> {
        (0..count)
            .map(|n| format!("Record_20260102_{n:06}.wav"))
            .collect()
    }

    #[test]
    fn other_days_and_other_names_stay_out_and_nothing_stands_twice() {
        let mut listing = day(&names(3), 512);
        for other in [
            "Record_20260103_000000.wav",
            "notes.txt",
            "Record_20260102_000001.wav",
        ] {
            assert!(listing.take(other.as_bytes()));
        }
        assert_eq!(listing.len, 3);
        listing.begin(None, Folder::Recorder, 512);
        names(5)
            .iter()
            .for_each(|name| assert!(listing.take(name.as_bytes())));
        assert!(listing.take(b"Record_20260101_000000.wav"));
        assert_eq!(listing.keys[..listing.len], [20_260_101, 20_260_102]);
    }

    #[test]
    fn whatever_order_names_come_in_they_are_sorted() {
        let mut shuffled = names(1000);
        shuffled.sort_by_key(|name| {
            name.bytes()
                .fold(7u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(byte))
        });
        let listing = day(&shuffled, 512);
        assert!(listing.keys[..1000].is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn positions_are_found_in_any_order() {
        // 36 bytes an entry: 14 to a block of 512, which leaves 8 bytes; the end needs 9.
        let mut listing = day(&names(30), 512);
        for (position, place) in [
            (0, Place::Block(0)),
            (1024, Place::Block(28)),
            (512, Place::Block(14)),
            (1024 + 2 * 36 + 9, Place::Past),
            (1024 + 2 * 36 + 8, Place::Within),
            (1, Place::Within),
            (0, Place::Block(0)),
            (1536, Place::Past),
            (u32::MAX, Place::Past),
            (513, Place::Within),
            (512, Place::Block(14)),
        ] {
            assert_eq!(listing.find(position), place, "{position}");
        }
        let mut full = day(&names(14), 512);
        assert_eq!(
            (full.find(512), full.find(521)),
            (Place::Block(14), Place::Past),
            "a block for the end alone"
        );
        let mut one = day(&names(13), 512);
        assert_eq!(
            (one.find(13 * 36 + 9), one.find(512)),
            (Place::Past, Place::Past)
        );
    }

    #[test]
    fn a_full_snapshot_says_so() {
        let mut listing = day(&[], 512);
        let mut taken = 0;
        for time in 0..LISTING_ENTRIES as u32 + 5 {
            taken += u32::from(listing.take(format!("Record_20260102_{time:06}.wav").as_bytes()));
        }
        assert_eq!(taken as usize, LISTING_ENTRIES);
    }
}
