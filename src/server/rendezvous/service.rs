//! The rendezvous server's event loop: one socket for all messages, and one for each port of the
//! relay.

use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, RawFd};

use log::{info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::base::time::Instant;
use crate::io::clock;
use crate::io::random::Random;
use crate::io::signals::{SignalAction, Signals};
use crate::io::sys::receive_buffer;
use crate::io::udp_server;
use crate::proto::rendezvous::server::devices::KnownPhones;
use crate::proto::rendezvous::server::relay::RelayAction;
use crate::proto::rendezvous::server::RendezvousServer;
use crate::server::http::HttpServer;
use crate::server::monitoring::{self, Health};
use crate::server::rendezvous::monitoring::write_metrics;
use crate::server::rendezvous::origins::Origins;
use crate::server::rendezvous::settings::RendezvousSettings;

const SIGNALS: Token = Token(0);
const FIRST_HTTP: usize = 1;
const MESSAGES: usize = FIRST_HTTP + HttpServer::TOKENS;
/// The relay's sockets have the tokens from here on.
const FIRST_RELAY: usize = MESSAGES + 1;
/// Datagrams of one socket in one turn, so that a flood of one socket does not delay the others.
const DATAGRAMS_PER_TURN: usize = 256;
/// The longest UDP datagram.
const DATAGRAM_BYTES: usize = 65_536;
/// The receive buffer requested for each socket: a second of registrations of 20 000 phones that
/// return together.
const RECEIVE_BUFFER: i32 = 8 << 20;

/// The running server.
pub(super) struct RendezvousService {
    poll: Poll,
    signals: Signals,
    server: RendezvousServer,
    http: Option<HttpServer>,
    socket: udp_server::Service,
    /// The socket may contain datagrams. Events are edge-triggered, so this is remembered until a
    /// read would block.
    readable: bool,
    origins: Origins,
    relay: Vec<RelaySocket>,
    buffer: Vec<u8>,
}

/// A port of the relay.
struct RelaySocket {
    socket: UdpSocket,
    /// As in `RendezvousService`.
    readable: bool,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSignal {
    Continue,
    End,
}

impl RendezvousService {
    /// Opens the sockets.
    pub(super) fn open(settings: &RendezvousSettings, phones: KnownPhones) -> Result<Self, String> {
        let epoll = |problem: std::io::Error| format!("epoll: {problem}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|problem| format!("signals: {problem}"))?;
        let registry = poll.registry();
        watch(registry, SIGNALS.0, signals.fd()).map_err(epoll)?;
        let socket = open_socket(registry, settings)?;
        let relay_ports = usize::from(settings.relay_port_count());
        let relay = (0..relay_ports).map(|number| open_relay(registry, settings, number));
        let relay = relay.collect::<Result<Vec<_>, _>>()?;
        let http = match settings.metrics {
            Some(address) => Some(HttpServer::open(address, registry, FIRST_HTTP)?),
            None => None,
        };
        info!(
            "rendezvous on {}: {} phones known, {relay_ports} ports to relay",
            settings.listen,
            phones.len()
        );
        let mut random = Random::open();
        let seeds = [random_seed(&mut random), random_seed(&mut random)];
        Ok(Self {
            poll,
            signals,
            server: RendezvousServer::new(settings.config(), phones, seeds),
            http,
            socket,
            readable: true,
            origins: Origins::default(),
            relay,
            buffer: vec![0; DATAGRAM_BYTES],
        })
    }

    /// Runs until a signal ends it. `reload` reads the file of phones, on SIGHUP.
    pub(super) fn run(
        mut self,
        reload: impl Fn() -> Result<KnownPhones, String>,
    ) -> Result<(), String> {
        let mut events = Events::with_capacity(256);
        loop {
            self.wait(&mut events)?;
            let now = clock::monotonic();
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if self.handle_signals(now, &reload) == AfterSignal::End {
                            return Ok(());
                        }
                    }
                    Token(MESSAGES) => self.readable = true,
                    Token(number) if number >= FIRST_RELAY => {
                        self.relay[number - FIRST_RELAY].readable = true;
                    }
                    token => self.handle_http(now, token),
                }
            }
            self.server.handle_timeout(now);
            self.read(now);
            for number in 0..self.relay.len() {
                self.relay(now, number);
            }
            self.send();
            if let Some(http) = &mut self.http {
                http.handle_timeout(now);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), String> {
        let now = clock::monotonic();
        let has_more = self.readable || self.relay.iter().any(|socket| socket.readable);
        let deadlines = [
            has_more.then_some(now),
            self.server.next_deadline(),
            self.http.as_ref().and_then(HttpServer::next_deadline),
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let timeout = deadline.map(|at| std::time::Duration::from_nanos(at.since(now).nanos()));
        match self.poll.poll(events, timeout) {
            Err(problem) if problem.kind() != std::io::ErrorKind::Interrupted => {
                Err(format!("epoll: {problem}"))
            }
            _ => Ok(()),
        }
    }

    fn handle_signals(
        &mut self,
        now: Instant,
        reload: &impl Fn() -> Result<KnownPhones, String>,
    ) -> AfterSignal {
        while let Some(order) = self.signals.next_action() {
            if order == SignalAction::End {
                return AfterSignal::End;
            }
            match reload() {
                Ok(phones) => {
                    info!("{} phones known", phones.len());
                    self.server.set_phones(now, phones);
                }
                Err(problem) => warn!("the file of phones is not reloaded: {problem}"),
            }
        }
        AfterSignal::Continue
    }

    /// Reads messages, a limited number per turn.
    fn read(&mut self, now: Instant) {
        for _ in 0..DATAGRAMS_PER_TURN {
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

    /// Relays the datagrams of a port, a limited number per turn.
    fn relay(&mut self, now: Instant, number: usize) {
        let mut answer = [0; 256];
        let RelaySocket { socket, readable } = &mut self.relay[number];
        for _ in 0..DATAGRAMS_PER_TURN {
            if !*readable {
                break;
            }
            let (len, from) = match socket.recv_from(&mut self.buffer) {
                Ok((len, SocketAddr::V4(from))) => (len, from),
                Err(problem) if problem.kind() == std::io::ErrorKind::WouldBlock => {
                    *readable = false;
                    break;
                }
                // The ICMP error of a datagram that could not be delivered.
                _ => continue,
            };
            let datagram = &self.buffer[..len];
            let relay = &mut self.server.relay;
            match relay.handle(now, number, from, datagram, &mut answer) {
                RelayAction::Forward(to) => drop(socket.send_to(datagram, to)),
                RelayAction::Answer(len) => drop(socket.send_to(&answer[..len], from)),
                RelayAction::Drop => {}
            }
        }
    }

    /// Sends what the server has queued. Datagrams that the socket does not take are lost, as on
    /// the network.
    fn send(&mut self) {
        while let Some((to, datagram)) = self.server.poll_output() {
            match self.origins.of(to) {
                Some(origin) => self.socket.reply(&datagram, origin),
                None => drop(self.socket.send(&datagram, to.into(), false)),
            }
        }
    }

    fn handle_http(&mut self, now: Instant, token: Token) {
        let server = &self.server;
        let write_metrics = |text: &mut String| write_metrics(server, text);
        let write_health = |text: &mut String| {
            text.push_str("ok\n");
            Health::Healthy
        };
        let mut pages = |path: &str| monitoring::page(path, write_metrics, write_health);
        if let Some(http) = &mut self.http {
            http.handle_event(self.poll.registry(), token, now, &mut pages);
        }
    }
}

fn open_socket(
    registry: &Registry,
    settings: &RendezvousSettings,
) -> Result<udp_server::Service, String> {
    let listen = settings.listen;
    let problem = |problem: std::io::Error| format!("{listen}, UDP: {problem}");
    let socket =
        udp_server::Service::open((*listen.ip()).into(), listen.port()).map_err(problem)?;
    let _ = receive_buffer(socket.as_fd(), RECEIVE_BUFFER);
    watch(registry, MESSAGES, socket.fd()).map_err(problem)?;
    Ok(socket)
}

fn random_seed(random: &mut Random) -> [u8; 16] {
    let mut seed = [0; 16];
    for bytes in seed.chunks_mut(4) {
        let word = random.words()[0].to_ne_bytes();
        bytes.copy_from_slice(&word);
    }
    seed
}

/// Binds a port of the relay, at the relay's public address if this host has it, so that relayed
/// datagrams come from there.
fn open_relay(
    registry: &Registry,
    settings: &RendezvousSettings,
    number: usize,
) -> Result<RelaySocket, String> {
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
    let _ = receive_buffer(socket.as_fd(), RECEIVE_BUFFER);
    watch(registry, FIRST_RELAY + number, socket.as_raw_fd()).map_err(problem)?;
    Ok(RelaySocket {
        socket,
        readable: true,
    })
}

fn watch(registry: &Registry, token: usize, fd: RawFd) -> std::io::Result<()> {
    registry.register(&mut SourceFd(&fd), Token(token), Interest::READABLE)
}
