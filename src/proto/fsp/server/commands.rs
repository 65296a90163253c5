//! What each command does.

use core::net::IpAddr;

use crate::base::constant_time::is_equal;
use crate::base::limits::fsp::{FAR_PAYLOAD, PASSWORD_BYTES, UNPROVEN_PAYLOAD};
use crate::proto::fsp::server::folders::describe_folder;
use crate::proto::fsp::server::listing::Next as InBlock;
use crate::proto::fsp::server::replies::{describe, finish, send};
use crate::proto::fsp::server::sessions::Admitted;
use crate::proto::fsp::server::tree::{Folder, Node};
use crate::proto::fsp::server::{Done, File, Job, Next, Op, Outcome, Password, Server, Work};
use crate::wire::fsp::{
    passwords, target, Command, Entry, Head, Kind, Packet, DEFAULT_PAYLOAD, HEADER_BYTES,
};
use crate::wire::recording::{DATA_SIZE_OFFSET, HEADER_BYTES as RECORDING_HEADER};

// The texts are the original server's: some users know them.
const NO_SUCH_FOLDER: &str = "No such directory";
const NO_SUCH_FILE: &str = "No such file";

/// VERSION's answer: a text, then the flags read-only (02) and extra data are read (20); the longest payload follows.
const VERSION: &[u8] = concat!("callrec ", env!("CARGO_PKG_VERSION"), "\0\x22").as_bytes();
/// What stays of a sequence number from one resend to the next.
const SEQUENCE: u16 = 0xFFF8;

impl Server {
    /// Answers a request, or says what call is to be made for it.
    pub(super) fn answer(
        &mut self,
        packet: &Packet,
        head: Head,
        admitted: Admitted,
        reply: &mut [u8],
    ) -> Outcome {
        match head.command {
            Command::VERSION => {
                let mut text = heapless::Vec::<u8, 64>::from_slice(VERSION).unwrap_or_default();
                let _ = text.extend_from_slice(&(self.settings.max_payload as u16).to_be_bytes());
                Ok(send(
                    Head {
                        position: 3,
                        ..head
                    },
                    &text,
                    3,
                    reply,
                ))
            }
            Command::BYE => {
                self.sessions.end(admitted.session);
                Ok(finish(head, 0, 0, reply))
            }
            Command::GET_DIR | Command::GET_FILE | Command::GET_PRO => {
                let target = target(packet.data).ok_or("Path must be null terminated")?;
                self.authorise(admitted.session, target.password)?;
                match (head.command, Node::parse(target.name)) {
                    (Command::GET_FILE, Node::File(file)) => {
                        self.read(packet, head, admitted.session, file, reply)
                    }
                    (Command::GET_FILE, Node::Nothing) => Err(NO_SUCH_FILE),
                    (_, Node::File(_)) => Err("Not a directory"),
                    (_, Node::Nothing) => Err(NO_SUCH_FOLDER),
                    (Command::GET_DIR, Node::Folder(folder)) => {
                        self.list(packet, head, admitted.session, folder, reply)
                    }
                    (_, Node::Folder(folder)) => {
                        Ok(self.look_at(head, admitted.session, folder, reply))
                    }
                }
            }
            Command::STAT => {
                let target = target(packet.data);
                let allowed =
                    target.map(|target| self.authorise(admitted.session, target.password));
                Ok(
                    match target
                        .filter(|_| allowed == Some(Ok(())))
                        .map(|target| Node::parse(target.name))
                    {
                        Some(Node::File(file)) => {
                            self.wait(admitted.session, head, Job::Stat, Op::Stat(file))
                        }
                        Some(Node::Folder(folder)) => {
                            self.look_at(head, admitted.session, folder, reply)
                        }
                        _ => describe(head, Entry::mark(Kind::END), reply),
                    },
                )
            }
            Command::CH_PASSWD => self.change_password(packet, head, admitted, reply),
            command if command.is_write() => Err("Server is running in read-only mode"),
            _ => Err("Unknown FSP command"),
        }
    }

    /// Goes on with what waited for the stick.
    pub(super) fn go_on(&mut self, work: Work, done: Done, reply: &mut [u8]) -> Outcome {
        let Work { session, head, job } = work;
        Ok(match (job, done) {
            (Job::Read(file, at), Done::Read { len, growing }) => {
                let payload = reply
                    .get_mut(HEADER_BYTES..HEADER_BYTES + len)
                    .unwrap_or_default();
                self.note_length(session, file, at, growing, payload);
                finish(head, len, 0, reply)
            }
            (Job::Stat, Done::Entry { time, size }) => describe(
                head,
                Entry {
                    time,
                    size,
                    ..Entry::mark(Kind::FILE)
                },
                reply,
            ),
            (Job::Probe(date), Done::Name(Some(name))) => {
                let folder = Folder::Day(date);
                match File::parse(name).and_then(|file| folder.key_of(file)) {
                    Some(_) => describe_folder(head, folder, reply),
                    None => self.wait(session, head, job, Op::NextName),
                }
            }
            (Job::Stat | Job::Probe(_), _) if head.command == Command::STAT => {
                describe(head, Entry::mark(Kind::END), reply)
            }
            (Job::Snapshot(listing), Done::Name(Some(name))) => {
                match self.listings[listing].take(name) {
                    true => self.wait(session, head, job, Op::NextName),
                    false => return Err("Too many files in this directory"),
                }
            }
            (Job::Snapshot(listing), Done::Name(None)) => match self.listings[listing].is_missing()
            {
                true => return Err(NO_SUCH_FOLDER),
                false => return self.serve(session, head, listing, reply),
            },
            (Job::Block(mut block), Done::Entry { .. } | Done::Failed) => {
                let (time, size) = if let Done::Entry { time, size } = done {
                    (time, size)
                } else {
                    (0, 0)
                };
                if let InBlock::Entry(node, _) =
                    self.listings[block.listing].next(block.entry, block.used)
                {
                    block.put(
                        Entry {
                            time,
                            size,
                            kind: Kind::FILE,
                            name: node.name().as_bytes(),
                        },
                        reply,
                    );
                }
                self.fill(session, head, block, reply)
            }
            (Job::Save, Done::Saved) => {
                self.settings.password = core::mem::take(&mut self.new_password);
                self.sessions.of(session).changed = Some(head.sequence & SEQUENCE);
                finish(head, 0, 0, reply)
            }
            (Job::Save, _) => return Err("The password could not be kept"),
            (Job::Read(..) | Job::Probe(_), _) if head.command == Command::GET_FILE => {
                return Err(NO_SUCH_FILE)
            }
            _ => return Err(NO_SUCH_FOLDER),
        })
    }

