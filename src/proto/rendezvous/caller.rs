//! The caller's side: it gets a temporary name and key, registers, asks to be connected with a
//! phone, and reaches it.
//!
//! ```text
//! Identifying --201--> Registering --200--> Connecting --200--> Checking --PONG--> Done(address)
//!                                            |      ^             | failed            ^
//!                                            +-404--+             v                   | PONG through the relay
//!                                             5 times    RequestingRelay --rtpp_open--> CheckingRelay
//! ```
//! In each state, 400, 403, 404 or no response lead to Done(failure). After that, PINGs are still
//! answered, so that the phone knows that it was reached.

use core::net::SocketAddrV4;

pub use super::connect_failure::ConnectFailure;
use super::connectivity_check::{CheckState, ConnectivityCheck};
use super::peers::Peers;
use super::transaction::{Retransmission, Transaction};
use super::{
    name, pong_proof, write_notice, write_registration, Datagram, Identity, Name, OBJECT, SERVICE,
};
use crate::base::constant_time::is_equal;
use crate::base::limits::rendezvous::{CONNECTS, CONNECT_AGAIN, SEALED_BYTES};
use crate::base::time::Instant;
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Attributes, Class, Kind, Message, Writer};

enum CallerState {
    /// An empty REG asks for a name and a key.
    Identifying(Transaction),
    Registering(Transaction),
    Connecting {
        transaction: Transaction,
        /// The phone may be registering just now: a 404 is final only after some attempts.
        attempt: u8,
    },
    /// The phone is being pinged.
    Checking(Name),
    /// The PINGs have failed, and the server is asked for a relay.
    RequestingRelay(Name, Transaction),
    /// The phone is being pinged through the relay. The request is still sent, since the phone may
    /// have missed the server's notification; the caller gives up when the request times out.
    CheckingRelay(Name, Transaction),
    Done(Result<SocketAddrV4, ConnectFailure>),
}

/// One attempt to reach a phone, from one socket.
pub struct Caller {
    phone: Name,
    invite: Name,
    server: SocketAddrV4,
    inside: SocketAddrV4,
    /// The own address that the server sees.
    outside: Option<SocketAddrV4>,
    identity: Option<Identity>,
    state: CallerState,
    /// The server has told a secret: the phone can prove its identity, and must.
    needs_proof: bool,
    /// A PONG without such a proof was received.
    got_unproven_pong: bool,
    peers: Peers,
}

impl Caller {
    /// Connects to the phone with this id and invite code. `inside` is the own socket's address
    /// towards the server. Messages are numbered from `mid` on.
    pub fn new(
        now: Instant,
        phone: Name,
        invite: Name,
        server: SocketAddrV4,
        inside: SocketAddrV4,
        mid: u32,
    ) -> Self {
        let mut peers = Peers::new(mid);
        let state = CallerState::Identifying(Transaction::new(now, peers.next_mid()));
        Self {
            phone,
            invite,
            server,
            inside,
            outside: None,
            identity: None,
            state,
            needs_proof: false,
            got_unproven_pong: false,
            peers,
        }
    }

