//! The rendezvous on the socket of the FSP service: how callers outside the network reach it.

use core::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};

use log::{log, Level};
use mio::Token;

use crate::base::limits::rendezvous::RENDEZVOUS_BYTES;
use crate::base::stats::Stats;
use crate::base::time::Instant;
use crate::config::FspConfig;
use crate::daemon::context::Context;
use crate::io::random::Random;
use crate::io::stream::Datagrams;
use crate::io::udp_server::Service;
use crate::outgoing::resolver::Resolver;
use crate::proto::rendezvous::agent::{Agent, AgentOutput, Status};
use crate::proto::rendezvous::Datagram;

/// The phone's agent, and the name resolution that it requests.
pub(super) struct Rendezvous {
    agent: Agent,
    server: String,
    port: u16,
    /// The service's own address.
    own: SocketAddr,
    resolver: Option<Resolver>,
    /// The status that was logged last.
    shown: Status,
}

impl Rendezvous {
    /// Begins to register, if a server is configured.
    pub(super) fn open(config: &FspConfig, now: Instant, random: &mut Random) -> Option<Self> {
        let server = config.rendezvous.server.clone()?;
        let (identity, invite) = config.rendezvous.identity()?;
        let agent = Agent::new(now, identity, invite, random.words()[0]);
        let own = SocketAddr::new(config.addr, config.port);
        let shown = agent.status();
        Some(Self {
            agent,
            server,
            port: config.rendezvous.port,
            own,
            resolver: None,
            shown,
        })
    }

    /// Handles a received message.
    pub(super) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &[u8],
        stats: &mut Stats,
    ) {
        if let Some(from) = v4(from) {
            self.agent.handle_datagram(now, from, datagram, stats);
        }
    }

    /// Resolves the name of the server and sends the messages that are due.
    pub(super) fn turn(
        &mut self,
        now: Instant,
        socket: &Service,
        token: Token,
        context: &mut Context,
    ) {
        let registry = context.poll.registry();
        let resolver = self.resolver.as_mut();
        if let Some(found) = resolver.and_then(|resolver| resolver.poll(now, registry, token)) {
            self.resolver = None;
            let server = found.map(|address| SocketAddr::new(address, self.port));
            self.handle_found(now, server);
        }
        let mut buffer = [0; RENDEZVOUS_BYTES];
        while let Some(output) = self.agent.poll_output(now, &mut buffer) {
            match output {
                // A message that cannot be sent now is retransmitted, like a lost one.
                AgentOutput::Send(Datagram { to, len, opens }) => {
                    let _ = socket.send(&buffer[..len], self.as_seen(to), opens);
                }
                AgentOutput::Resolve => {
                    self.resolver = Some(Resolver::new(&self.server, &mut context.random));
                }
            }
        }
        self.show(&mut context.recorder.stats);
    }

    /// The next deadline of `turn`.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let resolver = self.resolver.as_ref().map(Resolver::next_deadline);
        let agent = self.agent.next_deadline();
        agent.into_iter().chain(resolver).min()
    }

    fn handle_found(&mut self, now: Instant, found: Option<SocketAddr>) {
        let inside = |server: SocketAddrV4| {
            let own = v4(self.own)
                .map(|own| *own.ip())
                .filter(|own| !own.is_unspecified());
            let towards = || {
                v4(Datagrams::open(server.into())
                    .and_then(|socket| socket.own_address())
                    .ok()?)
            };
            let own = own
                .or_else(|| towards().map(|own| *own.ip()))
                .unwrap_or(Ipv4Addr::UNSPECIFIED);
            (server, SocketAddrV4::new(own, self.own.port()))
        };
        self.agent
            .handle_resolved(now, found.and_then(v4).map(inside));
    }

    /// Converts an IPv4 address to the address family of the service's socket.
    fn as_seen(&self, to: SocketAddrV4) -> SocketAddr {
        match self.own.ip() {
            IpAddr::V4(_) => to.into(),
            IpAddr::V6(_) => SocketAddr::new(to.ip().to_ipv6_mapped().into(), to.port()),
        }
    }

    /// Logs the status when it changes.
    fn show(&mut self, stats: &mut Stats) {
        let status = self.agent.status();
        stats.p2p = status.word();
        if std::mem::replace(&mut self.shown, status) == status {
            return;
        }
        let level = if matches!(status, Status::Registered(_)) {
            Level::Info
        } else {
            Level::Warn
        };
        log!(
            level,
            "rendezvous: {} port {}: {}",
            self.server,
            self.port,
            status
        );
    }
}

/// The IPv4 address, even if it is IPv4-mapped.
fn v4(address: SocketAddr) -> Option<SocketAddrV4> {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => Some(SocketAddrV4::new(ip, address.port())),
        IpAddr::V6(_) => None,
    }
}
