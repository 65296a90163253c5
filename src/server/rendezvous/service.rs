//! The rendezvous server's loop: one socket for all messages, one for each relayed connection.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use log::{info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::base::time::Instant;
use crate::io::clock;
use crate::io::random::Random;
use crate::io::signals::{Order, Signals};
use crate::io::sys::receive_buffer;
use crate::io::udp_server;
use crate::proto::rendezvous::server::devices::Devices;
use crate::proto::rendezvous::server::relay::Verdict;
use crate::proto::rendezvous::server::Server;
use crate::server::metrics::{write_metric, Metrics, Page};
use crate::server::rendezvous::origins::Origins;
use crate::server::rendezvous::settings::Settings;

const SIGNALS: Token = Token(0);
const FIRST_METRICS: usize = 1;
const MESSAGES: usize = FIRST_METRICS + Metrics::TOKENS;
/// The relay's sockets have the tokens from here on.
const FIRST_RELAY: usize = MESSAGES + 1;
/// Datagrams of one socket in one turn: one that is flooded does not hold up the others.
const DATAGRAMS: usize = 256;
/// The longest datagram there is.
const LONGEST: usize = 65_536;
/// What is asked of the kernel for each socket: a second of registrations of 20 000 phones that come back together.
const BUFFER: i32 = 8 << 20;

/// The running server.
pub(super) struct Service {
    poll: Poll,
    signals: Signals,
    server: Server,
    metrics: Option<Metrics>,
    socket: udp_server::Service,
    /// There may be more to read: epoll is edge-triggered, there is no second event.
    readable: bool,
    origins: Origins,
    relays: Vec<Relay>,
    buffer: Vec<u8>,
}

/// A port of the relay.
struct Relay {
    socket: UdpSocket,
    readable: bool,
}

