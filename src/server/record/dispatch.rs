//! One control address for many media hosts: `--media`.
//!
//! Each control connection is handed to the media host with the fewest, as bytes, behind a PROXY line that names the
//! phone. The media host answers with its own address, so RTP goes there directly. A host that cannot be reached is
//! left out for a while and the next one is tried; what a connection has been given to it keeps, and ends with it.

use std::collections::HashMap;
use std::net::{IpAddr, Shutdown, SocketAddr};

use log::{debug, info, warn};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;

use crate::base::limits::server::{
    ACCEPTS_PER_TURN, EVENTS_PER_TURN, MEDIA_CONNECT, MEDIA_DOWN, RELAY_BYTES, RELAY_PER_TURN, STOP_ANSWER,
};
use crate::base::time::Instant;
use crate::io::clock;
use crate::io::listener;
use crate::io::signals::Signals;
use crate::io::stream::Connection;
use crate::server::metrics::{write_metric, Metrics, Page};
use crate::server::record::settings::Settings;
use crate::wire::proxy;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const FIRST_METRICS: usize = 2;
/// Each pair has two tokens: the phone's side, then the media host's.
const FIRST_PAIR: usize = FIRST_METRICS + Metrics::TOKENS;

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

/// A media host.
struct Host {
    address: SocketAddr,
    connections: u64,
    failures: u64,
    /// It could not be reached: until then it is the last to be tried.
    down_until: Option<Instant>,
}

/// A phone's connection and the one that is made for it.
struct Pair {
    peer: SocketAddr,
    phone: Side,
    media: Option<Side>,
    host: usize,
    /// Hosts that could not be reached, a bit for each.
    tried: u64,
    /// The media host is still to be reached.
    connecting: bool,
    /// Until then: to be reached, or, when it has ended, to have its last words read.
    until: Option<Instant>,
}

/// One end of a pair, and what is to be written to it.
struct Side {
    connection: Connection,
    readable: bool,
    /// It has ended what it sends.
    ended: bool,
    unsent: Vec<u8>,
}

impl Side {
    fn new(connection: Connection) -> Self {
        Self { connection, readable: true, ended: false, unsent: vec![] }
    }

    /// Moves what it has to say to the other end, `true` when there is more than one turn moves; `Err` when either is
    /// broken.
    fn relay(&mut self, to: &mut Self) -> std::io::Result<bool> {
        let (mut buffer, mut left) = ([0; 2048], RELAY_PER_TURN);
        loop {
            to.flush()?;
            if !self.readable || left == 0 || to.unsent.len() >= RELAY_BYTES {
                break;
            }
            match self.connection.read(&mut buffer)? {
                Some(0) => (self.readable, self.ended) = (false, true),
                Some(read) => {
                    to.unsent.extend_from_slice(&buffer[..read]);
                    left = left.saturating_sub(read);
                }
                None => self.readable = false,
            }
        }
        if self.ended && to.unsent.is_empty() {
            let _ = to.connection.source().shutdown(Shutdown::Write);
        }
        Ok(left == 0)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match self.connection.write(&self.unsent)? {
                Some(sent) => drop(self.unsent.drain(..sent)),
                None => return Ok(()),
            }
        }
        Ok(())
    }
}

