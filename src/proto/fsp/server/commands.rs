//! What each command does.
//!
//! ```text
//! check_password -> NotGiven | Right | Wrong          before the command, which only sees the result
//! execute        -> Reply | Silence | Wait(awaiting)  the command
//! resume         -> Reply | Silence | Wait(awaiting)  the same command, with what it waited for
//! ```

use core::net::IpAddr;

use crate::base::constant_time::is_equal;
use crate::base::limits::fsp::{FAR_PAYLOAD, UNPROVEN_PAYLOAD};
use crate::proto::fsp::server::folders::{describe_folder, look_up, Listings, NO_SUCH_FOLDER};
use crate::proto::fsp::server::operation::{Completion, Operation};
use crate::proto::fsp::server::pending::{Awaiting, CommandOutcome, CommandResult, PendingCommand};
use crate::proto::fsp::server::replies::{describe, finish, send};
use crate::proto::fsp::server::sessions::{Session, Sessions};
use crate::proto::fsp::server::settings::{is_password, FspSettings, Password};
use crate::proto::fsp::server::tree::{File, Folder, Node};
use crate::wire::fsp::{
    passwords, target, Command, DirEntry, EntryKind, FspHeader, Packet, RequestTarget,
    DEFAULT_PAYLOAD, HEADER_BYTES,
};
use crate::wire::recording::{DATA_SIZE_OFFSET, HEADER_BYTES as RECORDING_HEADER};

/// The text is the original server's, and some users know it.
const NO_SUCH_FILE: &str = "No such file";

/// The reply to VERSION: a text, then the flags "read-only" (02) and "extra data are read" (20);
/// the longest payload follows.
const VERSION: &[u8] = concat!("callrec ", env!("CARGO_PKG_VERSION"), "\0\x22").as_bytes();
/// The bits of a sequence number that stay the same from one resend to the next.
const SEQUENCE: u16 = 0xFFF8;

/// A request that is executed.
pub(super) struct FspRequest<'a> {
    pub(super) packet: Packet<'a>,
    /// The header of the reply.
    pub(super) head: FspHeader,
    /// The index of the client's session.
    pub(super) session: usize,
    /// The request was answered before; the reply may be lost.
    pub(super) is_resend: bool,
}

/// The result of the check of a request's password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The request has no password. That is not a guess: clients without a password send none, or
    /// an empty one.
    NotGiven,
    /// The password is right.
    Right,
    /// The password is wrong.
    Wrong,
}

impl PasswordCheck {
    /// The error reply to a request that needs the password.
    fn require(self) -> Result<(), &'static str> {
        match self {
            Self::Right => Ok(()),
            Self::NotGiven => Err("You need a password"),
            Self::Wrong => Err("Invalid password"),
        }
    }
}

/// Executes commands. There is one command at a time.
pub(super) struct Commands {
    settings: FspSettings,
    /// The password that a client has set, until it is stored.
    pub(super) new_password: Password,
    pub(super) sessions: Sessions,
    pub(super) listings: Listings,
}

impl Commands {
    pub(super) fn new(settings: FspSettings) -> Self {
        Self {
            settings,
            new_password: Password::new(),
            sessions: Sessions::new(),
            listings: Listings::new(),
        }
    }

