//! Folders: described, and listed block by block.

use crate::base::limits::fsp::SMALLEST_BLOCK;
use crate::proto::fsp::server::listing::{Next as InBlock, Place};
use crate::proto::fsp::server::replies::{describe, finish, refuse, send};
use crate::proto::fsp::server::tree::{Folder, Node};
use crate::proto::fsp::server::{Block, Job, Next, Op, Outcome, Server};
use crate::wire::fsp::{Command, Entry, Head, Kind, Packet, ENTRY_HEAD, HEADER_BYTES};

/// GET_PRO's answer: it may be listed, and files may be read (bit 10 would say that they may not).
const PROTECTION: u8 = 0x40;

impl Server {
    /// Lists a folder: from a snapshot that is made for the listing's first block, or when there is none any more.
    pub(super) fn list(
        &mut self,
        packet: &Packet,
        head: Head,
        session: usize,
        folder: Folder,
        reply: &mut [u8],
    ) -> Outcome {
        let wanted = self.payload(packet, session);
        let client = self.sessions.of(session);
        let owner = Some(client.peer);
        let mine = self
            .listings
            .iter()
            .position(|listing| listing.owner == owner);
        if let Some(mine) =
            mine.filter(|mine| head.position > 0 && self.listings[*mine].folder == folder)
        {
            return self.serve(session, head, mine, reply);
        }
        if head.position == 0 || client.block == 0 {
            // The client takes the length of the first block for that of all.
            client.block = wanted.max(SMALLEST_BLOCK) & !3;
        }
        let block = client.block;
        let oldest = self
            .listings
            .iter()
            .enumerate()
            .min_by_key(|(_, listing)| (listing.owner.is_some(), listing.age));
        let place = mine.or(oldest.map(|(place, _)| place)).unwrap_or(0);
        let youngest = self
            .listings
            .iter()
            .map(|listing| listing.age)
            .max()
            .unwrap_or(0);
        let listing = &mut self.listings[place];
        listing.begin(owner, folder, block);
        listing.age = youngest.wrapping_add(1);
        match folder {
            Folder::Root => self.serve(session, head, place, reply),
            _ => Ok(self.wait(session, head, Job::Snapshot(place), Op::FirstName)),
        }
    }

    /// Serves the block at the reply's position.
    pub(super) fn serve(
        &mut self,
        session: usize,
        head: Head,
        listing: usize,
        reply: &mut [u8],
    ) -> Outcome {
        match self.listings[listing].find(head.position) {
            Place::Block(entry) => Ok(self.fill(
                session,
                head,
                Block {
                    listing,
                    entry,
                    used: 0,
                },
                reply,
            )),
            // No error: after a listing of one block clients ask for what is behind it.
            Place::Past => Ok(finish(head, 0, 0, reply)),
            Place::Within => Err("Invalid directory seek offset"),
        }
    }

    /// Puts entries into a block until it is full, or the stick has to be asked.
    pub(super) fn fill(
        &mut self,
        session: usize,
        head: Head,
        mut block: Block,
        reply: &mut [u8],
    ) -> Next {
        loop {
            let listing = &self.listings[block.listing];
            match listing.next(block.entry, block.used) {
                InBlock::Entry(Node::File(file), _) => {
                    return self.wait(session, head, Job::Block(block), Op::Stat(file));
                }
                InBlock::Entry(node, _) => {
                    let time = if let Node::Folder(folder) = node {
                        folder.time()
                    } else {
                        0
                    };
                    block.put(
                        Entry {
                            time,
                            size: 0,
                            kind: Kind::FOLDER,
                            name: node.name().as_bytes(),
                        },
                        reply,
                    );
                }
                InBlock::End => {
                    block.mark(Kind::END, reply);
                    return finish(head, block.used + ENTRY_HEAD, 0, reply);
                }
                InBlock::Full => {
                    let length = listing.block;
                    if let Some(rest) =
                        reply.get_mut(HEADER_BYTES + block.used..HEADER_BYTES + length)
                    {
                        rest.fill(0);
                    }
                    if length - block.used >= ENTRY_HEAD {
                        block.mark(Kind::SKIP, reply);
                    }
                    return finish(head, length, 0, reply);
                }
            }
        }
    }

    /// Describes a folder, as STAT or GET_PRO do, or says that it is no file; one that is made of its files is looked for
    /// first.
    pub(super) fn look_at(
        &mut self,
        head: Head,
        session: usize,
        folder: Folder,
        reply: &mut [u8],
    ) -> Next {
        match folder {
            Folder::Day(date) => self.wait(session, head, Job::Probe(date), Op::FirstName),
            _ => describe_folder(head, folder, reply),
        }
    }
}

pub(super) fn describe_folder(head: Head, folder: Folder, reply: &mut [u8]) -> Next {
    match head.command {
        Command::GET_FILE => refuse(head, "Is a directory", reply),
        Command::GET_PRO => send(
            Head {
                position: 1,
                ..head
            },
            &[PROTECTION],
            1,
            reply,
        ),
        _ => describe(
            head,
            Entry {
                time: folder.time(),
                ..Entry::mark(Kind::FOLDER)
            },
            reply,
        ),
    }
}

impl Block {
    /// Appends an entry, for which there is room.
    pub(super) fn put(&mut self, entry: Entry, reply: &mut [u8]) {
        let place = reply
            .get_mut(HEADER_BYTES + self.used..)
            .unwrap_or_default();
        self.used += entry.emit(place).unwrap_or(0);
        self.entry += 1;
    }

    fn mark(&self, kind: Kind, reply: &mut [u8]) {
        let place = reply
            .get_mut(HEADER_BYTES + self.used..)
            .and_then(|rest| rest.first_chunk_mut());
        if let Some(place) = place {
            *place = Entry::mark(kind).head();
        }
    }
}