    /// The address at which the phone answers, or why it does not; `None` while that is not known.
    pub fn outcome(&self) -> Option<Result<SocketAddrV4, ConnectFailure>> {
        match self.state {
            CallerState::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Whether the host that was reached has proven to be the phone. Phones of other vendors
    /// cannot.
    pub fn is_proven(&self) -> bool {
        self.needs_proof
    }

    /// Handles a datagram. Unexpected messages are ignored.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddrV4, datagram: &[u8]) {
        let Ok(message) = Message::parse(datagram) else {
            return;
        };
        let is_pong = (message.class, message.kind) == (Class::Response, Kind::Pong);
        if is_pong && !self.is_credible(from, &message.clear) {
            self.got_unproven_pong = self.needs_proof;
            return;
        }
        if self.peers.handle_message(from, &message) {
            self.handle_check(now);
        } else if from == self.server {
            self.handle_server(now, &message);
        }
    }

    /// Writes the next message that is to be sent now; to be called until there is none.
    pub fn poll_output(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Datagram> {
        if let Some(len) = self.poll_transaction(now, buffer) {
            return Some(Datagram::new(self.server, len));
        }
        let identity = self.identity.as_ref()?;
        let sent = self.peers.poll(now, identity, self.server, buffer);
        // The check may have failed with this poll; then the request for a relay is due.
        self.handle_check(now);
        if sent.is_some() {
            return sent;
        }
        let len = self.poll_transaction(now, buffer)?;
        Some(Datagram::new(self.server, len))
    }

    /// When `poll_output` has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let own = self.transaction().map(Transaction::next_deadline);
        own.into_iter().chain(self.peers.next_deadline()).min()
    }

    /// The transaction in progress.
    fn transaction(&self) -> Option<&Transaction> {
        match &self.state {
            CallerState::Identifying(transaction)
            | CallerState::Registering(transaction)
            | CallerState::Connecting { transaction, .. }
            | CallerState::RequestingRelay(_, transaction)
            | CallerState::CheckingRelay(_, transaction) => Some(transaction),
            CallerState::Checking(_) | CallerState::Done(_) => None,
        }
    }

    /// Whether a PONG may be believed. Its proof names the address from which the phone has
    /// received our PING: the one that the server sees, our own in a shared network, or the relay.
    /// Any other address belongs to a host that forwards our datagrams.
    fn is_credible(&mut self, from: SocketAddrV4, clear: &Attributes<'_>) -> bool {
        let (Some(tagged), Some(mid)) = (clear.value("connid"), clear.mid()) else {
            return false;
        };
        let connid = tagged.split_last().map_or(&[][..], |(_, connid)| connid);
        let Some(check) = self.peers.find(connid) else {
            return false;
        };
        if !self.needs_proof {
            return true;
        }
        let is_near =
            from.ip().is_private() || from.ip().is_link_local() || from.ip().is_loopback();
        let inside = Some(self.inside).filter(|_| is_near);
        let relay = check.relay().filter(|relay| *relay == from);
        let given = clear.value("proof").unwrap_or_default();
        let mut own_addresses = [self.outside, inside, relay].into_iter().flatten();
        own_addresses.any(|own| {
            let proof = pong_proof(&check.secret, tagged, mid, *own.ip());
            proof.is_some_and(|proof| is_equal(given, proof.text()))
        })
    }

    fn poll_transaction(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        let (transaction, failure) = match &mut self.state {
            CallerState::Identifying(transaction)
            | CallerState::Registering(transaction)
            | CallerState::Connecting { transaction, .. } => {
                (transaction, ConnectFailure::NoServer)
            }
            CallerState::RequestingRelay(_, transaction) => (transaction, ConnectFailure::NoPath),
            CallerState::CheckingRelay(_, transaction) => (transaction, ConnectFailure::NoRelay),
            CallerState::Checking(_) | CallerState::Done(_) => return None,
        };
        let mid = transaction.mid;
        match transaction.poll(now) {
            Retransmission::Send => self.write_request(buffer, mid),
            Retransmission::Wait => None,
            Retransmission::TimedOut => {
                self.fail(if self.got_unproven_pong {
                    ConnectFailure::NoProof
                } else {
                    failure
                });
                None
            }
        }
    }

    fn fail(&mut self, failure: ConnectFailure) {
        self.state = CallerState::Done(Err(failure));
    }

    fn write_request(&self, buffer: &mut [u8], mid: u32) -> Option<usize> {
        let identity = self.identity.as_ref();
        match &self.state {
            CallerState::Identifying(_) => Writer::new(buffer, Class::Request, Kind::Register)
                .mid(mid)
                .finish(),
            CallerState::Registering(_) => {
                write_registration(buffer, identity?, mid, self.inside, b"", b"")
            }
            CallerState::Connecting { .. } => self.write_connect(buffer, identity?, mid),
            CallerState::RequestingRelay(connid, _) | CallerState::CheckingRelay(connid, _) => {
                write_notice(buffer, identity?, mid, connid, b"rtpp_open")
            }
            CallerState::Checking(_) | CallerState::Done(_) => None,
        }
    }

    fn write_connect(&self, buffer: &mut [u8], me: &Identity, mid: u32) -> Option<usize> {
        let mut writer = Writer::new(buffer, Class::Request, Kind::Connect);
        let mark = writer.text("cid", &me.cid).mid(mid).mark();
        writer
            .text("service", SERVICE)
            .text("tid", &self.phone)
            .text("oid", OBJECT)
            .text("toid", OBJECT);
        writer.text("ic", &self.invite).seal(mark, &me.key).finish()
    }

    fn handle_server(&mut self, now: Instant, message: &Message<'_>) -> Option<()> {
        let clear = &message.clear;
        let mid = clear.mid();
        let is_response = message.class == Class::Response
            && mid.is_some()
            && mid == self.transaction().map(|transaction| transaction.mid);
        match (&self.state, message.kind) {
            (CallerState::Identifying(_), Kind::Register) if is_response => {
                self.handle_identified(now, clear)
            }
            (CallerState::Registering(_), Kind::Register) if is_response => {
                self.handle_registered(now, clear)
            }
            (CallerState::Connecting { attempt, .. }, Kind::Connect) if is_response => {
                let attempt = *attempt;
                self.handle_connected(now, clear, attempt)
            }
            (CallerState::RequestingRelay(..) | CallerState::CheckingRelay(..), Kind::Notify)
                if is_response =>
            {
                self.handle_no_relay(clear)
            }
            (
                CallerState::Checking(_)
                | CallerState::RequestingRelay(..)
                | CallerState::CheckingRelay(..),
                Kind::Notify,
            ) if message.class == Class::Request => self.handle_notice(now, clear),
            _ => None,
        }
    }

    fn handle_identified(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let code = clear.code()?;
        if code != 201 {
            self.fail(ConnectFailure::Refused(code));
            return None;
        }
        self.identity = Some(Identity {
            key: Key::new(clear.value("key")?)?.swapped(),
            cid: name(clear.value("cid"))?,
        });
        let transaction = Transaction::new(now, self.peers.next_mid());
        self.state = CallerState::Registering(transaction);
        Some(())
    }

    fn handle_registered(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let code = clear.code()?;
        if code != 200 {
            self.fail(ConnectFailure::Refused(code));
            return None;
        }
        let mut buffer = [0; SEALED_BYTES];
        let key = &self.identity.as_ref()?.key;
        let attributes = clear.open(key, &mut buffer).unwrap_or(*clear);
        self.outside = attributes.address("ped");
        self.state = CallerState::Connecting {
            transaction: Transaction::new(now, self.peers.next_mid()),
            attempt: 1,
        };
        Some(())
    }

    fn handle_connected(
        &mut self,
        now: Instant,
        clear: &Attributes<'_>,
        attempt: u8,
    ) -> Option<()> {
        let code = clear.code()?;
        if code == 404 && attempt < CONNECTS {
            self.state = CallerState::Connecting {
                transaction: Transaction::new(now + CONNECT_AGAIN, self.peers.next_mid()),
                attempt: attempt + 1,
            };
            return Some(());
        }
        if code != 200 {
            self.fail(ConnectFailure::Refused(code));
            return Some(());
        }
        let mut buffer = [0; SEALED_BYTES];
        // Other servers may respond in clear.
        let attributes = match clear.value("data") {
            Some(_) => clear.open(&self.identity.as_ref()?.key, &mut buffer).ok()?,
            None => *clear,
        };
        let connid = name(clear.value("connid"))?;
        let outside = attributes.address("ped")?;
        let host = attributes.address("ed");
        let secret = name(attributes.value("secret")).unwrap_or_default();
        self.needs_proof = !secret.is_empty();
        let check = ConnectivityCheck::new(now, connid.clone(), secret, host, outside);
        self.peers.start(check).ok()?;
        self.state = CallerState::Checking(connid);
        Some(())
    }

    /// The server has no relay for the connection.
    fn handle_no_relay(&mut self, clear: &Attributes<'_>) -> Option<()> {
        let failure = match clear.code()? {
            _ if self.got_unproven_pong => ConnectFailure::NoProof,
            403 => ConnectFailure::Refused(403),
            408 => ConnectFailure::NoPhone,
            _ => ConnectFailure::NoRelay,
        };
        self.fail(failure);
        Some(())
    }

    fn handle_notice(&mut self, now: Instant, clear: &Attributes<'_>) -> Option<()> {
        let mut buffer = [0; SEALED_BYTES];
        let notice = clear.open(&self.identity.as_ref()?.key, &mut buffer).ok()?;
        let connid = clear.value("connid")?;
        self.peers.handle_notice(now, connid, &notice)?;
        if let CallerState::RequestingRelay(connid, transaction) = &self.state {
            self.state = CallerState::CheckingRelay(connid.clone(), *transaction);
        }
        Some(())
    }

    /// Continues with the result of the connectivity check.
    fn handle_check(&mut self, now: Instant) {
        let (CallerState::Checking(connid)
        | CallerState::RequestingRelay(connid, _)
        | CallerState::CheckingRelay(connid, _)) = &self.state
        else {
            return;
        };
        let connid = connid.clone();
        let check = self.peers.find(&connid);
        match check.map_or(CheckState::Failed, |check| check.state()) {
            CheckState::Reached(address) => self.state = CallerState::Done(Ok(address)),
            CheckState::Failed if matches!(self.state, CallerState::Checking(_)) => {
                let transaction = Transaction::new(now, self.peers.next_mid());
                self.state = CallerState::RequestingRelay(connid, transaction);
            }
            // With a relay, the caller gives up when its request times out, not when the PINGs end.
            CheckState::Failed | CheckState::Checking { .. } => {}
        }
    }
}
