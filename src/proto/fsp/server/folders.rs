//! Folders: described, and listed block by block.

use crate::base::limits::fsp::{LISTINGS, SMALLEST_BLOCK};
use crate::proto::fsp::server::listing::{Block, BlockAt, FolderListing, InBlock};
use crate::proto::fsp::server::operation::Operation;
use crate::proto::fsp::server::pending::{Awaiting, CommandOutcome, CommandResult};
use crate::proto::fsp::server::replies::{describe, finish, send};
use crate::proto::fsp::server::sessions::Session;
use crate::proto::fsp::server::tree::{Folder, Node};
use crate::wire::fsp::{Command, DirEntry, EntryKind, FspHeader, ENTRY_HEAD, HEADER_BYTES};

/// The text is the original server's, and some users know it.
pub(super) const NO_SUCH_FOLDER: &str = "No such directory";
/// The reply to GET_PRO: the folder may be listed and its files may be read (bit 10 would deny
/// that).
const PROTECTION: u8 = 0x40;

/// The listings in progress, one for each client that lists a folder.
pub(super) struct Listings([FolderListing; LISTINGS]);

impl Listings {
    /// Allocates all listings.
    pub(super) fn new() -> Self {
        Self([(); LISTINGS].map(|()| FolderListing::new()))
    }

    /// Ends all listings: the stick that they describe is gone.
    pub(super) fn forget(&mut self) {
        self.0.iter_mut().for_each(FolderListing::forget);
    }

    /// Serves a block of a folder. The first block, or one whose snapshot is gone, needs a new
    /// snapshot. `payload` is the most bytes that the reply may have.
    pub(super) fn list(
        &mut self,
        client: &mut Session,
        payload: usize,
        head: FspHeader,
        folder: Folder,
        reply: &mut [u8],
    ) -> CommandResult {
        let owner = Some(client.address);
        let own = self.0.iter().position(|listing| listing.owner == owner);
        let current = own.filter(|own| head.position > 0 && self.0[*own].folder == folder);
        if let Some(current) = current {
            return self.serve(current, head, reply);
        }
        if head.position == 0 || client.block == 0 {
            // Clients assume that all blocks are as long as the first one. Entries are multiples of
            // four bytes, and so is a block.
            client.block = payload.max(SMALLEST_BLOCK) & !3;
        }
        let index = own.unwrap_or_else(|| self.least_needed());
        let ages = self.0.iter().map(|listing| listing.age);
        let age = ages.max().unwrap_or(0).wrapping_add(1);
        let listing = &mut self.0[index];
        listing.begin(owner, folder, client.block);
        listing.age = age;
        if folder == Folder::Root {
            return self.serve(index, head, reply);
        }
        let awaiting = Awaiting::Names { listing: index };
        Ok(CommandOutcome::Wait(awaiting, Operation::FirstName))
    }

    /// Adds a name to a snapshot. After the last name, the block is served.
    pub(super) fn handle_name(
        &mut self,
        index: usize,
        name: Option<&[u8]>,
        head: FspHeader,
        reply: &mut [u8],
    ) -> CommandResult {
        let listing = &mut self.0[index];
        let Some(name) = name else {
            if listing.is_missing() {
                return Err(NO_SUCH_FOLDER);
            }
            return self.serve(index, head, reply);
        };
        listing
            .add(name)
            .map_err(|_| "Too many files in this directory")?;
        let awaiting = Awaiting::Names { listing: index };
        Ok(CommandOutcome::Wait(awaiting, Operation::NextName))
    }

    /// Adds a file's entry to a block and continues to fill it.
    pub(super) fn handle_entry(
        &mut self,
        mut block: Block,
        time: u32,
        size: u32,
        head: FspHeader,
        reply: &mut [u8],
    ) -> CommandOutcome {
        let listing = &self.0[block.listing];
        if let InBlock::Entry(node, _) = listing.next(block.entry, block.used) {
            let name = node.name();
            let entry = DirEntry {
                time,
                size,
                kind: EntryKind::FILE,
                name: name.as_bytes(),
            };
            put(&mut block, &entry, reply);
        }
        self.fill(block, head, reply)
    }

