//! One control address for many media hosts: `--media`.
//!
//! Each control connection is handed to the media host with the fewest, as bytes, behind a PROXY line that names the
//! phone. The media host answers with its own address, so RTP goes there directly. Each host is asked for its health
//! each second; one that does not answer is left out. A host that does not answer a phone's first request in time
//! loses it to the next one, which is told the same. Once it has answered, the connection stays with it, and ends with
//! it.

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
use crate::server::metrics::Metrics;
use crate::server::record::settings::Settings;
use crate::wire::proxy_protocol;

use host::{choose, is_choice, is_ours, Host};
use pair::{Broken, Pair, Side, Stage};

mod check;
mod host;
mod pages;
mod pair;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_METRICS: usize = 2;
/// Each host has a token for the question for its health.
const FIRST_CHECK: usize = FIRST_METRICS + Metrics::TOKENS;
/// Each pair has two tokens: the phone's side, then the media host's.
const FIRST_PAIR: usize = FIRST_CHECK + MAX_MEDIA_HOSTS;

/// The process that hands connections out.
pub(super) struct Dispatcher {
    settings: Settings,
    poll: Poll,
    signals: Signals,
    listener: TcpListener,
    accepting: bool,
    metrics: Option<Metrics>,
    hosts: Vec<Host>,
    pairs: Slab<Pair>,
    addresses: HashMap<IpAddr, u32>,
    taken: u64,
    refused: u64,
    unplaced: u64,
    /// Ends with more to say than one turn moves.
    left: Vec<usize>,
}

impl Dispatcher {
    pub(super) fn open(settings: Settings) -> Result<Self, String> {
        let epoll = |error| format!("epoll: {error}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let problem = |error| format!("control connections on {}: {error}", settings.listen);
        let mut listener = listener::open(settings.listen, false).map_err(problem)?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE)
            .map_err(epoll)?;
        registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(epoll)?;
        let metrics = settings
            .metrics
            .map(|address| Metrics::open(address, registry, FIRST_METRICS))
            .transpose()?;
        Ok(Self {
            hosts: settings
                .media
                .iter()
                .map(|address| Host::new(*address))
                .collect(),
            settings,
            poll,
            signals,
            listener,
            accepting: true,
            metrics,
            pairs: Slab::new(),
            addresses: HashMap::new(),
            taken: 0,
            refused: 0,
            unplaced: 0,
            left: vec![],
        })
    }

    /// Runs until a signal ends it.
    pub(super) fn run(mut self) -> Result<(), String> {
        let address = self
            .listener
            .local_addr()
            .map_err(|error| error.to_string())?;
        let metrics = self.metrics.as_ref().and_then(Metrics::address);
        let metrics = metrics.map_or_else(String::new, |metrics| format!(", metrics on {metrics}"));
        let hosts = self.hosts.len();
        info!(
            "callrec-server {} is ready on {address}{metrics}, {hosts} media hosts",
            env!("CARGO_PKG_VERSION")
        );
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let now = clock::monotonic();
            let is_waiting = !self.accepting && self.left.is_empty();
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
                    SIGNALS if self.signals.next_order().is_some() => return Ok(()),
                    SIGNALS => {}
                    LISTENER => self.accepting = true,
                    Token(token) if token >= FIRST_PAIR => self.serve(now, token - FIRST_PAIR),
                    Token(token) if token >= FIRST_CHECK => {
                        self.hosts
                            .get_mut(token - FIRST_CHECK)
                            .into_iter()
                            .for_each(Host::handle_check);
                    }
                    token => self.show(now, token),
                }
            }
            std::mem::take(&mut self.left)
                .into_iter()
                .for_each(|token| self.serve(now, token));
            if self.accepting {
                self.accept(now);
            }
            self.look_at_timeouts(now);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let pairs = self
            .pairs
            .iter()
            .filter_map(|(_, pair)| pair.stage.deadline());
        let hosts = self.hosts.iter().map(Host::next_deadline);
        pairs
            .chain(hosts)
            .chain(self.metrics.as_ref().and_then(Metrics::next_deadline))
            .min()
    }

    fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok((stream, peer)) => self.take(now, Connection::of(stream), peer),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Without a descriptor the connection waits for the next one to come, or to end.
                    if error.kind() != std::io::ErrorKind::WouldBlock {
                        warn!("accept: {error}");
                    }
                    self.accepting = false;
                    return;
                }
            }
        }
    }

    fn take(&mut self, now: Instant, mut connection: Connection, peer: SocketAddr) {
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
        self.taken += 1;
        *self.addresses.entry(peer.ip()).or_default() += 1;
        entry.insert(Pair::new(peer, connection, now + MEDIA_CONNECT));
        self.place(now, index);
    }

    /// Begins to connect to the best host that has not been tried yet; without one the pair ends.
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
                    (pair.media, pair.host) = (Some(media), host);
                    pair.stage = Stage::Connecting(now + MEDIA_CONNECT);
                    self.hosts[host].connections += 1;
                    return;
                }
                Err(error) if is_ours(&error) => {
                    warn!("a media host cannot be connected to: {error}");
                    self.unplaced += 1;
                    return self.close(index);
                }
                Err(error) => self.hosts[host].fail(&error.to_string()),
            }
        }
    }

    /// Something has come for one end of a pair.
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
                    return self.place_anew(now, index);
                }
            }
        }
        let relayed = pair.relay(now);
        let media_ended = pair.media.as_ref().is_some_and(|media| media.ended);
        let media_lost = media_ended || relayed == Err(Broken::Media);
        match relayed {
            // Another host may have an answer to what the phone has asked.
            _ if media_lost && pair.is_unanswered() => {
                self.hosts[pair.host].doubt(now);
                self.place_anew(now, index);
            }
            Err(_) => self.close(index),
            // It has said all; when the phone has been told, there is nothing left to say.
            Ok(_) if media_ended && pair.phone.unsent.is_empty() => self.close(index),
            Ok(more) => {
                if media_ended && !matches!(pair.stage, Stage::Ending(_)) {
                    pair.stage = Stage::Ending(now + STOP_ANSWER);
                }
                if more {
                    self.left.push(token);
                }
            }
        }
    }

    /// Leaves the pair's media host for the next one.
    fn place_anew(&mut self, now: Instant, index: usize) {
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
        self.accepting = true; // there is a descriptor again
    }

    fn look_at_timeouts(&mut self, now: Instant) {
        let late: Vec<(usize, Stage)> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.stage.deadline().is_some_and(|until| now >= until))
            .map(|(index, pair)| (index, pair.stage))
            .collect();
        for (index, stage) in late {
            self.take_too_long(now, index, stage);
        }
        for (number, host) in self.hosts.iter_mut().enumerate() {
            host.handle_timeout(now, self.poll.registry(), Token(FIRST_CHECK + number));
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.handle_timeout(now);
        }
    }

    /// A pair has been at this stage for too long.
    fn take_too_long(&mut self, now: Instant, index: usize, stage: Stage) {
        let Some(pair) = self.pairs.get_mut(index) else {
            return;
        };
        let host = &mut self.hosts[pair.host];
        match stage {
            Stage::Connecting(_) => {
                host.fail("does not take a connection");
                self.place_anew(now, index);
            }
            Stage::Asked(_) => {
                host.doubt(now);
                if is_choice(&self.hosts, pair.tried) {
                    self.place_anew(now, index);
                } else {
                    pair.stage = Stage::Waiting;
                }
            }
            _ => self.close(index),
        }
    }
}
