//! A phone, a caller and a rendezvous server, each where the test puts it, with NATs, loss and time
//! made up.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use callrec::base::stats::Stats;
use callrec::base::time::{Duration, Instant};
use callrec::proto::rendezvous::agent::{Agent, AgentOutput};
use callrec::proto::rendezvous::caller::Caller;
use callrec::proto::rendezvous::server::devices::{parse_device, KnownPhones};
use callrec::proto::rendezvous::server::relay::{Quota, RelayAction};
use callrec::proto::rendezvous::server::{RendezvousLimits, RendezvousServer};
use callrec::proto::rendezvous::{Datagram, Identity, Name};
use callrec::wire::rendezvous::cipher::Key;

#[allow(unused_imports)] // each of the tests uses some of them
pub use nat::{Kind, Nat, KINDS};

pub mod messages;
mod nat;

use crate::packets::Random;

pub const KEY: &str = "0123456789abcdefghijklmnopqrstuv";
pub const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 7042);
pub const RELAY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 20_000);
pub const PHONE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10), 9531);
pub const CALLER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 5), 40_000);

/// One way.
const DELAY: Duration = Duration::from_millis(20);

pub fn name(text: &str) -> Name {
    Name::from_slice(text.as_bytes()).unwrap()
}

pub fn key() -> Key {
    Key::new(KEY.as_bytes()).unwrap()
}

/// A datagram on its way.
#[derive(Clone, Debug)]
pub struct Packet {
    pub from: SocketAddrV4,
    pub to: SocketAddrV4,
    pub bytes: Vec<u8>,
}

impl Packet {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

pub struct Net {
    pub now: Instant,
    pub phone: Agent,
    /// The phone's.
    pub stats: Stats,
    pub caller: Option<Caller>,
    pub server: Option<RendezvousServer>,
    pub phone_nat: Nat,
    pub caller_nat: Nat,
    /// One datagram of so many is lost.
    pub loss: Option<u64>,
    /// The server's name has an address.
    pub has_name: bool,
    /// What the caller sends to the phone itself is lost.
    pub phone_deaf_to_caller: bool,
    pub resolved: usize,
    /// Each datagram that was sent, with its time in milliseconds, as the public network sees it.
    pub sent: Vec<(u64, Packet)>,
    flying: BTreeMap<(Instant, u64), Packet>,
    count: u64,
    random: Random,
}

pub fn phone(invite: &str) -> Agent {
    let identity = Identity {
        cid: name("phone1"),
        key: key(),
    };
    Agent::new(Instant::default(), identity, name(invite), 0x1000)
}

pub fn devices(lines: &[(&str, &str)]) -> KnownPhones {
    lines
        .iter()
        .map(|(cid, value)| parse_device(cid, value).unwrap())
        .collect()
}

pub fn server(relay: bool) -> RendezvousServer {
    let quota = Quota {
        bytes: 10_000,
        time: Duration::from_millis(600_000),
    };
    let relay = relay.then_some((RELAY, 4, quota));
    let settings = RendezvousLimits {
        callers: 100,
        callers_of_one: 10,
        keep: Duration::from_millis(20_000),
        relay,
    };
    RendezvousServer::new(settings, devices(&[("phone1", KEY)]), [[1; 16], [2; 16]])
}

impl Net {
    /// A phone that has registered, no caller yet.
    pub fn new(phone_nat: Kind, caller_nat: Kind, relay: bool) -> Self {
        let mut net = Self {
            now: Instant::default(),
            phone: phone("sesame"),
            stats: Stats::default(),
            caller: None,
            server: Some(server(relay)),
            phone_nat: Nat::new(phone_nat, [203, 0, 113, 1]),
            caller_nat: Nat::new(caller_nat, [203, 0, 113, 2]),
            loss: None,
            has_name: true,
            phone_deaf_to_caller: false,
            resolved: 0,
            sent: vec![],
            flying: BTreeMap::new(),
            count: 0,
            random: Random(7),
        };
        net.run(1000);
        net
    }

    pub fn call(&mut self, phone: &str, invite: &str) {
        self.caller = Some(Caller::new(
            self.now,
            name(phone),
            name(invite),
            SERVER,
            CALLER,
            0x77,
        ));
    }

    /// Runs for so many milliseconds.
    pub fn run(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        loop {
            self.drain();
            let next = [
                self.flying.keys().next().map(|(at, _)| *at),
                self.phone.next_deadline(),
                self.caller.as_ref().and_then(Caller::next_deadline),
                self.server
                    .as_ref()
                    .and_then(RendezvousServer::next_deadline),
            ];
            let next = next
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(until)
                .max(self.now);
            if next >= until {
                self.now = until;
                return;
            }
            self.now = next;
            while let Some(entry) = self
                .flying
                .first_entry()
                .filter(|entry| entry.key().0 <= self.now)
            {
                let packet = entry.remove();
                self.arrive(packet);
            }
            if let Some(server) = &mut self.server {
                server.handle_timeout(self.now);
            }
        }
    }