impl Service {
    /// Opens everything.
    pub(super) fn open(settings: &Settings, devices: Devices) -> Result<Self, String> {
        let poll = Poll::new().map_err(|problem| format!("epoll: {problem}"))?;
        let signals = Signals::open().map_err(|problem| format!("signals: {problem}"))?;
        let registry = poll.registry();
        let watched = registry.register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE);
        watched.map_err(|problem| format!("epoll: {problem}"))?;
        let problem = |problem: std::io::Error| format!("{}, UDP: {problem}", settings.listen);
        let socket =
            udp_server::Service::open((*settings.listen.ip()).into(), settings.listen.port())
                .map_err(problem)?;
        let _ = receive_buffer(socket.as_fd(), BUFFER);
        watch(registry, MESSAGES, socket.fd()).map_err(problem)?;
        let relays =
            (0..settings.relays().into()).map(|number| open_relay(registry, settings, number));
        let relays = relays.collect::<Result<Vec<_>, _>>()?;
        let metrics = settings
            .metrics
            .map(|address| Metrics::open(address, registry, FIRST_METRICS))
            .transpose()?;
        let mut random = Random::open();
        let mut word = || random.words()[0].to_ne_bytes();
        let mut seed = || {
            let [a, b, c, d] = [word(), word(), word(), word()];
            core::array::from_fn(|i| [a, b, c, d][i / 4][i % 4])
        };
        let (core, known) = (settings.core(), devices.len());
        let server = Server::new(core, devices, [seed(), seed()]);
        info!(
            "rendezvous on {}: {known} phones known, {} ports to relay",
            settings.listen,
            settings.relays()
        );
        let (origins, buffer) = (Origins::default(), vec![0; LONGEST]);
        Ok(Self {
            poll,
            signals,
            server,
            metrics,
            socket,
            readable: true,
            origins,
            relays,
            buffer,
        })
    }

    /// Runs until a signal ends it. `reload` reads the phones again, for SIGHUP.
    pub(super) fn run(
        mut self,
        reload: impl Fn() -> Result<Devices, String>,
    ) -> Result<(), String> {
        let mut events = Events::with_capacity(256);
        loop {
            self.wait(&mut events)?;
            let now = clock::monotonic();
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if self.take_orders(now, &reload) {
                            return Ok(());
                        }
                    }
                    Token(MESSAGES) => self.readable = true,
                    Token(token) if token >= FIRST_RELAY => {
                        self.relays[token - FIRST_RELAY].readable = true
                    }
                    token => self.show(now, token),
                }
            }
            self.server.handle_timeout(now);
            self.read(now);
            (0..self.relays.len()).for_each(|number| self.relay(now, number));
            self.send();
            if let Some(metrics) = &mut self.metrics {
                metrics.handle_timeout(now);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), String> {
        let now = clock::monotonic();
        let metrics = self.metrics.as_ref().and_then(Metrics::next_deadline);
        let deadline = [self.server.next_deadline(), metrics]
            .into_iter()
            .flatten()
            .min();
        let more = self.readable || self.relays.iter().any(|relay| relay.readable);
        let wait = deadline.map(|at| std::time::Duration::from_nanos(at.since(now).nanos()));
        match self.poll.poll(
            events,
            if more {
                Some(std::time::Duration::ZERO)
            } else {
                wait
            },
        ) {
            Err(problem) if problem.kind() != std::io::ErrorKind::Interrupted => {
                Err(format!("epoll: {problem}"))
            }
            _ => Ok(()),
        }
    }

    /// `true`: it is to end.
    fn take_orders(&mut self, now: Instant, reload: &impl Fn() -> Result<Devices, String>) -> bool {
        while let Some(order) = self.signals.next_order() {
            if order == Order::End {
                return true;
            }
            match reload() {
                Ok(devices) => {
                    info!("{} phones known", devices.len());
                    self.server.set_devices(now, devices);
                }
                Err(problem) => warn!("phones not read again: {problem}"),
            }
        }
        false
    }

    /// Some messages.
    fn read(&mut self, now: Instant) {
        for _ in 0..DATAGRAMS {
            if !self.readable {
                break;
            }
            let Some((len, origin)) = self.socket.receive(&mut self.buffer) else {
                self.readable = false;
                break;
            };
            if let SocketAddr::V4(from) = origin.peer() {
                self.origins.note(from, origin);
                self.server.handle_datagram(now, from, &self.buffer[..len]);
            }
        }
    }

    /// Some datagrams of a port of the relay.
    fn relay(&mut self, now: Instant, number: usize) {
        let mut answer = [0; 256];
        let Relay { socket, readable } = &mut self.relays[number];
        for _ in 0..DATAGRAMS {
            if !*readable {
                break;
            }
            let (len, from) = match socket.recv_from(&mut self.buffer) {
                Ok((len, SocketAddr::V4(from))) => (len, from),
                Err(problem) if problem.kind() == std::io::ErrorKind::WouldBlock => {
                    *readable = false;
                    break;
                }
                // Whatever a datagram that could not be delivered has left behind.
                _ => continue,
            };
            let datagram = &self.buffer[..len];
            match self
                .server
                .relay
                .handle(now, number, from, datagram, &mut answer)
            {
                Verdict::Forward(to) => drop(socket.send_to(datagram, to)),
                Verdict::Answer(len) => drop(socket.send_to(&answer[..len], from)),
                Verdict::Drop => {}
            }
        }
    }

    /// What the server has to say. What the network does not take now is lost, as on the network.
    fn send(&mut self) {
        while let Some((to, datagram)) = self.server.poll_output() {
            match self.origins.of(to) {
                Some(origin) => self.socket.reply(&datagram, origin),
                None => drop(self.socket.send(&datagram, to.into(), false)),
            }
        }
    }

    fn show(&mut self, now: Instant, token: Token) {
        let server = &self.server;
        let mut page = |page: Page, text: &mut String| {
            match page {
                Page::Metrics => print_metrics(server, text),
                Page::Health => text.push_str("ok\n"),
            }
            true
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.handle(self.poll.registry(), token, now, &mut page);
        }
    }
}