    /// A listing without an owner, else the oldest one.
    fn least_needed(&self) -> usize {
        self.0
            .iter()
            .enumerate()
            .min_by_key(|(_, listing)| (listing.owner.is_some(), listing.age))
            .map_or(0, |(index, _)| index)
    }

    /// Serves the block at the position that the reply's header names.
    fn serve(&mut self, index: usize, head: FspHeader, reply: &mut [u8]) -> CommandResult {
        match self.0[index].find(head.position) {
            BlockAt::Start { entry } => {
                let block = Block {
                    listing: index,
                    entry,
                    used: 0,
                };
                Ok(self.fill(block, head, reply))
            }
            // Not an error: after a listing of one block, clients ask for the block after it.
            BlockAt::Beyond => Ok(finish(head, 0, 0, reply)),
            BlockAt::Inside => Err("Invalid directory seek offset"),
        }
    }

    /// Adds entries to a block until it is full, or until a file's time and size are needed.
    fn fill(&self, mut block: Block, head: FspHeader, reply: &mut [u8]) -> CommandOutcome {
        let listing = &self.0[block.listing];
        loop {
            match listing.next(block.entry, block.used) {
                InBlock::Entry(Node::File(file), _) => {
                    let awaiting = Awaiting::BlockEntry(block);
                    return CommandOutcome::Wait(awaiting, Operation::Stat(file));
                }
                InBlock::Entry(node, _) => {
                    let time = if let Node::Folder(folder) = node {
                        folder.time()
                    } else {
                        0
                    };
                    let name = node.name();
                    let entry = DirEntry {
                        time,
                        size: 0,
                        kind: EntryKind::FOLDER,
                        name: name.as_bytes(),
                    };
                    put(&mut block, &entry, reply);
                }
                InBlock::End => {
                    mark(&block, EntryKind::END, reply);
                    return finish(head, block.used + ENTRY_HEAD, 0, reply);
                }
                InBlock::Full => {
                    let length = listing.block;
                    let unused = HEADER_BYTES + block.used..HEADER_BYTES + length;
                    if let Some(unused) = reply.get_mut(unused) {
                        unused.fill(0);
                    }
                    if length - block.used >= ENTRY_HEAD {
                        mark(&block, EntryKind::SKIP, reply);
                    }
                    return finish(head, length, 0, reply);
                }
            }
        }
    }
}

/// STAT, GET_PRO or GET_FILE of a folder. A day's folder exists only if the stick has a file of
/// that day, so the names are searched first.
pub(super) fn look_up(head: FspHeader, folder: Folder, reply: &mut [u8]) -> CommandResult {
    match folder {
        Folder::Day(date) => Ok(CommandOutcome::Wait(
            Awaiting::FileOfDay(date),
            Operation::FirstName,
        )),
        _ => describe_folder(head, folder, reply),
    }
}

/// STAT, GET_PRO or GET_FILE of a folder that exists.
pub(super) fn describe_folder(head: FspHeader, folder: Folder, reply: &mut [u8]) -> CommandResult {
    match head.command {
        Command::GET_FILE => Err("Is a directory"),
        Command::GET_PRO => {
            // The position is the length of the extra data, which hold the protection bits.
            let head = FspHeader {
                position: 1,
                ..head
            };
            Ok(send(head, &[PROTECTION], 1, reply))
        }
        _ => {
            let entry = DirEntry {
                time: folder.time(),
                ..DirEntry::mark(EntryKind::FOLDER)
            };
            Ok(describe(head, entry, reply))
        }
    }
}

/// Appends an entry to a block that has room for it.
fn put(block: &mut Block, entry: &DirEntry, reply: &mut [u8]) {
    let rest = reply
        .get_mut(HEADER_BYTES + block.used..)
        .unwrap_or_default();
    block.used += entry.emit(rest).unwrap_or(0);
    block.entry += 1;
}

/// Writes an entry without a name at the end of a block.
fn mark(block: &Block, kind: EntryKind, reply: &mut [u8]) {
    let rest = reply
        .get_mut(HEADER_BYTES + block.used..)
        .unwrap_or_default();
    if let Some(place) = rest.first_chunk_mut() {
        *place = DirEntry::mark(kind).head();
    }
}
