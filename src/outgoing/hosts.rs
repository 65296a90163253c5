//! The hosts of the configuration: names are resolved when they are needed, and again later.

use std::net::{IpAddr, SocketAddr};

use mio::{Registry, Token};

use crate::base::time::{Duration, Instant};
use crate::io::random::Random;
use crate::outgoing::resolver::Resolver;
use crate::outgoing::tls::{Tls, TlsServer};
use crate::outgoing::transport::ServerAddress;
use crate::proto::cloud::phone::settings::Authority;

/// How long an address is used.
const GOOD_FOR: Duration = Duration::from_millis(60_000);

/// What is known of a host.
pub enum Lookup {
    /// Where it is.
    Found(ServerAddress),
    /// The answer is awaited.
    Pending,
    /// There is no such host, or no name server answers.
    Unknown,
}

/// A host.
pub struct Host {
    /// Its name and port.
    pub authority: Authority,
    tls: Option<TlsServer>,
    token: Token,
    found: Option<(IpAddr, Instant)>,
    resolver: Option<Resolver>,
}

impl Host {
    /// A host that nothing is known of.
    pub fn new(authority: Authority, tls: Option<&Tls>, token: Token) -> Self {
        Self {
            tls: tls.and_then(|tls| tls.server(&authority)),
            authority,
            token,
            found: None,
            resolver: None,
        }
    }

    /// Its address.
    pub fn address(&mut self, now: Instant, registry: &Registry, random: &mut Random) -> Lookup {
        if let Some((address, _)) = self.found.filter(|(_, until)| now < *until) {
            return self.found_at(address);
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
        self.found_at(address)
    }

    fn found_at(&self, address: IpAddr) -> Lookup {
        if self.authority.is_tls && self.tls.is_none() {
            // Never in the clear instead.
            return Lookup::Unknown;
        }
        Lookup::Found(ServerAddress {
            address: SocketAddr::new(address, self.authority.port),
            tls: self.tls.clone(),
        })
    }

    /// When a name server must be asked again.
    pub fn next_deadline(&self) -> Instant {
        let resolver = self.resolver.as_ref();
        resolver.map_or(Instant::NEVER, Resolver::next_deadline)
    }
}
