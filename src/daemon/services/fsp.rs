//! The FSP service: receives datagrams, makes the calls to the stick, and sends replies.
//!
//! A turn does a bounded amount of work; the rest waits for the next turn, so that the recordings
//! are served in between.

use log::{info, warn};
use mio::event::Event;
use mio::unix::SourceFd;
use mio::Interest;

use crate::base::limits::fsp::{
    FILE_WORK, LOG_INTERVAL, PASSWORD_BYTES, REQUEST_BYTES, WORK_PER_TURN,
};
use crate::base::stats::Stats;
use crate::base::time::Instant;
use crate::config;
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::service::Service;
use crate::daemon::services::rendezvous::Rendezvous;
use crate::daemon::turn::{Tokens, Work};
use crate::io::atomic_file;
use crate::io::clock::{self, Now};
use crate::io::descriptors::is_shortage;
use crate::io::dir::Names;
use crate::io::random::Random;
use crate::io::udp_server;
use crate::proto::fsp::server::{
    is_password, Completion, File, FspServer, FspSettings, Operation, Password, PasswordCheck,
    Reaction,
};
use crate::proto::recorder::Recorder;
use crate::wire::fsp::{HEADER_BYTES, MAX_PAYLOAD};
use crate::wire::rendezvous::is_message;

/// The service's sources: its socket, and the resolver of the rendezvous.
const SOCKET: usize = 0;
const RESOLVER: usize = 1;

/// The service.
pub(super) struct Fsp {
    tokens: Tokens,
    /// The configuration in force.
    config: config::FspConfig,
    /// `None`: not enabled, or its address could not be bound.
    open: Option<Box<Open>>,
}

/// The state of the enabled service.
struct Open {
    socket: udp_server::Service,
    rendezvous: Option<Rendezvous>,
    server: FspServer,
    request: [u8; REQUEST_BYTES],
    reply: [u8; HEADER_BYTES + MAX_PAYLOAD],
    /// The socket may have more datagrams.
    readable: bool,
    /// A request that has not been answered yet: its origin, and the operation that it waits for.
    waiting: Option<(udp_server::Origin, Operation)>,
    names: Option<Names>,
    /// The keys of the next replies.
    keys: heapless::Vec<u16, 6>,
    /// When a wrong password may be logged again.
    log_at: Instant,
}

impl Fsp {
    /// Binds the socket and allocates everything.
    pub(super) fn open(context: &mut Context, tokens: Tokens) -> Result<Self, String> {
        let mut this = Self {
            tokens,
            config: context.config.fsp.clone(),
            open: None,
        };
        this.reopen(context)?;
        Ok(this)
    }

    /// Restarts with a changed configuration: clients have to authenticate again.
    fn reopen(&mut self, context: &mut Context) -> Result<(), String> {
        self.open = None; // closing the socket also removes it from the poll
        self.config = context.config.fsp.clone();
        context.recorder.stats.p2p = "off";
        if !self.config.enabled {
            return Ok(());
        }
        let addr = self.config.addr;
        let port = self.config.port;
        let opened = open(self.tokens, context);
        self.open = Some(opened.map_err(|error| format!("FSP on {addr} port {port}: {error}"))?);
        info!("FSP on {addr} port {port}");
        Ok(())
    }
}

impl Service for Fsp {
    fn is_light(&self) -> bool {
        true
    }

    fn handle_event(&mut self, source: usize, _event: &Event, _context: &mut Context) {
        if let (SOCKET, Some(open)) = (source, &mut self.open) {
            open.readable = true;
        }
    }

    fn handle_stick(&mut self, _context: &mut Context) {
        if let Some(open) = &mut self.open {
            open.names = None;
            open.server.handle_stick();
        }
    }

    fn handle_config(&mut self, context: &mut Context) {
        if context.config.fsp != self.config || self.open.is_none() {
            if let Err(problem) = self.reopen(context) {
                warn!("{problem}");
            }
        }
    }

