//! The server: its tables, its timers, and what each kind of message needs to be opened and
//! answered.

use core::net::SocketAddrV4;
use std::collections::{HashMap, VecDeque};

use super::challenges::Challenges;
use super::devices::KnownPhones;
use super::guard::{Issuer, RateLimiter, SeededRandom};
use super::pending::PendingConnection;
use super::registration_table::RegistrationTable;
use super::relay::{Quota, Relay};
use crate::base::limits::rendezvous::{KEEP_INTERVAL, RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{name, Identity, Name, OBJECT};
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Attributes, Class, Error, Kind, Message, Writer};

/// Two responses a second to a source that has proven no key, after the first ten.
const STRANGERS: (Duration, u64) = (Duration::from_millis(500), 10);
/// A wrong invite code every six seconds, after the first ten; beyond that even a right one is
/// refused.
const GUESSES: (Duration, u64) = (Duration::from_millis(6000), 10);
/// An endpoint that has missed three keep-alives is forgotten; plus some seconds for the network.
pub(super) const REGISTERED_FOR: Duration =
    Duration::from_millis(3 * KEEP_INTERVAL.millis() + 15_000);
/// The interval at which expired entries are removed.
const EXPIRY_INTERVAL: Duration = Duration::from_millis(1000);

/// The settings of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RendezvousLimits {
    /// Callers that are registered at once.
    pub callers: usize,
    /// Callers registered at once from one address: an application server, or an office behind one
    /// NAT.
    pub callers_of_one: usize,
    /// The interval of the keep-alives: 20 s less a multiple of 5, as the protocol has it.
    pub keep: Duration,
    /// The relay's public address with its first port; the number of ports; the quota of one
    /// connection.
    pub relay: Option<(SocketAddrV4, usize, Quota)>,
}

/// Counters since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ServerCounts {
    pub registered: u64,
    pub issued: u64,
    /// Registrations repeated from another address.
    pub repeated: u64,
    /// Endpoints that have claimed another address, and were asked for a proof.
    pub claimed: u64,
    pub connected: u64,
    pub wrong_key: u64,
    pub wrong_invite: u64,
    pub unknown_phone: u64,
    /// FWDs without a response.
    pub unanswered: u64,
    /// FWDs refused by the phone.
    pub refused_by_phone: u64,
    pub too_many: u64,
    /// Responses held back by a rate limit.
    pub held_back: u64,
    /// Invalid datagrams.
    pub ignored: u64,
}

/// The current numbers of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerGauges {
    /// Registered phones.
    pub phones: usize,
    /// Phones in the file.
    pub known_phones: usize,
    /// Registered callers.
    pub callers: usize,
    /// Connections of the last minute.
    pub connections: usize,
}

/// The server.
pub struct RendezvousServer {
    pub(super) config: RendezvousLimits,
    pub(super) phones: KnownPhones,
    pub(super) issuer: Issuer,
    pub(super) challenges: Challenges,
    pub(super) random: SeededRandom,
    pub(super) strangers: RateLimiter,
    pub(super) guesses: RateLimiter,
    pub(super) registrations: RegistrationTable,
    pub(super) connections: HashMap<Name, PendingConnection>,
    /// Connections whose FWD has no response yet.
    pub(super) unanswered: Vec<Name>,
    mid: u32,
    expire_at: Instant,
    outbox: VecDeque<(SocketAddrV4, Vec<u8>)>,
    /// The relay's ports.
    pub relay: Relay,
    /// The counters.
    pub counts: ServerCounts,
}

impl RendezvousServer {
    /// A server with these phones; the seeds are random.
    pub fn new(config: RendezvousLimits, phones: KnownPhones, seeds: [[u8; 16]; 2]) -> Self {
        let mut random = SeededRandom::new(seeds[0]);
        let no_quota = Quota {
            bytes: 0,
            time: Duration::ZERO,
        };
        let relay = match config.relay {
            Some((_, ports, quota)) => Relay::new(ports, quota),
            None => Relay::new(0, no_quota),
        };
        Self {
            phones,
            issuer: Issuer::new(seeds[1]),
            challenges: Challenges::new(&mut random),
            strangers: RateLimiter::new(STRANGERS.0, STRANGERS.1, &mut random),
            guesses: RateLimiter::new(GUESSES.0, GUESSES.1, &mut random),
            registrations: RegistrationTable::new(config.callers, config.callers_of_one),
            connections: HashMap::new(),
            unanswered: vec![],
            mid: u32::from_be_bytes([0, random.bytes()[0], 0, 0]),
            random,
            expire_at: Instant::default(),
            outbox: VecDeque::new(),
            relay,
            config,
            counts: ServerCounts::default(),
        }
    }

    /// The file of phones has changed: phones that are no longer in it, or have another key, are
    /// forgotten.
    pub fn set_phones(&mut self, now: Instant, phones: KnownPhones) {
        let old = core::mem::replace(&mut self.phones, phones);
        let old_key = |cid: &Name| old.get(cid).map(|phone| &phone.key);
        let new_key = |cid: &Name| self.phones.get(cid).map(|phone| &phone.key);
        let keeps = |cid: &Name| old_key(cid) == new_key(cid);
        self.registrations.expire(now, |cid, _| keeps(cid));
        self.challenges.clear();
    }

    /// The current numbers of entries.
    pub fn gauges(&self) -> ServerGauges {
        let (phones, callers) = self.registrations.counts();
        ServerGauges {
            phones,
            known_phones: self.phones.len(),
            callers,
            connections: self.connections.len(),
        }
    }