/// At the relay's own address, if this host has it, so that what is relayed comes from there.
fn open_relay(registry: &Registry, settings: &Settings, number: usize) -> Result<Relay, String> {
    let port = settings.relay_ports.0 + number as u16;
    let listen = *settings.listen.ip();
    let own = settings
        .relay
        .filter(|_| listen.is_unspecified())
        .unwrap_or(listen);
    let problem = |problem: std::io::Error| format!("port {port} of the relay, UDP: {problem}");
    let socket = match UdpSocket::bind((own, port)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrNotAvailable => {
            UdpSocket::bind((listen, port))
        }
        socket => socket,
    };
    let socket = socket.map_err(problem)?;
    socket.set_nonblocking(true).map_err(problem)?;
    let _ = receive_buffer(socket.as_fd(), BUFFER);
    watch(registry, FIRST_RELAY + number, socket.as_raw_fd()).map_err(problem)?;
    Ok(Relay {
        socket,
        readable: true,
    })
}

fn watch(registry: &Registry, token: usize, fd: RawFd) -> std::io::Result<()> {
    registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
}

fn print_metrics(server: &Server, page: &mut String) {
    let [phones, known, callers, connections] = server.gauges().map(|gauge| gauge as u64);
    let (counts, relay) = (&server.counts, &server.relay.counts);
    for (name, help, value) in [
        ("phones", "Phones that are registered.", phones),
        ("phones_known", "Phones in the file.", known),
        ("callers", "Callers that are registered.", callers),
        (
            "connections",
            "Connections of the last minute.",
            connections,
        ),
        (
            "relayed",
            "Connections that have a port of the relay.",
            server.relay.in_use() as u64,
        ),
    ] {
        write_metric(
            page,
            &format!("callrec_rendezvous_{name}"),
            "gauge",
            help,
            value,
        );
    }
    for (name, help, value) in [
        (
            "registered",
            "Endpoints that have registered, not counting again.",
            counts.registered,
        ),
        (
            "repeated",
            "Registrations that were sent again from another address.",
            counts.repeated,
        ),
        (
            "claimed",
            "Endpoints of other makes that have said to be elsewhere.",
            counts.claimed,
        ),
        ("issued", "Names and keys given to callers.", counts.issued),
        ("connected", "Callers brought to a phone.", counts.connected),
        (
            "wrong_key",
            "Messages of an unknown endpoint, or sealed with another key.",
            counts.wrong_key,
        ),
        (
            "wrong_invite",
            "Callers refused for their invite code.",
            counts.wrong_invite,
        ),
        (
            "unknown_phone",
            "Callers of a phone that is not registered.",
            counts.unknown_phone,
        ),
        (
            "unanswered",
            "Phones that did not answer when they were called.",
            counts.unanswered,
        ),
        (
            "refused_by_phone",
            "Callers that the phone itself refused.",
            counts.refused_by_phone,
        ),
        (
            "too_many",
            "Callers and connections beyond their limits.",
            counts.too_many,
        ),
        (
            "held_back",
            "Answers to strangers that came too fast.",
            counts.held_back,
        ),
        ("ignored", "Datagrams that make no sense.", counts.ignored),
        (
            "relay_opened",
            "Connections that were given a port of the relay.",
            relay.opened,
        ),
        (
            "relay_full",
            "Connections for which there was no port.",
            relay.full,
        ),
        ("relay_bytes", "Bytes relayed.", relay.bytes),
        (
            "relay_dropped",
            "Datagrams dropped by the relay.",
            relay.dropped,
        ),
        (
            "relay_exhausted",
            "Connections whose quota was used up.",
            relay.exhausted,
        ),
    ] {
        write_metric(
            page,
            &format!("callrec_rendezvous_{name}_total"),
            "counter",
            help,
            value,
        );
    }
}
