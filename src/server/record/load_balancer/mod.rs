//! The load balancer: one control address for several media hosts (`--media`).
//!
//! Each control connection is relayed to the media host that has the fewest, after a PROXY line
//! that names the phone. The media host responds with its own address, so RTP is sent to it
//! directly. Each host's health is checked every second; a host that does not respond is avoided.
//! If a host does not respond to a phone's first request in time, the request is repeated to the
//! next host. After the first response the connection stays with its host, and ends with it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use log::{debug, info, warn};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::base::limits::server::{
    ACCEPTS_PER_TURN, EVENTS_PER_TURN, MAX_MEDIA_HOSTS, MEDIA_CONNECT, STOP_ANSWER,
};
use crate::base::time::Instant;
use crate::io::clock;
use crate::io::listener;
use crate::io::signals::Signals;
use crate::io::stream::Connection;
use crate::server::http::HttpServer;
use crate::server::record::settings::RecordSettings;
use crate::wire::proxy_protocol;

use media_host::{choose, has_better, is_local_shortage, MediaHost};
use pair::{Broken, Pair, Side, Stage};

mod health_check;
mod media_host;
mod monitoring;
mod pair;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_HTTP: usize = 2;
/// The health check of each host has a token.
const FIRST_CHECK: usize = FIRST_HTTP + HttpServer::TOKENS;
/// Each pair has two tokens: one for the phone's side, one for the media host's.
const FIRST_PAIR: usize = FIRST_CHECK + MAX_MEDIA_HOSTS;

/// The process that relays connections.
pub(super) struct LoadBalancer {
    settings: RecordSettings,
    poll: Poll,
    signals: Signals,
    listener: TcpListener,
    accepting: bool,
    http: Option<HttpServer>,
    hosts: Vec<MediaHost>,
    pairs: Slab<Pair>,
    addresses: HashMap<IpAddr, u32>,
    accepted: u64,
    refused: u64,
    /// Connections for which there was no media host.
    unplaced: u64,
    /// Sides with more bytes than one turn relays, by their tokens.
    backlog: Vec<usize>,
}

impl LoadBalancer {
    pub(super) fn open(settings: RecordSettings) -> Result<Self, String> {
        let epoll = |error| format!("epoll: {error}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let problem = |error| format!("--listen {}: {error}", settings.listen);
        let mut listener = listener::open(settings.listen, false).map_err(problem)?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE)
            .map_err(epoll)?;
        registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(epoll)?;
        let http = match settings.metrics {
            Some(address) => Some(HttpServer::open(address, registry, FIRST_HTTP)?),
            None => None,
        };
        Ok(Self {
            hosts: settings
                .media
                .iter()
                .map(|address| MediaHost::new(*address))
                .collect(),
            settings,
            poll,
            signals,
            listener,
            accepting: true,
            http,
            pairs: Slab::new(),
            addresses: HashMap::new(),
            accepted: 0,
            refused: 0,
            unplaced: 0,
            backlog: vec![],
        })
    }