    /// Answers requests, up to the limit of a turn, then serves the rendezvous.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let Some(open) = &mut self.open else {
            return Work::Done;
        };
        let work = open.serve(now.monotonic, &self.config, context);
        if let Some(rendezvous) = &mut open.rendezvous {
            let resolver = self.tokens.token(RESOLVER);
            rendezvous.turn(now.monotonic, &open.socket, resolver, context);
        }
        work
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        let rendezvous = self.open.as_ref().and_then(|open| open.rendezvous.as_ref());
        let deadline = rendezvous.and_then(Rendezvous::next_deadline);
        let idle_at = context.disk.readers.idle_at();
        let earliest = idle_at.into_iter().chain(deadline).min();
        earliest.unwrap_or(Instant::NEVER)
    }

    /// The stick is released when nobody has fetched files for a while.
    fn holds_stick(&mut self, now: Instant, context: &mut Context) -> bool {
        context.disk.readers.hold(now)
    }
}

fn open(tokens: Tokens, context: &mut Context) -> std::io::Result<Box<Open>> {
    let config = &context.config.fsp;
    let socket = udp_server::Service::open(config.addr, config.port)?;
    let registry = context.poll.registry();
    registry.register(
        &mut SourceFd(&socket.fd()),
        tokens.token(SOCKET),
        Interest::READABLE,
    )?;
    let settings = FspSettings {
        password: password(config),
        max_payload: config.max_payload,
    };
    let random = &mut context.random;
    let server = FspServer::new(settings, random.words()[0]);
    Ok(Box::new(Open {
        socket,
        rendezvous: Rendezvous::open(config, clock::monotonic(), random),
        server,
        request: [0; REQUEST_BYTES],
        reply: [0; HEADER_BYTES + MAX_PAYLOAD],
        readable: true,
        waiting: None,
        names: None,
        keys: heapless::Vec::new(),
        log_at: Instant::default(),
    }))
}

impl Open {
    fn serve(&mut self, now: Instant, config: &config::FspConfig, context: &mut Context) -> Work {
        let mut work = 0;
        while work < WORK_PER_TURN {
            let (origin, mut next) = match self.waiting.take() {
                Some((origin, op)) => (origin, Reaction::Perform(op)),
                None if !self.readable => return Work::Done,
                None => {
                    let stats = &mut context.recorder.stats;
                    match self.receive(now, &mut context.random, stats) {
                        Some(request) => request,
                        None => return Work::Done,
                    }
                }
            };
            loop {
                match next {
                    Reaction::Silence => break,
                    Reaction::Reply(length) => {
                        self.socket.reply(&self.reply[..length], &origin);
                        break;
                    }
                    Reaction::Perform(op) if work >= WORK_PER_TURN => {
                        self.waiting = Some((origin, op));
                        return Work::Left;
                    }
                    Reaction::Perform(op) => {
                        work += if op == Operation::NextName {
                            1
                        } else {
                            FILE_WORK
                        };
                        let recorder = &context.recorder;
                        next = self.carry_out(now, op, config, &mut context.disk, recorder);
                    }
                }
            }
            work += 1;
        }
        Work::Left
    }

    /// Receives the next request and handles it.
    fn receive(
        &mut self,
        now: Instant,
        random: &mut Random,
        stats: &mut Stats,
    ) -> Option<(udp_server::Origin, Reaction)> {
        let Some((length, origin)) = self.socket.receive(&mut self.request) else {
            self.readable = false;
            return None;
        };
        let datagram = &self.request[..length];
        if is_message(datagram) {
            if let Some(rendezvous) = &mut self.rendezvous {
                rendezvous.handle(now, origin.peer(), datagram, stats);
            }
            return Some((origin, Reaction::Silence));
        }
        if self.keys.is_empty() {
            let halves = random
                .words()
                .map(|word| [word as u16, (word >> 16) as u16]);
            self.keys.extend(halves.into_iter().flatten());
        }
        let key = self.keys.pop().unwrap_or(0);
        let from = origin.peer();
        let handled = self
            .server
            .handle_datagram(now, from, datagram, key, &mut self.reply, stats);
        if handled.password == PasswordCheck::Wrong && now >= self.log_at {
            warn!("FSP: wrong password from {}", origin.peer().ip());
            self.log_at = now + LOG_INTERVAL;
        }
        Some((origin, handled.reaction))
    }

