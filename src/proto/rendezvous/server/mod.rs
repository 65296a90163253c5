//! The public server: knows the phones, gives callers a name and a key for the while, tells both where the other is.
//!
//! | message | what is done |
//! | --- | --- |
//! | REG without cid | 201: a cid and its key, of which nothing is kept |
//! | REG | 200 and how the endpoint is seen; 403: no phone of the file, or another key; see `registration` |
//! | `keep`, `ip:port` | it is still there; when it is seen elsewhere than it thinks: NFY nat_change |
//! | CON | FWD to the phone until it answers; then 200 and where the phone is; 400 not registered there, 403, 404 |
//! | NFY ping_fork, ping_change | to the other end of the connection |
//! | NFY rtpp_open | to both ends, with a port of the relay; 404: there is none, 408: the phone never answered |
//! | QRY | 200 and nothing: there are no further servers to check a NAT with |
//!
//! Everything but the empty REG and QRY must be sealed with the key of its cid. What strangers can have sent back to
//! a forged address is bounded by rates, and what they can fill by tables of fixed size; a phone that is in the file
//! always finds its place. Nothing here is worth keeping over a restart: everyone registers again.

use core::net::SocketAddrV4;
use std::collections::{HashMap, VecDeque};

use crate::base::limits::rendezvous::{KEEP_INTERVAL, RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::base::time::{Duration, Instant};
use crate::proto::rendezvous::{name, Identity, Name, OBJECT};
use crate::wire::rendezvous::cipher::Key;
use crate::wire::rendezvous::{Attributes, Class, Error, Kind, Message, Writer};

mod allocator;
mod challenges;
mod connections;
pub mod devices;
mod guard;
mod registration;
pub mod relay;

use allocator::Places;
use challenges::Challenges;
use connections::Connection;
use devices::Devices;
use guard::{Issuer, Random, Rate};
use relay::{Quota, Relay};

/// Two answers a second to a source that has shown no key, after the first ten.
const STRANGERS: (Duration, u64) = (Duration::from_millis(500), 10);
/// A wrong invite code each six seconds, after the first ten; then even a right one is refused.
const GUESSES: (Duration, u64) = (Duration::from_millis(6000), 10);
/// An endpoint that has missed three keep-alives is gone; some seconds for the network.
const GONE: Duration = Duration::from_millis(3 * KEEP_INTERVAL.millis() + 15_000);
/// From one look for those who are gone to the next.
const SWEEP: Duration = Duration::from_millis(1000);

/// What a keeper may set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Callers that are registered at once.
    pub callers: usize,
    /// Of them, from one address: an application server, or an office behind one NAT.
    pub callers_of_one: usize,
    /// From one keep-alive to the next; the protocol knows 20 s less multiples of 5.
    pub keep: Duration,
    /// The first port of the relay, as endpoints are told it; the number of ports; what one connection may use.
    pub relay: Option<(SocketAddrV4, usize, Quota)>,
}

/// What is counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub registered: u64,
    pub issued: u64,
    /// Registrations that were sent again from another address.
    pub repeated: u64,
    /// Endpoints that have said to be elsewhere, and were to prove it.
    pub claimed: u64,
    pub connected: u64,
    pub wrong_key: u64,
    pub wrong_invite: u64,
    pub unknown_phone: u64,
    /// FWDs that no phone has answered.
    pub unanswered: u64,
    /// FWDs that a phone has refused.
    pub refused_by_phone: u64,
    pub too_many: u64,
    /// Answers that a rate has held back.
    pub held_back: u64,
    /// Datagrams that make no sense.
    pub ignored: u64,
}

/// The server.
pub struct Server {
    settings: Settings,
    devices: Devices,
    issuer: Issuer,
    challenges: Challenges,
    random: Random,
    strangers: Rate,
    guesses: Rate,
    places: Places,
    connections: HashMap<Name, Connection>,
    /// Connections whose FWD has not been answered.
    unanswered: Vec<Name>,
    mid: u32,
    sweep_at: Instant,
    out: VecDeque<(SocketAddrV4, Vec<u8>)>,
    /// The relay's ports.
    pub relay: Relay,
    /// What is counted.
    pub counts: Counts,
}

impl Server {
    /// A server with these phones; the seeds are random.
    pub fn new(settings: Settings, devices: Devices, seeds: [[u8; 16]; 2]) -> Self {
        let mut random = Random::new(seeds[0]);
        let (ports, quota) = settings.relay.map_or(
            (
                0,
                Quota {
                    bytes: 0,
                    time: Duration::ZERO,
                },
            ),
            |(_, n, q)| (n, q),
        );
        Self {
            devices,
            issuer: Issuer::new(seeds[1]),
            challenges: Challenges::new(&mut random),
            strangers: Rate::new(STRANGERS.0, STRANGERS.1, &mut random),
            guesses: Rate::new(GUESSES.0, GUESSES.1, &mut random),
            places: Places::new(settings.callers, settings.callers_of_one),
            connections: HashMap::new(),
            unanswered: vec![],
            mid: u32::from_be_bytes([0, random.bytes()[0], 0, 0]),
            random,
            sweep_at: Instant::default(),
            out: VecDeque::new(),
            relay: Relay::new(ports, quota),
            settings,
            counts: Counts::default(),
        }
    }