    pub(super) fn wait(&mut self, session: usize, head: Head, job: Job, op: Op) -> Next {
        self.work = Some(Work { session, head, job });
        Next::Do(op)
    }

    /// The longest payload of an answer: what is asked for, as far as the client may have it.
    pub(super) fn payload(&mut self, packet: &Packet, session: usize) -> usize {
        let client = self.sessions.of(session);
        let most = match (client.proven, is_near(client.peer.ip())) {
            (false, _) => UNPROVEN_PAYLOAD,
            (true, false) => self.settings.max_payload.min(FAR_PAYLOAD),
            (true, true) => self.settings.max_payload,
        };
        packet
            .preferred_payload()
            .unwrap_or(DEFAULT_PAYLOAD)
            .min(most)
    }

    /// Looks at a request's password. Clients without one send none, or an empty one: that is no guess.
    fn authorise(&mut self, session: usize, password: Option<&[u8]>) -> Result<(), &'static str> {
        let given = password
            .filter(|given| !given.is_empty())
            .ok_or("You need a password")?;
        let right = is_equal(given, &self.settings.password);
        self.sessions.of(session).trusted = right;
        self.wrong = !right;
        if right {
            Ok(())
        } else {
            Err("Invalid password")
        }
    }

    fn read(
        &mut self,
        packet: &Packet,
        head: Head,
        session: usize,
        file: File,
        reply: &mut [u8],
    ) -> Outcome {
        let (at, mut len) = (packet.head.position, self.payload(packet, session));
        let pinned = self
            .sessions
            .of(session)
            .pinned
            .filter(|(pinned, _)| at > 0 && *pinned == file);
        if let Some((_, length)) = pinned {
            len = len.min(length.saturating_sub(at) as usize);
        }
        Ok(match len {
            0 => finish(head, 0, 0, reply),
            len => self.wait(
                session,
                head,
                Job::Read(file, at),
                Op::Read { file, at, len },
            ),
        })
    }

    /// A recording in progress keeps, for a client that reads it, the length that it had when the client began: the client comes
    /// to an end, and what it has is a whole recording, whose header says so.
    fn note_length(
        &mut self,
        session: usize,
        file: File,
        at: u32,
        growing: Option<u32>,
        payload: &mut [u8],
    ) {
        let client = self.sessions.of(session);
        if at == 0 {
            client.pinned = growing.map(|length| (file, length));
        }
        let pinned = client
            .pinned
            .filter(|(pinned, _)| *pinned == file)
            .map(|(_, length)| length);
        let Some(length) = pinned.or(growing).filter(|_| file.is_recording()) else {
            return;
        };
        let data_size = length.saturating_sub(RECORDING_HEADER as u32).to_le_bytes();
        for (place, byte) in (DATA_SIZE_OFFSET as u32..).zip(data_size) {
            if let Some(place) = place
                .checked_sub(at)
                .and_then(|place| payload.get_mut(place as usize))
            {
                *place = byte;
            }
        }
    }

    fn change_password(
        &mut self,
        packet: &Packet,
        head: Head,
        admitted: Admitted,
        reply: &mut [u8],
    ) -> Outcome {
        let (old, new) = passwords(packet.data).ok_or("format error")?;
        let sequence = Some(head.sequence & SEQUENCE);
        if admitted.again && self.sessions.of(admitted.session).changed == sequence {
            return Ok(finish(head, 0, 0, reply)); // it was changed, and the reply was lost
        }
        self.authorise(admitted.session, Some(old))
            .map_err(|_| "wrong password")?;
        self.new_password = Password::from_slice(new)
            .ok()
            .filter(|new| is_password(new))
            .ok_or("format error")?;
        Ok(self.wait(admitted.session, head, Job::Save, Op::SavePassword))
    }
}

/// It can be a password: text without control characters, and some.
pub fn is_password(text: &[u8]) -> bool {
    !text.is_empty()
        && text.len() <= PASSWORD_BYTES
        && text.iter().all(|byte| *byte >= b' ' && *byte != 0x7F)
}

/// On the phone's own network, as far as an address tells: a long datagram goes in fragments there, and none is lost.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