    /// Handles a datagram.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddrV4, datagram: &[u8]) {
        let understood = match Message::parse(datagram) {
            Ok(message) => match (message.class, message.kind) {
                (Class::Request, Kind::Register) => {
                    self.handle_registration(now, from, &message.clear)
                }
                (Class::Request, Kind::Connect) => self.handle_connect(now, from, &message.clear),
                (Class::Response, Kind::Forward) => {
                    self.handle_forward_response(now, from, &message.clear)
                }
                (Class::Request, Kind::Notify) => self.handle_notice(now, from, &message.clear),
                (Class::Request, Kind::Query) => self.handle_query(now, from, &message.clear),
                _ => None,
            },
            Err(Error::Foreign) => self.handle_keep(now, from, datagram),
            Err(_) => None,
        };
        self.counts.ignored += u64::from(understood.is_none());
    }

    /// The next datagram that is to be sent.
    pub fn poll_output(&mut self) -> Option<(SocketAddrV4, Vec<u8>)> {
        self.outbox.pop_front()
    }

    /// Repeats FWDs, and removes expired entries.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.repeat_forwards(now);
        if now >= self.expire_at {
            self.expire_at = now + EXPIRY_INTERVAL;
            self.registrations.expire(now, |_, _| true);
            self.challenges.expire(now);
            self.connections
                .retain(|_, connection| now < connection.expires_at);
            self.relay.expire(now);
        }
    }

    /// When `handle_timeout` is due; `None` while all tables are empty.
    pub fn next_deadline(&self) -> Option<Instant> {
        let gauges = self.gauges();
        let endpoints = gauges.phones + gauges.callers;
        let is_empty = endpoints + gauges.connections + self.relay.in_use() == 0;
        let expiry = (!is_empty).then_some(self.expire_at);
        let unanswered = self.unanswered.iter();
        let unanswered = unanswered.filter_map(|connid| self.connections.get(connid));
        let forwards = unanswered.map(PendingConnection::next_deadline);
        forwards.chain(expiry).min()
    }

    pub(super) fn send(
        &mut self,
        to: SocketAddrV4,
        class: Class,
        kind: Kind,
        write: impl FnOnce(&mut Writer),
    ) {
        let mut buffer = [0; RENDEZVOUS_BYTES];
        let mut writer = Writer::new(&mut buffer, class, kind);
        write(&mut writer);
        if let Some(len) = writer.finish() {
            self.outbox.push_back((to, buffer[..len].to_vec()));
        }
    }

    pub(super) fn next_mid(&mut self) -> u32 {
        self.mid = self.mid.wrapping_add(1);
        self.mid
    }

    pub(super) fn key_of(&self, now: Instant, cid: &Name) -> Option<Key> {
        match self.phones.get(cid) {
            Some(device) => Some(device.key.clone()),
            None => self.issuer.key_of(now, cid),
        }
    }

    /// Opens a message with the key of its cid. A sender with another key, or an unknown cid, gets
    /// a 403 within a rate.
    pub(super) fn open<'b>(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        kind: Kind,
        clear: &Attributes<'_>,
        buffer: &'b mut [u8; SEALED_BYTES],
    ) -> Option<(Identity, u32, Attributes<'b>)> {
        let (mid, cid) = (clear.mid()?, name(clear.value("cid"))?);
        // Wrong keys block no address: it may be forged, and 32 characters cannot be guessed.
        let key = self.key_of(now, &cid);
        let opened = key.and_then(|key| clear.open(&key, buffer).ok().map(|sealed| (key, sealed)));
        let Some((key, sealed)) = opened else {
            self.counts.wrong_key += 1;
            self.answer_stranger(now, from, kind, mid, 403);
            return None;
        };
        Some((Identity { cid, key }, mid, sealed))
    }

    pub(super) fn answer_stranger(
        &mut self,
        now: Instant,
        to: SocketAddrV4,
        kind: Kind,
        mid: u32,
        code: u16,
    ) {
        if self.strangers.take(now, *to.ip()) {
            self.answer(to, kind, mid, code);
        } else {
            self.counts.held_back += 1;
        }
    }

    pub(super) fn answer(&mut self, to: SocketAddrV4, kind: Kind, mid: u32, code: u16) {
        self.send(to, Class::Response, kind, |writer| {
            writer.mid(mid).code(code);
        });
    }

    fn handle_query(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        clear: &Attributes<'_>,
    ) -> Option<()> {
        let mid = clear.mid()?;
        if !self.strangers.take(now, *from.ip()) {
            self.counts.held_back += 1;
            return Some(());
        }
        self.send(from, Class::Response, Kind::Query, |writer| {
            writer.mid(mid).code(200).blank("qa");
        });
        Some(())
    }

    /// Sends NFY to an endpoint, if it is registered.
    pub(super) fn notify(
        &mut self,
        to: &Identity,
        connid: Option<&Name>,
        event: &[u8],
        write: impl FnOnce(&mut Writer),
    ) {
        if let Some(address) = self.registrations.of(&to.cid).map(|known| known.address) {
            self.notify_at(address, to, connid, event, write);
        }
    }

    pub(super) fn notify_at(
        &mut self,
        address: SocketAddrV4,
        to: &Identity,
        connid: Option<&Name>,
        event: &[u8],
        write: impl FnOnce(&mut Writer),
    ) {
        let mid = self.next_mid();
        self.send(address, Class::Request, Kind::Notify, |writer| {
            writer
                .text("cid", &to.cid)
                .mid(mid)
                .text("connid", connid.map_or(&[], |connid| connid));
            let mark = writer.mark();
            writer.text("event", event);
            write(writer);
            writer.seal(mark, &to.key);
        });
    }
}

/// The object that a message names.
pub(super) fn object<'a>(sealed: &Attributes<'a>, which: &str) -> &'a [u8] {
    sealed.value(which).unwrap_or(OBJECT)
}