    /// The file of phones has changed: who is no longer in it, or has another key, is gone.
    pub fn set_devices(&mut self, now: Instant, devices: Devices) {
        let old = core::mem::replace(&mut self.devices, devices);
        let same = |cid: &Name| {
            old.get(cid).map(|device| &device.key)
                == self.devices.get(cid).map(|device| &device.key)
        };
        self.places.expire(now, |cid, _| same(cid));
        self.challenges.clear();
    }

    /// Phones that are registered, phones that are known, callers, connections of the last minute.
    pub fn gauges(&self) -> [usize; 4] {
        let (phones, callers) = self.places.counts();
        [phones, self.devices.len(), callers, self.connections.len()]
    }

    /// A datagram has come.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddrV4, datagram: &[u8]) {
        let understood = match Message::parse(datagram) {
            Ok(message) => match (message.class, message.kind) {
                (Class::Request, Kind::Register) => {
                    self.handle_registration(now, from, &message.clear)
                }
                (Class::Request, Kind::Connect) => self.handle_connect(now, from, &message.clear),
                (Class::Response, Kind::Forward) => {
                    self.handle_forwarded(now, from, &message.clear)
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
        self.out.pop_front()
    }

    /// Asks phones again, forgets who is gone.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.forward_again(now);
        if now >= self.sweep_at {
            self.sweep_at = now + SWEEP;
            self.places.expire(now, |_, _| true);
            self.challenges.expire(now);
            self.connections
                .retain(|_, connection| now < connection.expires_at);
            self.relay.expire(now);
        }
    }

    /// When `handle_timeout` has something to do; `None` while nobody is there.
    pub fn next_deadline(&self) -> Option<Instant> {
        let [phones, _, callers, connections] = self.gauges();
        let sweep =
            (phones + callers + connections + self.relay.in_use() > 0).then_some(self.sweep_at);
        let unanswered = self
            .unanswered
            .iter()
            .filter_map(|connid| self.connections.get(connid));
        unanswered.map(Connection::next_deadline).chain(sweep).min()
    }

    fn send(
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
            self.out.push_back((to, buffer[..len].to_vec()));
        }
    }

    fn next_mid(&mut self) -> u32 {
        self.mid = self.mid.wrapping_add(1);
        self.mid
    }

    fn key_of(&self, now: Instant, cid: &Name) -> Option<Key> {
        match self.devices.get(cid) {
            Some(device) => Some(device.key.clone()),
            None => self.issuer.key_of(now, cid),
        }
    }

    /// Opens a message with the key of its cid. Who has none, or another one, is told so, at a certain rate.
    fn open<'b>(
        &mut self,
        now: Instant,
        from: SocketAddrV4,
        kind: Kind,
        clear: &Attributes<'_>,
        buffer: &'b mut [u8; SEALED_BYTES],
    ) -> Option<(Identity, u32, Attributes<'b>)> {
        let (mid, cid) = (clear.mid()?, name(clear.value("cid"))?);
        // Nobody is shut out for wrong keys: their senders' addresses may be forged, and nobody guesses 32 characters.
        match self
            .key_of(now, &cid)
            .and_then(|key| clear.open(&key, buffer).ok().map(|sealed| (key, sealed)))
        {
            Some((key, sealed)) => Some((Identity { cid, key }, mid, sealed)),
            None => {
                self.counts.wrong_key += 1;
                self.answer_stranger(now, from, kind, mid, 403);
                None
            }
        }
    }

    fn answer_stranger(&mut self, now: Instant, to: SocketAddrV4, kind: Kind, mid: u32, code: u16) {
        match self.strangers.take(now, *to.ip()) {
            true => self.answer(to, kind, mid, code),
            false => self.counts.held_back += 1,
        }
    }

    fn answer(&mut self, to: SocketAddrV4, kind: Kind, mid: u32, code: u16) {
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

    /// NFY to an endpoint, if it is registered.
    fn notify(
        &mut self,
        to: &Identity,
        connid: Option<&Name>,
        event: &[u8],
        write: impl FnOnce(&mut Writer),
    ) {
        if let Some(address) = self.places.of(&to.cid).map(|place| place.address) {
            self.notify_at(address, to, connid, event, write);
        }
    }

    fn notify_at(
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
fn object<'a>(sealed: &Attributes<'a>, which: &str) -> &'a [u8] {
    sealed.value(which).unwrap_or(OBJECT)
}
