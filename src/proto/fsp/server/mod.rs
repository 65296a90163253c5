//! The FSP server: offers recordings to clients that fetch them. Read-only, except for its
//! password.
//!
//! ```text
//! handle_datagram   -> Silence | Reply(n) | Perform(operation)    a request; the reply is in the caller's buffer
//! handle_completion -> Silence | Reply(n) | Perform(operation)    the result of the operation
//! ```
//! Requests are handled one at a time: between `Perform` and `handle_completion` no other datagram
//! is given to the server. A reply is not kept: when its request is sent again, it is made again.
//!
//! FSP is not confidential: each request has the password in clear.
//!
//! The way through: `sessions` and `password_guard` decide whether a request is executed,
//! `commands` executes it, `folders` and `listing` list, `replies` writes what comes of it.

use core::net::SocketAddr;

use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::wire::fsp::{FspHeader, Packet, Toward};

mod commands;
mod folders;
mod listing;
mod operation;
mod password_guard;
mod pending;
mod replies;
mod sessions;
mod settings;
mod tree;

pub use commands::PasswordCheck;
pub use operation::{Completion, Operation, Reaction};
pub use settings::{is_password, FspSettings, Password};
pub use tree::File;

use commands::{Commands, FspRequest};
use password_guard::{Charge, PasswordGuard};
use pending::{CommandOutcome, CommandResult, PendingCommand};
use replies::refuse;
use sessions::ClientAddress;

/// What the server makes of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handled {
    /// What is to be done.
    pub reaction: Reaction,
    /// The check of the request's password, for the log. There may be no reply to a wrong one.
    pub password: PasswordCheck,
}

impl Handled {
    const DROPPED: Self = Self {
        reaction: Reaction::Silence,
        password: PasswordCheck::NotGiven,
    };
}

/// The server.
pub struct FspServer {
    guard: PasswordGuard,
    commands: Commands,
    /// The command that waits for the result of an operation.
    pending: Option<PendingCommand>,
}

impl FspServer {
    /// Allocates everything. `seed` is random.
    pub fn new(settings: FspSettings, seed: u32) -> Self {
        Self {
            guard: PasswordGuard::new(seed),
            commands: Commands::new(settings),
            pending: None,
        }
    }

    /// The password to store, for `Operation::SavePassword`.
    pub fn new_password(&self) -> &[u8] {
        &self.commands.new_password
    }

    /// The stick was inserted, replaced or removed: listings of the old one end.
    pub fn handle_stick(&mut self) {
        self.commands.listings.forget();
    }

    /// Handles a datagram. `random` is the key of the reply; `reply` has room for the header and
    /// the longest payload.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        random: u16,
        reply: &mut [u8],
        stats: &mut Stats,
    ) -> Handled {
        let from = ClientAddress::from(from);
        let sessions = &mut self.commands.sessions;
        // The checksum comes before anything else: a stray datagram must not touch a session.
        let packet = Packet::parse(datagram, Toward::Server).ok();
        let admitted = packet.and_then(|packet| sessions.admit(now, from, packet.head.key, random));
        let (Some(packet), Some(admitted)) = (packet, admitted) else {
            stats.count(Counter::FspDropped);
            return Handled::DROPPED;
        };
        let session = *sessions.of(admitted.session);
        let is_stranger = !session.proven || !session.trusted;
        if is_stranger && !self.guard.may_try(now, &from.host) {
            stats.count(Counter::FspDropped);
            return Handled::DROPPED;
        }
        stats.count(Counter::FspRequests);
        let position = if packet.head.command.has_position() {
            packet.head.position
        } else {
            0
        };
        let head = FspHeader {
            key: admitted.key,
            position,
            ..packet.head
        };
        let request = FspRequest {
            packet,
            head,
            session: admitted.session,
            is_resend: admitted.is_resend,
        };
        let password = self.commands.check_password(&request);
        let result = self.commands.execute(&request, password, reply);
        if password == PasswordCheck::Wrong {
            stats.count(Counter::FspWrongPassword);
        }
        if let Some(charge) = charge(password, session.proven) {
            self.guard.charge(now, &from.host, charge);
        }
        let is_trusted = self.commands.sessions.of(admitted.session).trusted;
        let reaction = if session.proven || self.guard.take_reply(now, is_trusted) {
            self.react(result, admitted.session, head, reply)
        } else {
            Reaction::Silence
        };
        Handled { reaction, password }
    }

    /// Handles the result of the operation that `Reaction::Perform` asked for.
    pub fn handle_completion(&mut self, completion: Completion, reply: &mut [u8]) -> Reaction {
        let Some(command) = self.pending.take() else {
            return Reaction::Silence;
        };
        let result = self.commands.resume(command, completion, reply);
        self.react(result, command.session, command.head, reply)
    }

    fn react(
        &mut self,
        result: CommandResult,
        session: usize,
        head: FspHeader,
        reply: &mut [u8],
    ) -> Reaction {
        match result.unwrap_or_else(|text| refuse(head, text, reply)) {
            CommandOutcome::Reply(length) => Reaction::Reply(length),
            CommandOutcome::Silence => Reaction::Silence,
            CommandOutcome::Wait(awaiting, operation) => {
                self.pending = Some(PendingCommand {
                    session,
                    head,
                    awaiting,
                });
                Reaction::Perform(operation)
            }
        }
    }
}

/// What a request costs its source; nothing for one that has proven its address and does not guess.
fn charge(password: PasswordCheck, is_proven: bool) -> Option<Charge> {
    match (password, is_proven) {
        (PasswordCheck::Wrong, true) => Some(Charge::WrongProven),
        (PasswordCheck::Wrong, false) => Some(Charge::Wrong),
        (_, false) => Some(Charge::Unproven),
        (_, true) => None,
    }
}
