//! Directory listings: blocks of equal size, served from a snapshot that is taken for the first
//! block.
//!
//! A folder changes while it is listed: without a snapshot, entries would be lost or served twice.
//! A snapshot holds four bytes for each entry, in order; sizes and times are looked up when a block
//! is written.

use crate::base::limits::fsp::LISTING_ENTRIES;
use crate::proto::fsp::server::sessions::ClientAddress;
use crate::proto::fsp::server::tree::{File, Folder, Node};
use crate::wire::fsp::{DirEntry, ENTRY_HEAD};

/// A folder's snapshot for one client.
pub(super) struct FolderListing {
    /// `None`: the listing is free.
    pub(super) owner: Option<ClientAddress>,
    pub(super) folder: Folder,
    /// The length in bytes of every block but the last.
    pub(super) block: usize,
    /// Increases with each listing that begins: the smallest is the oldest.
    pub(super) age: u32,
    keys: Box<[u32]>,
    len: usize,
    /// The block that was served last. Clients ask for the blocks in order, so that the search for
    /// the next one is short.
    last: BlockStart,
}

/// Where a block begins.
#[derive(Clone, Copy)]
struct BlockStart {
    position: u32,
    entry: usize,
}

/// The first block.
const FIRST_BLOCK: BlockStart = BlockStart {
    position: 0,
    entry: 0,
};

/// A block that is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// The index of its listing.
    pub(super) listing: usize,
    /// The index of the next entry.
    pub(super) entry: usize,
    /// The bytes written so far.
    pub(super) used: usize,
}

/// What is at a position of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BlockAt {
    /// The start of a block, and the index of its first entry.
    Start { entry: usize },
    /// Nothing: the position is beyond the end.
    Beyond,
    /// The middle of a block.
    Inside,
}

/// What comes next in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InBlock {
    /// An entry, and its length in bytes.
    Entry(Node, usize),
    /// The end of the listing.
    End,
    /// The end of the block: the next entry does not fit.
    Full,
}

/// The snapshot has no room for another entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SnapshotFull;

impl FolderListing {
    /// A free listing. This is the only allocation; memory pages that no listing uses stay
    /// untouched.
    pub(super) fn new() -> Self {
        Self {
            owner: None,
            folder: Folder::Root,
            block: 0,
            age: 0,
            keys: vec![0; LISTING_ENTRIES].into_boxed_slice(),
            len: 0,
            last: FIRST_BLOCK,
        }
    }

    /// Begins a snapshot.
    pub(super) fn begin(&mut self, owner: Option<ClientAddress>, folder: Folder, block: usize) {
        self.owner = owner;
        self.folder = folder;
        self.block = block;
        self.last = FIRST_BLOCK;
        // The root has one entry, which is not on the stick.
        self.len = usize::from(folder == Folder::Root);
    }

    /// Adds a name of the stick, if it belongs to the folder and is not in the snapshot yet.
    pub(super) fn add(&mut self, name: &[u8]) -> Result<(), SnapshotFull> {
        let Some(key) = File::parse(name).and_then(|file| self.folder.key_of(file)) else {
            return Ok(());
        };
        // The stick returns names almost in order, so that most keys are appended.
        let Err(at) = self.keys[..self.len].binary_search(&key) else {
            return Ok(());
        };
        if self.len == self.keys.len() {
            return Err(SnapshotFull);
        }
        self.keys.copy_within(at..self.len, at + 1);
        self.keys[at] = key;
        self.len += 1;
        Ok(())
    }

    /// Frees the listing.
    pub(super) fn forget(&mut self) {
        self.owner = None;
    }

    /// Whether the folder does not exist: a day's folder exists only if there are files of the day.
    pub(super) fn is_missing(&self) -> bool {
        self.len == 0 && matches!(self.folder, Folder::Day(_))
    }