    /// Puts a datagram on the public network; the sender's address is what it claims.
    pub fn inject(&mut self, from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) {
        self.fly(Packet {
            from,
            to,
            bytes: bytes.to_vec(),
        });
    }

    /// Sent by phone or caller; what only opens a NAT goes no further than the other end's router.
    fn leave(&mut self, opens: bool, packet: Packet) {
        match opens && packet.to != PHONE && packet.to != CALLER {
            true => self.sent.push((self.now.nanos() / 1_000_000, packet)),
            false => self.fly(packet),
        }
    }

    fn fly(&mut self, packet: Packet) {
        self.sent
            .push((self.now.nanos() / 1_000_000, packet.clone()));
        let random = self.random.next();
        if self.loss.is_none_or(|one_of| random % one_of != 0) {
            self.count += 1;
            self.flying.insert((self.now + DELAY, self.count), packet);
        }
    }

    fn drain(&mut self) {
        let mut buffer = [0; 1500];
        while let Some(output) = self.phone.poll_output(self.now, &mut buffer) {
            match output {
                AgentOutput::Resolve => {
                    self.resolved += 1;
                    self.phone
                        .handle_resolved(self.now, self.has_name.then_some((SERVER, PHONE)));
                }
                AgentOutput::Send(Datagram { to, len, opens }) => {
                    let from = self.phone_nat.out(self.now, PHONE, to);
                    self.leave(
                        opens,
                        Packet {
                            from,
                            to,
                            bytes: buffer[..len].to_vec(),
                        },
                    );
                }
            }
        }
        let poll = |caller: &mut Option<Caller>, now, buffer: &mut [u8]| {
            caller.as_mut()?.poll_output(now, buffer)
        };
        while let Some(Datagram { to, len, opens }) = poll(&mut self.caller, self.now, &mut buffer)
        {
            let from = self.caller_nat.out(self.now, CALLER, to);
            self.leave(
                opens,
                Packet {
                    from,
                    to,
                    bytes: buffer[..len].to_vec(),
                },
            );
        }
        while let Some((to, bytes)) = self.server.as_mut().and_then(RendezvousServer::poll_output) {
            self.fly(Packet {
                from: SERVER,
                to,
                bytes,
            });
        }
    }

    fn arrive(&mut self, packet: Packet) {
        let Packet { from, to, bytes } = packet;
        let now = self.now;
        if to == SERVER {
            if let Some(server) = &mut self.server {
                server.handle_datagram(now, from, &bytes);
            }
        } else if to.ip() == RELAY.ip() {
            let place = usize::from(to.port().wrapping_sub(RELAY.port()));
            let mut buffer = [0; 1500];
            let verdict = self
                .server
                .as_mut()
                .map(|s| s.relay.handle(now, place, from, &bytes, &mut buffer));
            match verdict {
                Some(RelayAction::Forward(other)) => self.fly(Packet {
                    from: to,
                    to: other,
                    bytes,
                }),
                Some(RelayAction::Answer(len)) => self.fly(Packet {
                    from: to,
                    to: from,
                    bytes: buffer[..len].to_vec(),
                }),
                _ => {}
            }
        } else if self.is_at(&self.phone_nat, PHONE, from, to) {
            if self.phone_deaf_to_caller && from == CALLER {
                return;
            }
            self.phone
                .handle_datagram(now, from, &bytes, &mut self.stats);
        } else if self.is_at(&self.caller_nat, CALLER, from, to) {
            if let Some(caller) = &mut self.caller {
                caller.handle_datagram(now, from, &bytes);
            }
        }
    }

    fn is_at(&self, nat: &Nat, host: SocketAddrV4, from: SocketAddrV4, to: SocketAddrV4) -> bool {
        match nat.kind {
            Kind::Open => to == host,
            _ => *to.ip() == nat.outside && nat.lets_in(self.now, to.port(), from),
        }
    }

    /// Where the phone is for the public network, when it speaks to the server.
    pub fn phone_outside(&mut self) -> SocketAddrV4 {
        self.phone_nat.out(self.now, PHONE, SERVER)
    }

    /// What was sent by the phone, from a number on.
    pub fn by_phone(&self, since: usize) -> impl Iterator<Item = &(u64, Packet)> {
        let outside = self.phone_nat.outside;
        self.sent[since..]
            .iter()
            .filter(move |(_, packet)| *packet.from.ip() == outside || packet.from == PHONE)
    }
}
