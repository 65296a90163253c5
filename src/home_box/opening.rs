//! What the event loop opens when it starts.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};

use log::warn;
use mio::net::TcpListener;
use mio::{Interest, Poll, Registry, Token};

use crate::home_box::reports::Reports;
use crate::home_box::settings::BoxSettings;
use crate::io::listener;
use crate::io::random::Random;

/// A listener that the poll watches.
pub(super) fn listen(
    poll: &Poll,
    address: SocketAddr,
    token: Token,
) -> Result<TcpListener, String> {
    let failed = |problem: io::Error| format!("{address}: {problem}");
    let mut listener = listener::open(address, false).map_err(failed)?;
    let registry = poll.registry();
    let registered = registry.register(&mut listener, token, Interest::READABLE);
    registered.map_err(failed)?;
    Ok(listener)
}

/// Reports to the property's server, whose name is resolved once: the box starts after the network.
pub(super) fn open_reports(settings: &BoxSettings, registry: Registry, token: Token) -> Reports {
    let server = settings.property_server.as_ref();
    let host = server.map_or(String::new(), |it| format!("{}:{}", it.host, it.port));
    let address = server.and_then(|it| {
        let mut found = (it.host.as_str(), it.port).to_socket_addrs().ok()?;
        found.find(SocketAddr::is_ipv4)
    });
    if server.is_some() && address.is_none() {
        warn!("propertyServer {host}: the name has no IPv4 address; nothing is reported");
    }
    Reports::new(registry, token, settings.community_addr, address, host)
}

/// A seed that nobody can guess.
pub(super) fn random_seed() -> Result<[u8; 32], String> {
    let mut seed = [0; 32];
    let filled = Random::open().fill(&mut seed);
    filled.map_err(|problem| format!("random numbers: {problem}"))?;
    Ok(seed)
}