    fn carry_out(
        &mut self,
        now: Instant,
        op: Operation,
        config: &config::FspConfig,
        disk: &mut Disk,
        recorder: &Recorder,
    ) -> Reaction {
        disk.readers.touch(now);
        let done = match op {
            Operation::Stat(file) => disk.stat(file).map(|entry| Completion::Entry {
                time: u32::try_from(entry.modified.max(0)).unwrap_or(u32::MAX),
                size: growing(recorder, file).unwrap_or(saturated(entry.bytes)),
            }),
            Operation::Read {
                file,
                position,
                len,
            } => {
                let growing = growing(recorder, file);
                let left = growing.map_or(usize::MAX, |length| {
                    length.saturating_sub(position) as usize
                });
                let payload = self
                    .reply
                    .get_mut(HEADER_BYTES..HEADER_BYTES + len.min(left))
                    .unwrap_or_default();
                disk.read(file, position.into(), payload)
                    .map(|len| Completion::Read { len, growing })
            }
            Operation::FirstName => {
                self.names = None;
                disk.dir()
                    .and_then(|dir| dir.names())
                    .and_then(|names| next_name(self.names.insert(names)))
            }
            Operation::NextName => self
                .names
                .as_mut()
                .map_or(Ok(Completion::Failed), next_name),
            Operation::SavePassword => {
                let saved = save(config, self.server.new_password());
                if let Err(error) = &saved {
                    warn!(
                        "{}: the FSP password could not be kept: {error}",
                        config.password_file
                    );
                }
                saved.map(|()| Completion::Saved)
            }
        };
        if done.as_ref().is_err_and(is_shortage) {
            return Reaction::Silence; // not "No such file": the client repeats its request
        }
        let done = done.unwrap_or_else(|error| {
            if op != Operation::SavePassword {
                disk.suspect(&error);
            }
            Completion::Failed
        });
        let next = self.server.handle_completion(done, &mut self.reply);
        if !matches!(next, Reaction::Perform(Operation::NextName)) {
            self.names = None;
        }
        next
    }
}

fn next_name(names: &mut Names) -> std::io::Result<Completion<'_>> {
    names.next_file().map(Completion::Name)
}

/// If this is a recording in progress, the length that survives a power failure.
fn growing(recorder: &Recorder, file: File) -> Option<u32> {
    if recorder.is_idle() {
        return None; // the usual case: no name need be formatted
    }
    recorder
        .durable_bytes(file.name().as_bytes())
        .map(saturated)
}

fn saturated(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// The password in force: the configured one, or the one to which a client has changed it. The file
/// contains both, one per line: a change of the configuration invalidates the password that was
/// derived from the earlier one.
fn password(config: &config::FspConfig) -> Password {
    let mut buffer = [0; 2 * (PASSWORD_BYTES + 1)];
    let kept = atomic_file::read(&config.password_file, &mut buffer).unwrap_or_default();
    let mut lines = kept.split(|byte| *byte == b'\n');
    let mut changed = None;
    if let [Some(new), Some(old), Some([]), None] = [(); 4].map(|()| lines.next()) {
        changed = Some(new).filter(|new| old == config.password.as_bytes() && is_password(new));
        if changed.is_none() {
            // Otherwise it would be in force again with the earlier configuration.
            atomic_file::remove(&config.password_file);
        }
    }
    Password::from_slice(changed.unwrap_or(config.password.as_bytes())).unwrap_or_default()
}

fn save(config: &config::FspConfig, new: &[u8]) -> std::io::Result<()> {
    let mut text = heapless::Vec::<u8, { 2 * (PASSWORD_BYTES + 1) }>::new();
    for part in [new, b"\n", config.password.as_bytes(), b"\n"] {
        let _ = text.extend_from_slice(part);
    }
    atomic_file::replace(&config.password_file, &text)
}
