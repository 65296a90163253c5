//! A router with network address translation, of one of four kinds.

use std::net::{Ipv4Addr, SocketAddrV4};

use callrec::base::time::{Duration, Instant};

/// A mapping expires after this time without an outgoing datagram.
const MAPPED_FOR: Duration = Duration::from_millis(30_000);
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// None: the host is on the public network.
    Open,
    /// One port, whoever is spoken to, and whoever speaks.
    FullCone,
    /// One port, and only who was spoken to is heard: what Linux routers do.
    KeepsPorts,
    /// A port for each whom one speaks to.
    Symmetric,
}

pub const KINDS: [Kind; 4] = [
    Kind::Open,
    Kind::FullCone,
    Kind::KeepsPorts,
    Kind::Symmetric,
];

pub struct Nat {
    pub kind: Kind,
    pub outside: Ipv4Addr,
    /// Who is spoken to (for a symmetric one), the port, and until when.
    maps: Vec<(Option<SocketAddrV4>, u16, Instant)>,
    heard: Vec<(SocketAddrV4, Instant)>,
    next_port: u16,
}

impl Nat {
    pub(super) fn new(kind: Kind, outside: [u8; 4]) -> Self {
        Self {
            kind,
            outside: outside.into(),
            maps: vec![],
            heard: vec![],
            next_port: 50_000,
        }
    }

    /// It forgets everything, and counts its ports from elsewhere.
    pub fn reboot(&mut self) {
        self.maps.clear();
        self.heard.clear();
        self.next_port += 1000;
    }

    pub(super) fn out(
        &mut self,
        now: Instant,
        inside: SocketAddrV4,
        to: SocketAddrV4,
    ) -> SocketAddrV4 {
        if self.kind == Kind::Open {
            return inside;
        }
        self.maps.retain(|(.., until)| *until > now);
        self.heard.retain(|(_, until)| *until > now);
        self.heard.push((to, now + MAPPED_FOR));
        let whom = (self.kind == Kind::Symmetric).then_some(to);
        let port = match self.maps.iter_mut().find(|(known, ..)| *known == whom) {
            Some((_, port, until)) => {
                *until = now + MAPPED_FOR;
                *port
            }
            None => {
                self.next_port += 1;
                self.maps.push((whom, self.next_port, now + MAPPED_FOR));
                self.next_port
            }
        };
        SocketAddrV4::new(self.outside, port)
    }

    pub(super) fn lets_in(&self, now: Instant, port: u16, from: SocketAddrV4) -> bool {
        let mut maps = self
            .maps
            .iter()
            .filter(|(_, known, until)| *known == port && *until > now);
        match self.kind {
            Kind::Open => true,
            Kind::FullCone => maps.next().is_some(),
            Kind::KeepsPorts => {
                maps.next().is_some()
                    && self
                        .heard
                        .iter()
                        .any(|(known, until)| *known == from && *until > now)
            }
            Kind::Symmetric => maps.any(|(whom, ..)| *whom == Some(from)),
        }
    }
}
