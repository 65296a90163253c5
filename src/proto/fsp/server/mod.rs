//! The FSP service: recordings offered to a server that fetches them. Read-only, but for its password.
//!
//! ```text
//! handle_datagram -> Silence | Reply(n) | Do(op)      a datagram in, a reply in the caller's buffer out
//! handle_done     -> Silence | Reply(n) | Do(op)      what the stick said to `op`
//! ```
//! One request at a time: between `Do` and `handle_done` no other datagram is given. A reply is made anew when its
//! request comes again, so that nothing is kept for it.
//!
//! FSP is not confidential: the password goes over the network in each request.

use core::net::SocketAddr;

use crate::base::limits::fsp::{LISTINGS, PASSWORD_BYTES};
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::fsp::server::listing::Listing;
use crate::proto::fsp::server::password_guard::{Charge, Guard};
use crate::proto::fsp::server::replies::refuse;
use crate::proto::fsp::server::sessions::{Peer, Sessions};
use crate::wire::fsp::{Head, Packet, Toward};

mod commands;
mod folders;
mod listing;
mod password_guard;
mod replies;
mod sessions;
mod tree;

pub use commands::is_password;
pub use tree::File;

/// A password, in clear: that is how FSP has it.
pub type Password = heapless::Vec<u8, PASSWORD_BYTES>;

/// The configuration, as far as it decides anything here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Never empty.
    pub password: Password,
    /// The longest payload of a reply.
    pub max_payload: usize,
}

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing: the request is not answered.
    Silence,
    /// Send so many bytes of the reply's buffer.
    Reply(usize),
    /// Make this call; then `handle_done`.
    Do(Op),
}

/// A call to the stick, or to what keeps the password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Time and size of a file: `Done::Entry`.
    Stat(File),
    /// Read into the reply's payload, up to `len` bytes from position `at`: `Done::Read`.
    Read {
        /// Of this file.
        file: File,
        /// From here.
        at: u32,
        /// So many.
        len: usize,
    },
    /// Begin to go through the names on the stick: `Done::Name`.
    FirstName,
    /// The next one: `Done::Name`.
    NextName,
    /// Keep `Server::new_password`, so that it is there after a restart: `Done::Saved`.
    SavePassword,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done<'a> {
    /// The file is there.
    Entry {
        /// Seconds since 1970, UTC.
        time: u32,
        /// Bytes; of a recording in progress, those that would survive a power cut.
        size: u32,
    },
    /// Bytes were read; none at the file's end.
    Read {
        /// So many.
        len: usize,
        /// It is a recording in progress of so many bytes.
        growing: Option<u32>,
    },
    /// A name, or `None` behind the last one.
    Name(Option<&'a [u8]>),
    /// The password is kept.
    Saved,
    /// It failed: there is no such thing, or no stick.
    Failed,
}

/// The service.
pub struct Server {
    settings: Settings,
    new_password: Password,
    sessions: Sessions,
    guard: Guard,
    listings: [Listing; LISTINGS],
    work: Option<Work>,
    /// The request that is being answered has a wrong password.
    wrong: bool,
}

/// A request that waits for the stick.
#[derive(Clone, Copy, Debug)]
struct Work {
    session: usize,
    /// The reply's.
    head: Head,
    job: Job,
}

#[derive(Clone, Copy, Debug)]
enum Job {
    /// Read from here.
    Read(File, u32),
    /// Describe a file.
    Stat,
    /// Is there anything of this day?
    Probe(u32),
    /// Take a snapshot of a folder; then serve the block.
    Snapshot(usize),
    /// Fill a block.
    Block(Block),
    /// Keep the new password.
    Save,
}

/// A block that is being filled: so much of it is used, and this entry is next.
#[derive(Clone, Copy, Debug)]
struct Block {
    listing: usize,
    entry: usize,
    used: usize,
}

/// What comes of a request: an error's text is the reply.
type Outcome = Result<Next, &'static str>;

impl Server {
    /// Allocates everything. `seed` is random.
    pub fn new(settings: Settings, seed: u32) -> Self {
        Self {
            settings,
            new_password: Password::new(),
            sessions: Sessions::new(),
            guard: Guard::new(seed),
            listings: [(); LISTINGS].map(|()| Listing::new()),
            work: None,
            wrong: false,
        }
    }

    /// The password to be kept, for `Op::SavePassword`.
    pub fn new_password(&self) -> &[u8] {
        &self.new_password
    }

    /// Another stick is there, or none: listings of the old one are forgotten.
    pub fn handle_stick(&mut self) {
        self.listings.iter_mut().for_each(Listing::forget);
    }

    /// Takes a datagram. `random` is the next key; `reply` has room for the header and the longest payload.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        peer: SocketAddr,
        datagram: &[u8],
        random: u16,
        reply: &mut [u8],
        stats: &mut Stats,
    ) -> Next {
        let peer = Peer::from(peer);
        // The checksum before anything else: a stray datagram must not touch a session.
        let packet = Packet::parse(datagram, Toward::Server).ok();
        let admitted =
            packet.and_then(|packet| self.sessions.admit(now, peer, packet.head.key, random));
        let (Some(packet), Some(admitted)) = (packet, admitted) else {
            stats.count(Counter::FspDropped);
            return Next::Silence;
        };
        let session = *self.sessions.of(admitted.session);
        let stranger = !session.proven || !session.trusted;
        if stranger && !self.guard.may_try(now, &peer.host) {
            stats.count(Counter::FspDropped);
            return Next::Silence;
        }
        stats.count(Counter::FspRequests);
        let position = if packet.head.command.has_position() {
            packet.head.position
        } else {
            0
        };
        let head = Head {
            key: admitted.key,
            position,
            ..packet.head
        };
        let outcome = self.answer(&packet, head, admitted, reply);
        let charge = match (core::mem::take(&mut self.wrong), session.proven) {
            (true, true) => Some(Charge::WrongProven),
            (true, false) => Some(Charge::Wrong),
            (false, true) => None,
            (false, false) => Some(Charge::Unproven),
        };
        if let Some(charge) = charge {
            self.guard.charge(now, &peer.host, charge);
            stats.add(
                Counter::FspWrongPassword,
                u64::from(charge != Charge::Unproven),
            );
        }
        let knows = self.sessions.of(admitted.session).trusted;
        if !session.proven && !self.guard.may_reply(now, knows) {
            self.work = None;
            return Next::Silence;
        }
        outcome.unwrap_or_else(|text| refuse(head, text, reply))
    }

    /// Takes the result of the call that `Next::Do` named.
    pub fn handle_done(&mut self, done: Done, reply: &mut [u8]) -> Next {
        let Some(work) = self.work.take() else {
            return Next::Silence;
        };
        self.go_on(work, done, reply)
            .unwrap_or_else(|text| refuse(work.head, text, reply))
    }
}