    /// Checks the password that a request has, and remembers whether the client knows it.
    pub(super) fn check_password(&mut self, request: &FspRequest) -> PasswordCheck {
        let data = request.packet.data;
        let given = match request.head.command {
            Command::GET_DIR | Command::GET_FILE | Command::GET_PRO | Command::STAT => {
                target(data).and_then(|target| target.password)
            }
            Command::CH_PASSWD if !self.is_done_already(request) => {
                passwords(data).map(|(old, _)| old)
            }
            _ => None,
        };
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            return PasswordCheck::NotGiven;
        };
        let is_right = is_equal(given, &self.settings.password);
        self.sessions.of(request.session).trusted = is_right;
        if is_right {
            PasswordCheck::Right
        } else {
            PasswordCheck::Wrong
        }
    }

    /// Executes a request.
    pub(super) fn execute(
        &mut self,
        request: &FspRequest,
        password: PasswordCheck,
        reply: &mut [u8],
    ) -> CommandResult {
        let head = request.head;
        match head.command {
            Command::VERSION => Ok(self.version(head, reply)),
            Command::BYE => {
                self.sessions.end(request.session);
                Ok(finish(head, 0, 0, reply))
            }
            Command::GET_DIR | Command::GET_FILE | Command::GET_PRO => {
                let target = target(request.packet.data).ok_or("Path must be null terminated")?;
                password.require()?;
                self.get(request, target, reply)
            }
            Command::STAT => {
                let target = target(request.packet.data);
                let target = target.filter(|_| password == PasswordCheck::Right);
                match target.map(|target| Node::parse(target.name)) {
                    Some(Node::File(file)) => {
                        Ok(CommandOutcome::Wait(Awaiting::Entry, Operation::Stat(file)))
                    }
                    Some(Node::Folder(folder)) => look_up(head, folder, reply),
                    // STAT has no error replies.
                    Some(Node::Nothing) | None => {
                        Ok(describe(head, DirEntry::mark(EntryKind::END), reply))
                    }
                }
            }
            Command::CH_PASSWD => self.change_password(request, password, reply),
            command if command.is_write() => Err("Server is running in read-only mode"),
            _ => Err("Unknown FSP command"),
        }
    }

    /// Continues a command with the result of the operation that it waited for.
    pub(super) fn resume(
        &mut self,
        command: PendingCommand,
        completion: Completion,
        reply: &mut [u8],
    ) -> CommandResult {
        let head = command.head;
        match (command.awaiting, completion) {
            (Awaiting::Bytes { file, position }, Completion::Read { len, growing }) => {
                let client = self.sessions.of(command.session);
                let payload = reply
                    .get_mut(HEADER_BYTES..HEADER_BYTES + len)
                    .unwrap_or_default();
                fix_length(client, file, position, growing, payload);
                Ok(finish(head, len, 0, reply))
            }
            (Awaiting::Bytes { .. }, _) => Err(NO_SUCH_FILE),
            (Awaiting::Entry, Completion::Entry { time, size }) => {
                let entry = DirEntry {
                    time,
                    size,
                    ..DirEntry::mark(EntryKind::FILE)
                };
                Ok(describe(head, entry, reply))
            }
            (Awaiting::FileOfDay(date), Completion::Name(Some(name))) => {
                let folder = Folder::Day(date);
                let key = File::parse(name).and_then(|file| folder.key_of(file));
                if key.is_some() {
                    return describe_folder(head, folder, reply);
                }
                Ok(CommandOutcome::Wait(command.awaiting, Operation::NextName))
            }
            (Awaiting::Entry | Awaiting::FileOfDay(_), _) => match head.command {
                Command::STAT => Ok(describe(head, DirEntry::mark(EntryKind::END), reply)),
                Command::GET_FILE => Err(NO_SUCH_FILE),
                _ => Err(NO_SUCH_FOLDER),
            },
            (Awaiting::Names { listing }, Completion::Name(name)) => {
                self.listings.handle_name(listing, name, head, reply)
            }
            (Awaiting::Names { .. }, _) => Err(NO_SUCH_FOLDER),
            (Awaiting::BlockEntry(block), Completion::Entry { time, size }) => {
                Ok(self.listings.handle_entry(block, time, size, head, reply))
            }
            // The file was removed after the snapshot. It is still listed, since the positions of
            // the blocks depend on it.
            (Awaiting::BlockEntry(block), _) => {
                Ok(self.listings.handle_entry(block, 0, 0, head, reply))
            }
            (Awaiting::SavedPassword, Completion::Saved) => {
                self.settings.password = core::mem::take(&mut self.new_password);
                self.sessions.of(command.session).changed = Some(head.sequence & SEQUENCE);
                Ok(finish(head, 0, 0, reply))
            }
            (Awaiting::SavedPassword, _) => Err("The password could not be kept"),
        }
    }

    fn version(&self, head: FspHeader, reply: &mut [u8]) -> CommandOutcome {
        let max_payload = (self.settings.max_payload as u16).to_be_bytes();
        let mut text = heapless::Vec::<u8, 64>::from_slice(VERSION).unwrap_or_default();
        let _ = text.extend_from_slice(&max_payload);
        // The extra data are the flags and the longest payload; the position is their length.
        let head = FspHeader {
            position: 3,
            ..head
        };
        send(head, &text, 3, reply)
    }

    /// GET_DIR, GET_FILE and GET_PRO, with the right password.
    fn get(
        &mut self,
        request: &FspRequest,
        target: RequestTarget,
        reply: &mut [u8],
    ) -> CommandResult {
        let head = request.head;
        match (head.command, Node::parse(target.name)) {
            (Command::GET_FILE, Node::File(file)) => Ok(self.read(request, file, reply)),
            (Command::GET_FILE, Node::Nothing) => Err(NO_SUCH_FILE),
            (_, Node::File(_)) => Err("Not a directory"),
            (_, Node::Nothing) => Err(NO_SUCH_FOLDER),
            (Command::GET_DIR, Node::Folder(folder)) => {
                let payload = self.payload(request);
                let client = self.sessions.of(request.session);
                self.listings.list(client, payload, head, folder, reply)
            }
            (_, Node::Folder(folder)) => look_up(head, folder, reply),
        }
    }

    /// The most bytes that the payload of a reply may have: what the client asks for, as far as it
    /// is allowed.
    fn payload(&mut self, request: &FspRequest) -> usize {
        let client = self.sessions.of(request.session);
        let most = if !client.proven {
            UNPROVEN_PAYLOAD
        } else if is_near(client.address.ip()) {
            self.settings.max_payload
        } else {
            self.settings.max_payload.min(FAR_PAYLOAD)
        };
        let wanted = request.packet.preferred_payload();
        wanted.unwrap_or(DEFAULT_PAYLOAD).min(most)
    }

    fn read(&mut self, request: &FspRequest, file: File, reply: &mut [u8]) -> CommandOutcome {
        let position = request.packet.head.position;
        let mut len = self.payload(request);
        let client = self.sessions.of(request.session);
        if position > 0 {
            if let Some(length) = client.pinned_length(file) {
                len = len.min(length.saturating_sub(position) as usize);
            }
        }
        if len == 0 {
            return finish(request.head, 0, 0, reply);
        }
        let awaiting = Awaiting::Bytes { file, position };
        let operation = Operation::Read {
            file,
            position,
            len,
        };
        CommandOutcome::Wait(awaiting, operation)
    }

    fn change_password(
        &mut self,
        request: &FspRequest,
        password: PasswordCheck,
        reply: &mut [u8],
    ) -> CommandResult {
        let (_, new) = passwords(request.packet.data).ok_or("format error")?;
        if self.is_done_already(request) {
            return Ok(finish(request.head, 0, 0, reply));
        }
        password.require().map_err(|_| "wrong password")?;
        let new = Password::from_slice(new).ok();
        self.new_password = new.filter(|new| is_password(new)).ok_or("format error")?;
        Ok(CommandOutcome::Wait(
            Awaiting::SavedPassword,
            Operation::SavePassword,
        ))
    }

    /// Whether this is a CH_PASSWD that was executed before: only its reply was lost, and the old
    /// password that it gives is not in force any more.
    fn is_done_already(&mut self, request: &FspRequest) -> bool {
        let changed = self.sessions.of(request.session).changed;
        request.is_resend && changed == Some(request.head.sequence & SEQUENCE)
    }
}

/// Makes a recording in progress look finished to a client that reads it: the length that the
/// recording has when the client begins is pinned, so that the client reaches an end, and the
/// header that it reads has that length.
fn fix_length(
    client: &mut Session,
    file: File,
    position: u32,
    growing: Option<u32>,
    payload: &mut [u8],
) {
    if position == 0 {
        client.pinned = growing.map(|length| (file, length));
    }
    let length = client.pinned_length(file).or(growing);
    let Some(length) = length.filter(|_| file.is_recording()) else {
        return;
    };
    let data_size = length.saturating_sub(RECORDING_HEADER as u32).to_le_bytes();
    for (offset, byte) in (DATA_SIZE_OFFSET as u32..).zip(data_size) {
        let index = offset.checked_sub(position);
        let place = index.and_then(|index| payload.get_mut(index as usize));
        if let Some(place) = place {
            *place = byte;
        }
    }
}

/// Whether an address is on the phone's own network, as far as an address tells: there, a long
/// datagram is fragmented, and fragments are not lost.
fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