    /// Runs until a signal ends it.
    pub(super) fn run(mut self) -> Result<(), String> {
        let address = self
            .listener
            .local_addr()
            .map_err(|error| error.to_string())?;
        let metrics = self.http.as_ref().and_then(HttpServer::address);
        let metrics = metrics.map_or_else(String::new, |at| format!(", metrics on {at}"));
        let hosts = self.hosts.len();
        info!(
            "callrec-server {} is ready on {address}{metrics}, {hosts} media hosts",
            env!("CARGO_PKG_VERSION")
        );
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let now = clock::monotonic();
            let is_waiting = !self.accepting && self.backlog.is_empty();
            let deadline = self.next_deadline().filter(|_| is_waiting).unwrap_or(now);
            let timeout = Some(std::time::Duration::from_nanos(deadline.since(now).nanos()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(format!("epoll: {error}"))
                }
                _ => {}
            }
            let now = clock::monotonic();
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if self.signals.next_action().is_some() {
                            return Ok(());
                        }
                    }
                    token => self.handle_event(now, token),
                }
            }
            for token in std::mem::take(&mut self.backlog) {
                self.serve(now, token);
            }
            if self.accepting {
                self.accept(now);
            }
            self.handle_timeouts(now);
        }
    }

    fn handle_event(&mut self, now: Instant, token: Token) {
        match token {
            LISTENER => self.accepting = true,
            Token(number) if number >= FIRST_PAIR => self.serve(now, number - FIRST_PAIR),
            Token(number) if number >= FIRST_CHECK => {
                if let Some(host) = self.hosts.get_mut(number - FIRST_CHECK) {
                    host.handle_check();
                }
            }
            token => self.handle_http(now, token),
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let pairs = self.pairs.iter();
        let pairs = pairs.filter_map(|(_, pair)| pair.stage.deadline());
        let hosts = self.hosts.iter().map(MediaHost::next_deadline);
        let http = self.http.as_ref().and_then(HttpServer::next_deadline);
        pairs.chain(hosts).chain(http).min()
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((stream, peer)) => self.add_pair(now, Connection::of(stream), peer),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Without a file descriptor the connection waits until another one arrives or
                    // ends.
                    if error.kind() != std::io::ErrorKind::WouldBlock {
                        warn!("accept: {error}");
                    }
                    self.accepting = false;
                    return;
                }
            }
        }
    }

    fn add_pair(&mut self, now: Instant, mut connection: Connection, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let of_address = self.addresses.get(&peer.ip()).copied().unwrap_or(0);
        let full = self.pairs.len() >= self.settings.max_connections
            || of_address >= self.settings.max_per_address;
        if full || !self.settings.allows(peer.ip()) {
            debug!("{peer}: connection refused");
            self.refused += 1;
            return;
        }
        let entry = self.pairs.vacant_entry();
        let index = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_PAIR + 2 * index);
        if self
            .poll
            .registry()
            .register(connection.source(), token, interest)
            .is_err()
        {
            return;
        }
        self.accepted += 1;
        *self.addresses.entry(peer.ip()).or_default() += 1;
        entry.insert(Pair::new(peer, connection, now + MEDIA_CONNECT));
        self.place(now, index);
    }

    /// Connects to the best host that has not been tried yet. If there is none, the pair is closed.
    fn place(&mut self, now: Instant, index: usize) {
        loop {
            let Some(pair) = self.pairs.get_mut(index) else {
                return;
            };
            let Some(host) = choose(&self.hosts, pair.tried) else {
                self.unplaced += 1;
                return self.close(index);
            };
            pair.tried |= 1 << host;
            let opened = Connection::open(self.hosts[host].address).and_then(|mut connection| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                let token = Token(FIRST_PAIR + 2 * index + 1);
                self.poll
                    .registry()
                    .register(connection.source(), token, interest)
                    .map(|()| connection)
            });
            match opened {
                Ok(connection) => {
                    let mut media = Side::new(connection);
                    let local = pair
                        .phone
                        .connection
                        .source()
                        .local_addr()
                        .unwrap_or(pair.peer);
                    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
                    media
                        .unsent
                        .extend_from_slice(proxy_protocol::emit(pair.peer, local).as_bytes());
                    pair.media = Some(media);
                    pair.host = host;
                    pair.stage = Stage::Connecting(now + MEDIA_CONNECT);
                    self.hosts[host].connections += 1;
                    return;
                }
                Err(error) if is_local_shortage(&error) => {
                    warn!("a media host cannot be connected to: {error}");
                    self.unplaced += 1;
                    return self.close(index);
                }
                Err(error) => self.hosts[host].fail(&error.to_string()),
            }
        }
    }

    /// Handles an event of one side of a pair.
    fn serve(&mut self, now: Instant, token: usize) {
        let index = token / 2;
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let side = if token % 2 == 0 {
            Some(&mut pair.phone)
        } else {
            pair.media.as_mut()
        };
        if let Some(side) = side {
            side.readable = true;
        }
        let Some(media) = &pair.media else { return };
        if matches!(pair.stage, Stage::Connecting(_)) {
            match media.connection.peer() {
                Ok(None) => return,
                Ok(Some(_)) => pair.connected(),
                Err(error) => {
                    self.hosts[pair.host].fail(&error.to_string());
                    return self.place_again(now, index);
                }
            }
        }
        let relayed = pair.relay(now);
        let media_ended = pair.media.as_ref().is_some_and(|media| media.ended);
        let media_lost = media_ended || relayed == Err(Broken::Media);
        match relayed {
            // Another host may respond to the phone's request.
            _ if media_lost && pair.is_unanswered() => {
                self.hosts[pair.host].doubt(now);
                self.place_again(now, index);
            }
            Err(_) => self.close(index),
            // The host has ended, and the phone has been sent all that it has said.
            Ok(_) if media_ended && pair.phone.unsent.is_empty() => self.close(index),
            Ok(more) => {
                if media_ended && !matches!(pair.stage, Stage::Ending(_)) {
                    pair.stage = Stage::Ending(now + STOP_ANSWER);
                }
                if more {
                    self.backlog.push(token);
                }
            }
        }
    }

    /// Connects to another media host instead of the pair's present one.
    fn place_again(&mut self, now: Instant, index: usize) {
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        pair.media = None;
        self.hosts[pair.host].connections -= 1;
        self.place(now, index);
    }

    fn close(&mut self, index: usize) {
        let Some(pair) = self.pairs.try_remove(index) else {
            return;
        };
        if pair.media.is_some() {
            self.hosts[pair.host].connections -= 1;
        }
        let ip = pair.peer.ip();
        if let Some(count) = self.addresses.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.addresses.remove(&ip);
            }
        }
        self.accepting = true; // a file descriptor is free again
    }

    fn handle_timeouts(&mut self, now: Instant) {
        let late: Vec<(usize, Stage)> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.stage.deadline().is_some_and(|until| now >= until))
            .map(|(index, pair)| (index, pair.stage))
            .collect();
        for (index, stage) in late {
            self.handle_timeout(now, index, stage);
        }
        for (number, host) in self.hosts.iter_mut().enumerate() {
            host.handle_timeout(now, self.poll.registry(), Token(FIRST_CHECK + number));
        }
        if let Some(http) = &mut self.http {
            http.handle_timeout(now);
        }
    }

    /// The deadline of a pair's stage has passed.
    fn handle_timeout(&mut self, now: Instant, index: usize, stage: Stage) {
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let host = &mut self.hosts[pair.host];
        match stage {
            Stage::Connecting(_) => {
                host.fail("does not accept a connection");
                self.place_again(now, index);
            }
            Stage::Asked(_) => {
                host.doubt(now);
                if has_better(&self.hosts, pair.tried) {
                    self.place_again(now, index);
                } else {
                    pair.stage = Stage::Waiting;
                }
            }
            _ => self.close(index),
        }
    }
}