    /// What follows in a block of which `used` bytes are written, when `index` is the next entry.
    pub(super) fn next(&self, index: usize, used: usize) -> InBlock {
        let room = self.block - used;
        match self.keys[..self.len].get(index) {
            Some(key) => {
                let node = self.folder.child(*key);
                let len = DirEntry::len_of(node.name().len());
                if len <= room {
                    InBlock::Entry(node, len)
                } else {
                    InBlock::Full
                }
            }
            None if room >= ENTRY_HEAD => InBlock::End,
            None => InBlock::Full,
        }
    }

    /// Finds the block at `position`.
    pub(super) fn find(&mut self, position: u32) -> BlockAt {
        if position < self.last.position {
            self.last = FIRST_BLOCK;
        }
        loop {
            let start = self.last;
            if start.position == position {
                return BlockAt::Start { entry: start.entry };
            }
            let mut entry = start.entry;
            let mut used = 0;
            let is_last = loop {
                match self.next(entry, used) {
                    InBlock::Entry(_, len) => {
                        entry += 1;
                        used += len;
                    }
                    InBlock::End => break true,
                    InBlock::Full => break false,
                }
            };
            let length = if is_last {
                used + ENTRY_HEAD
            } else {
                self.block
            };
            if position - start.position < length as u32 {
                return BlockAt::Inside;
            }
            if is_last {
                return BlockAt::Beyond;
            }
            self.last = BlockStart {
                position: start.position + length as u32,
                entry,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(names: &[String], block: usize) -> FolderListing {
        let mut listing = FolderListing::new();
        listing.begin(None, Folder::Day(20_260_102), block);
        names
            .iter()
            .for_each(|name| assert!(listing.add(name.as_bytes()).is_ok()));
        listing
    }

    fn names(count: u32) -> Vec<String> {
        (0..count)
            .map(|n| format!("Record_20260102_{n:06}.wav"))
            .collect()
    }

    #[test]
    fn files_of_other_days_and_duplicates_are_left_out() {
        let mut listing = day(&names(3), 512);
        for other in [
            "Record_20260103_000000.wav",
            "notes.txt",
            "Record_20260102_000001.wav",
        ] {
            assert_eq!(listing.add(other.as_bytes()), Ok(()));
        }
        assert_eq!(listing.len, 3);
        listing.begin(None, Folder::Recorder, 512);
        names(5)
            .iter()
            .for_each(|name| assert!(listing.add(name.as_bytes()).is_ok()));
        assert_eq!(listing.add(b"Record_20260101_000000.wav"), Ok(()));
        assert_eq!(listing.keys[..listing.len], [20_260_101, 20_260_102]);
    }

    #[test]
    fn names_are_sorted_whatever_order_they_arrive_in() {
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
            (0, BlockAt::Start { entry: 0 }),
            (1024, BlockAt::Start { entry: 28 }),
            (512, BlockAt::Start { entry: 14 }),
            (1024 + 2 * 36 + 9, BlockAt::Beyond),
            (1024 + 2 * 36 + 8, BlockAt::Inside),
            (1, BlockAt::Inside),
            (0, BlockAt::Start { entry: 0 }),
            (1536, BlockAt::Beyond),
            (u32::MAX, BlockAt::Beyond),
            (513, BlockAt::Inside),
            (512, BlockAt::Start { entry: 14 }),
        ] {
            assert_eq!(listing.find(position), place, "{position}");
        }
        let mut full = day(&names(14), 512);
        assert_eq!(
            (full.find(512), full.find(521)),
            (BlockAt::Start { entry: 14 }, BlockAt::Beyond),
            "the end mark has a block of its own"
        );
        let mut one = day(&names(13), 512);
        assert_eq!(
            (one.find(13 * 36 + 9), one.find(512)),
            (BlockAt::Beyond, BlockAt::Beyond)
        );
    }

    #[test]
    fn a_full_snapshot_refuses_further_names() {
        let mut listing = day(&[], 512);
        let mut taken = 0;
        for time in 0..LISTING_ENTRIES as u32 + 5 {
            let name = format!("Record_20260102_{time:06}.wav");
            taken += usize::from(listing.add(name.as_bytes()).is_ok());
        }
        assert_eq!(taken, LISTING_ENTRIES);
    }
}