impl Dispatcher {
    pub(super) fn open(settings: Settings) -> Result<Self, String> {
        let epoll = |error| format!("epoll: {error}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let problem = |error| format!("control connections on {}: {error}", settings.listen);
        let mut listener = listener::open(settings.listen, false).map_err(problem)?;
        let registry = poll.registry();
        registry.register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE).map_err(epoll)?;
        registry.register(&mut listener, LISTENER, Interest::READABLE).map_err(epoll)?;
        let metrics = settings.metrics.map(|address| Metrics::open(address, registry, FIRST_METRICS)).transpose()?;
        let host = |address: &SocketAddr| Host { address: *address, connections: 0, failures: 0, down_until: None };
        Ok(Self {
            hosts: settings.media.iter().map(host).collect(),
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
        let address = self.listener.local_addr().map_err(|error| error.to_string())?;
        let metrics = self.metrics.as_ref().and_then(Metrics::address);
        let metrics = metrics.map_or_else(String::new, |metrics| format!(", metrics on {metrics}"));
        let hosts = self.hosts.len();
        info!("callrec-server {} is ready on {address}{metrics}, {hosts} media hosts", env!("CARGO_PKG_VERSION"));
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let now = clock::monotonic();
            let connects = self.pairs.iter().filter_map(|(_, pair)| pair.until);
            let deadline = connects.chain(self.metrics.as_ref().and_then(Metrics::next_deadline)).min();
            let timeout = deadline.map(|at| std::time::Duration::from_nanos(at.since(now).nanos()));
            let timeout =
                if self.accepting || !self.left.is_empty() { Some(std::time::Duration::ZERO) } else { timeout };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => return Err(format!("epoll: {error}")),
                _ => {}
            }
            let now = clock::monotonic();
            for event in &events {
                match event.token() {
                    SIGNALS if self.signals.next_order().is_some() => return Ok(()),
                    SIGNALS => {}
                    LISTENER => self.accepting = true,
                    Token(token) if token >= FIRST_PAIR => self.serve(now, token - FIRST_PAIR),
                    token => self.show(now, token),
                }
            }
            std::mem::take(&mut self.left).into_iter().for_each(|token| self.serve(now, token));
            if self.accepting {
                self.accept(now);
            }
            self.look_at_timeouts(now);
        }
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

    fn take(&mut self, now: Instant, connection: Connection, peer: SocketAddr) {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let of_address = self.addresses.get(&peer.ip()).copied().unwrap_or(0);
        let full = self.pairs.len() >= self.settings.max_connections || of_address >= self.settings.max_per_address;
        if full || !self.settings.allows(peer.ip()) {
            debug!("{peer}: connection refused");
            self.refused += 1;
            return;
        }
        let entry = self.pairs.vacant_entry();
        let index = entry.key();
        let mut phone = Side::new(connection);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let token = Token(FIRST_PAIR + 2 * index);
        if self.poll.registry().register(phone.connection.source(), token, interest).is_err() {
            return;
        }
        self.taken += 1;
        *self.addresses.entry(peer.ip()).or_default() += 1;
        entry.insert(Pair { peer, phone, media: None, host: 0, tried: 0, connecting: true, until: None });
        self.place(now, index);
    }

    /// Begins to connect to the best host that has not been tried yet; without one the pair ends.
    fn place(&mut self, now: Instant, index: usize) {
        loop {
            let Some(pair) = self.pairs.get_mut(index) else { return };
            let Some(host) = choose(&self.hosts, now, pair.tried) else {
                self.unplaced += 1;
                return self.close(index);
            };
            pair.tried |= 1 << host;
            let opened = Connection::open(self.hosts[host].address).and_then(|mut connection| {
                let interest = Interest::READABLE | Interest::WRITABLE;
                let token = Token(FIRST_PAIR + 2 * index + 1);
                self.poll.registry().register(connection.source(), token, interest).map(|()| connection)
            });
            match opened {
                Ok(connection) => {
                    let mut media = Side::new(connection);
                    let local = pair.phone.connection.source().local_addr().unwrap_or(pair.peer);
                    let local = SocketAddr::new(local.ip().to_canonical(), local.port());
                    media.unsent.extend_from_slice(proxy::emit(pair.peer, local).as_bytes());
                    (pair.media, pair.host, pair.until) = (Some(media), host, Some(now + MEDIA_CONNECT));
                    self.hosts[host].connections += 1;
                    return;
                }
                Err(error) => self.hosts[host].fail(now, &error.to_string()),
            }
        }
    }

    /// Something has come for one end of a pair.
    fn serve(&mut self, now: Instant, token: usize) {
        let index = token / 2;
        let Some(pair) = self.pairs.get_mut(index) else { return };
        let side = if token % 2 == 0 { Some(&mut pair.phone) } else { pair.media.as_mut() };
        if let Some(side) = side {
            side.readable = true;
        }
        let Some(media) = &mut pair.media else { return };
        if pair.connecting {
            match media.connection.peer() {
                Ok(None) => return,
                Ok(Some(_)) => {
                    (pair.connecting, pair.until) = (false, None);
                    self.hosts[pair.host].reached();
                }
                Err(error) => return self.place_anew(now, index, &error.to_string()),
            }
        }
        let relayed = pair.phone.relay(media).and_then(|more| Ok(more | media.relay(&mut pair.phone)?));
        match relayed {
            Err(_) => self.close(index),
            // It has said all; when the phone has been told, there is nothing left to say.
            Ok(_) if media.ended && pair.phone.unsent.is_empty() => self.close(index),
            Ok(more) => {
                if media.ended {
                    pair.until.get_or_insert(now + STOP_ANSWER);
                }
                if more {
                    self.left.push(token);
                }
            }
        }
    }

    fn place_anew(&mut self, now: Instant, index: usize, problem: &str) {
        let Some(pair) = self.pairs.get_mut(index) else { return };
        (pair.media, pair.until) = (None, None);
        let host = &mut self.hosts[pair.host];
        host.connections -= 1;
        host.fail(now, problem);
        self.place(now, index);
    }

    fn close(&mut self, index: usize) {
        let Some(pair) = self.pairs.try_remove(index) else { return };
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
        let late: Vec<(usize, bool)> = self
            .pairs
            .iter()
            .filter(|(_, pair)| pair.until.is_some_and(|until| now >= until))
            .map(|(index, pair)| (index, pair.connecting))
            .collect();
        for (index, connecting) in late {
            match connecting {
                true => self.place_anew(now, index, "no answer"),
                false => self.close(index),
            }
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.handle_timeout(now);
        }
    }

    fn show(&mut self, now: Instant, token: Token) {
        let (hosts, taken, refused, unplaced) = (&self.hosts, self.taken, self.refused, self.unplaced);
        let open = self.pairs.len() as u64;
        let mut page = |page: Page, text: &mut String| {
            let up = hosts.iter().filter(|host| host.is_up(now)).count();
            if page == Page::Health {
                *text += &format!("{up} of {} media hosts\n", hosts.len());
                return up > 0;
            }
            for (name, kind, help, value) in [
                ("callrec_connections_total", "counter", "Control connections taken.", taken),
                ("callrec_refused_total", "counter", "Control connections refused.", refused),
                ("callrec_unplaced_total", "counter", "Connections for which no media host was there.", unplaced),
                ("callrec_connections", "gauge", "Control connections open.", open),
                ("callrec_media_hosts_up", "gauge", "Media hosts that can be reached.", up as u64),
            ] {
                write_metric(text, name, kind, help, value);
            }
            for host in hosts {
                let Host { address, connections, failures, .. } = host;
                *text += &format!("callrec_media_connections{{host=\"{address}\"}} {connections}\n");
                *text += &format!("callrec_media_failures_total{{host=\"{address}\"}} {failures}\n");
            }
            true
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.handle(self.poll.registry(), token, now, &mut page);
        }
    }
}

impl Host {
    fn is_up(&self, now: Instant) -> bool {
        self.down_until.is_none_or(|until| now >= until)
    }

    fn fail(&mut self, now: Instant, problem: &str) {
        self.failures += 1;
        if self.down_until.replace(now + MEDIA_DOWN).is_none() {
            warn!("media host {}: {problem}; others are tried first", self.address);
        }
    }

    fn reached(&mut self) {
        if self.down_until.take().is_some() {
            info!("media host {} is back", self.address);
        }
    }
}

/// The host with the fewest connections among those that can be reached; if there is none, among the others.
fn choose(hosts: &[Host], now: Instant, tried: u64) -> Option<usize> {
    let untried = hosts.iter().enumerate().filter(|(number, _)| tried & 1 << number == 0);
    untried.min_by_key(|(_, host)| (!host.is_up(now), host.connections)).map(|(number, _)| number)
}
