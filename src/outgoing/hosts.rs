//! The hosts of the configuration: names are resolved when they are needed, and again later.

use std::net::{IpAddr, SocketAddr};

use mio::{Registry, Token};

use crate::base::time::{Duration, Instant};
use crate::io::random::Random;
use crate::outgoing::resolver::Resolver;
use crate::proto::cloud::phone::settings::Authority;

/// How long an address is used.
const GOOD_FOR: Duration = Duration::from_millis(60_000);

/// What is known of a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Its address and port.
    Found(SocketAddr),
    /// The answer is awaited.
    Pending,
    /// There is no such host, or no name server answers.
    Unknown,
}

/// A host.
pub struct Host {
    /// Its name and port.
    pub authority: Authority,
    token: Token,
    found: Option<(IpAddr, Instant)>,
    resolver: Option<Resolver>,
}

impl Host {
    /// A host that nothing is known of.
    pub fn new(authority: Authority, token: Token) -> Self {
        Self {
            authority,
            token,
            found: None,
            resolver: None,
        }
    }

    /// Its address.
    pub fn address(&mut self, now: Instant, registry: &Registry, random: &mut Random) -> Lookup {
        if let Some((address, _)) = self.found.filter(|(_, until)| now < *until) {
            return Lookup::Found(SocketAddr::new(address, self.authority.port));
        }
        let name = &self.authority.host;
        let resolver = self
            .resolver
            .get_or_insert_with(|| Resolver::new(name, random));
        let Some(answer) = resolver.poll(now, registry, self.token) else {
            return Lookup::Pending;
        };
        self.resolver = None;
        let Some(address) = answer else {
            return Lookup::Unknown;
        };
        self.found = Some((address, now + GOOD_FOR));
        Lookup::Found(SocketAddr::new(address, self.authority.port))
    }

    /// When a name server must be asked again.
    pub fn next_deadline(&self) -> Instant {
        let resolver = self.resolver.as_ref();
        resolver.map_or(Instant::NEVER, Resolver::next_deadline)
    }
}
