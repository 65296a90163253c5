//! The daemon's loop: the only place that polls, and the only one that knows both `proto` and `io`.
//!
//! ```text
//! poll(timeout = the recordings' common deadline or a player's next packet; 0 if something was left to do; none when idle)
//! 1  signals, mounts, devices, a wall clock that was set
//! 2  each player: packets that are due, one read
//! 3  clients: a few lines each. A stop cuts a recording where it was asked for, so it comes before the packets
//! 4  each recording: datagrams in the order of arrival, frames, calls to the stick     work
//! 5  answers and events to the clients; flush; a few files repaired
//! ```
//! Leg ports are not polled: while it records the loop wakes every `BATCH` and reads them until they
//! are empty; each datagram has its kernel arrival time, so that reading late mixes nothing late.

use std::io;
use std::time::Duration;

use log::{info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::base::limits::{LINES_PER_TURN, MESSAGE_BYTES, SHUTDOWN};
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::config::Config;
use crate::daemon::clients::Clients;
use crate::daemon::devices::Devices;
use crate::daemon::disk::Disk;
use crate::daemon::fsp::Fsp;
use crate::daemon::listing::Listing;
use crate::daemon::media::Media;
use crate::daemon::players::Playing;
use crate::daemon::polling::poll_events;
use crate::daemon::record_clients::Uplinks;
use crate::daemon::sidecar_writer::Sidecars;
use crate::daemon::unfinished::Repair;
use crate::io::clock::{self, Clock, Now};
use crate::io::interface::first_mac;
use crate::io::mounts::Table;
use crate::io::random::Random;
use crate::io::signals::{Order, Signals};
use crate::proto::recorder::turn;
use crate::proto::recorder::{Ask, Recorder, Settings};
use crate::proto::recording::setup::device_of;

mod clients;
mod cover_older;
mod devices;
mod disk;
#[cfg(feature = "fsp")]
mod file_cache;
mod folder_walk;
#[cfg_attr(not(feature = "fsp"), path = "no_fsp.rs")]
mod fsp;
mod listing;
mod media;
#[cfg(feature = "tools")]
pub mod one_player;
mod players;
mod polling;
mod record_clients;
#[cfg(feature = "fsp")]
mod rendezvous;
mod resolver;
mod sidecar_writer;
pub mod stick;
mod unfinished;

const SIGNALS: Token = Token(0);
const MOUNTS: Token = Token(1);
const DEVICES: Token = Token(2);
const LISTENER: Token = Token(3);
/// The wall clock was set.
const CLOCK: Token = Token(4);
/// The socket of FSP.
const SERVICE: Token = Token(5);
/// Answers of name servers, but those that recordings wait for.
#[cfg(feature = "fsp")]
const NAMES: Token = Token(6);
/// Clients have the tokens from here on.
const FIRST_CLIENT: usize = 8;
/// Connections to recording servers have the tokens from here on.
const FIRST_UPLINK: usize = 1 << 16;

/// The running daemon.
pub struct EventLoop {
    config: Config,
    /// What the stick is looked for by.
    stick_config: Config,
    poll: Poll,
    signals: Signals,
    mounts: Table,
    clock: Clock,
    random: Random,
    recorder: Recorder,
    media: Media,
    uplinks: Uplinks,
    disk: Disk,
    /// This turn is not by the clock alone: all recordings' packets are read, whether they are due or not.
    woken: bool,
    repair: Option<Repair>,
    playing: Playing,
    listing: Listing,
    sidecars: Sidecars,
    clients: Clients,
    fsp: Fsp,
    /// An answer or event on its way.
    message: [u8; MESSAGE_BYTES],
    /// Something was left to do: the next poll does not wait.
    again: bool,
    /// When the recordings are to be looked at next.
    due: Instant,
    /// FSP clients alone woke the loop: this turn is for them alone.
    light: bool,
    /// SIGTERM has come; when to stop waiting for the stick.
    ending: Option<Instant>,
}

/// What ended the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A signal said so, and every recording is on the stick.
    Done,
    /// A signal said so, but the stick did not take everything in time.
    Unfinished,
}

impl EventLoop {
    /// Opens everything, allocates everything. Not on the stack, where pages that were used once stay.
    pub fn open(config: Config) -> Result<Box<Self>, String> {
        let poll = Poll::new().map_err(|error| format!("epoll: {error}"))?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let mounts = Table::open().map_err(|error| format!("/proc/self/mountinfo: {error}"))?;
        let clock = Clock::open();
        let clients = Clients::open(&config.control_socket, &poll)
            .map_err(|error| format!("control socket {}: {error}", config.control_socket))?;
        let registry = poll.registry();
        let watched = [
            (signals.fd(), SIGNALS, Interest::READABLE),
            (mounts.changes(), MOUNTS, Interest::PRIORITY),
            (
                mounts.device_changes().unwrap_or(-1),
                DEVICES,
                Interest::READABLE,
            ),
            (clock.changes().unwrap_or(-1), CLOCK, Interest::READABLE),
        ];
        for (fd, token, interest) in watched.into_iter().filter(|(fd, ..)| *fd >= 0) {
            registry
                .register(&mut SourceFd(&fd), token, interest)
                .map_err(|error| format!("epoll: {error}"))?;
        }
        let recorder = Recorder::new(settings(&config));
        let places = recorder.places();
        let mut random = Random::open();
        let fsp = Fsp::open(&config, &poll, &mut random)?;
        let mut this = Box::new(Self {
            media: Media::new(config.media_addr, config.media_ports, places),
            uplinks: Uplinks::new(places),
            disk: Disk::new(places),
            woken: false,
            random,
            repair: None,
            playing: Playing::new(),
            listing: Listing::default(),
            sidecars: Sidecars::default(),
            message: [0; MESSAGE_BYTES],
            again: false,
            due: Instant::NEVER,
            light: false,
            ending: None,
            stick_config: config.clone(),
            config,
            poll,
            signals,
            mounts,
            clock,
            recorder,
            clients,
            fsp,
        });
        this.look_for_stick(&clock::now());
        Ok(this)
    }

    /// Runs until a signal ends it. `reload` reads the configuration again, for SIGHUP.
    pub fn run(
        mut self: Box<Self>,
        mut reload: impl FnMut() -> Result<Config, String>,
    ) -> io::Result<Ended> {
        let mut events = Events::with_capacity(64);
        loop {
            self.wait(&mut events)?;
            let started = clock::monotonic();
            self.recorder.stats.count(Counter::Wakeups);
            for event in &events {
                match event.token() {
                    SIGNALS => self.take_orders(&mut reload),
                    MOUNTS | DEVICES => {
                        self.mounts.drain_device_changes();
                        self.look_for_stick(&clock::now());
                    }
                    CLOCK => self.clock.drain_changes(),
                    SERVICE => self.fsp.set_readable(),
                    LISTENER => self.clients.accept(&self.poll, &mut self.recorder.stats),
                    token if token.0 >= FIRST_UPLINK => self.uplinks.set_ready(event),
                    token => self.clients.set_ready(token),
                }
            }
            if self.ending.is_some() {
                self.recorder.handle_shutdown(started); // also one that was just being opened
            }
            self.turn();
            let turn = clock::monotonic().since(started);
            self.recorder.stats.longest_turn = self.recorder.stats.longest_turn.max(turn);
            if let Some(until) = self.ending {
                let late = clock::monotonic() >= until;
                if self.recorder.is_idle() && (late || !self.recorder.has_notes()) {
                    let _ = std::fs::remove_file(&self.config.control_socket);
                    return Ok(Ended::Done);
                } else if late {
                    return Ok(Ended::Unfinished);
                }
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = clock::monotonic();
        if !self.light {
            let recordings = self.recorder.next_deadline(now).into_iter();
            self.due = recordings
                .chain(self.uplinks.next_deadline())
                .min()
                .unwrap_or(Instant::NEVER);
        }
        let again = std::mem::take(&mut self.again);
        let service = self.fsp.deadline(&self.disk).unwrap_or(Instant::NEVER);
        let service = service.min(self.sidecars.deadline(&self.recorder));
        let timeout = match self
            .due
            .min(service)
            .min(self.recorder.players().0.next_deadline())
        {
            _ if again || self.fsp.has_more() => Some(Duration::ZERO),
            Instant::NEVER => None,
            deadline => Some(Duration::from_nanos(deadline.since(now).nanos())),
        };
        poll_events(&mut self.poll, events, timeout)?;
        self.woken = again || events.iter().any(|event| event.token() != SERVICE);
        self.light = !self.woken && clock::monotonic() < self.due.min(service);
        Ok(())
    }

    fn turn(&mut self) {
        let now = self.clock.read();
        self.tell_clock();
        self.recorder.handle_turn(now.monotonic);
        let (disk, recorder) = (&mut self.disk, &mut self.recorder);
        self.fsp.turn(
            now.monotonic,
            &self.config,
            disk,
            recorder,
            &mut self.random,
            &self.poll,
        );
        self.playing
            .turn(now.monotonic, &mut self.disk, self.recorder.players());
        if !self.deliver() && self.light && !self.disk.is_suspicious() {
            return;
        }
        self.clients
            .accept_waiting(&self.poll, &mut self.recorder.stats);
        self.listen_to_clients(&now);
        self.work(now);
        self.deliver();
        self.again |= self
            .listing
            .step(&mut self.disk, &mut self.clients, &self.recorder);
        self.again |= self.clients.flush(&self.poll, &self.recorder);
        if let Some(repair) = &mut self.repair {
            match repair.step(&mut self.disk, &mut self.recorder) {
                true => self.again = true,
                false => self.repair = None,
            }
        }
        self.sidecars
            .turn(now.monotonic, &mut self.disk, &mut self.recorder);
        let fetched = self.fsp.holds_stick(now.monotonic, &mut self.disk);
        if self.repair.is_none() && self.recorder.is_idle() && !fetched {
            self.disk.rest();
        }
    }

    /// Packets, frames and the stick, for each recording. The stick may have held up the one before it: it is later then.
    fn work(&mut self, mut now: Now) {
        for place in 0..self.recorder.places() {
            if place > 0 && self.recorder.listens(place) {
                now = self.clock.read();
            }
            let due = self.woken || self.recorder.is_due(place, now.monotonic);
            let mut devices = Devices {
                media: &mut self.media,
                clock: &mut self.clock,
                uplinks: &mut self.uplinks,
                poll: &self.poll,
                random: &mut self.random,
                disk: &mut self.disk,
                now,
            };
            self.again |=
                turn::serve_place(&mut devices, place, now.monotonic, &mut self.recorder, due);
            self.media.close_unused(place, &self.recorder);
        }
        self.disk.keep_descriptors();
        if self.disk.take_suspicion() {
            self.look_for_stick(&clock::now());
        }
    }

    /// A few lines of each client.
    fn listen_to_clients(&mut self, now: &Now) {
        if self.recorder.is_idle() && self.clients.anyone_speaks() {
            // Nobody tells of every change: a plain folder may have come or gone.
            self.look_for_stick(now);
        }
        for client in 0..self.clients.len() {
            for _ in 0..LINES_PER_TURN {
                let Some((id, line)) = self.clients.next_line(client) else {
                    break;
                };
                let words = self.random.words();
                let ask = self.recorder.handle_line(now.monotonic, id, line, words);
                if let Ask::Ports(place, legs) = ask {
                    let bound = self.media.open(place, legs, now.monotonic);
                    self.recorder.handle_ports(now.monotonic, place, bound);
                }
                self.clients.set_ask(client, ask);
                self.deliver();
            }
        }
    }

    fn tell_clock(&mut self) {
        let set_by = self.clock.take_set();
        if set_by.abs() >= 1000 {
            info!("the system's clock was set by {set_by} ms");
        }
    }

    /// `true` when there was something to deliver.
    fn deliver(&mut self) -> bool {
        self.recorder.announce_players();
        let mut any = false;
        while let Some((to, message)) = self.recorder.poll_output(&mut self.message) {
            let cut_off = self.clients.deliver(&self.poll, to, message);
            self.recorder.stats.add(Counter::SlowClient, cut_off);
            any = true;
        }
        any
    }

    fn look_for_stick(&mut self, now: &Now) {
        if self.recorder.is_idle() && self.stick_config != self.config {
            // A changed usbMount waits for the recordings that run.
            self.stick_config = self.config.clone();
        }
        let found = stick::find(&self.stick_config, &mut self.mounts);
        if found.as_ref() == self.disk.stick() {
            return;
        }
        // Also a stick that stands where another one did: the old one is gone.
        self.recorder.handle_stick(now.monotonic, None, 0);
        let path = found.as_ref().map(|stick| stick.path.clone());
        let shown = path
            .as_ref()
            .map(|path| String::from_utf8_lossy(path).into_owned());
        info!("stick: {}", shown.as_deref().unwrap_or("none"));
        self.disk.set_stick(found);
        self.sidecars.forget();
        self.fsp.handle_stick();
        self.recorder
            .handle_stick(now.monotonic, path, self.disk.free_bytes());
        self.repair = Repair::begin(&mut self.disk);
        self.again = true;
    }

    fn take_orders(&mut self, reload: &mut impl FnMut() -> Result<Config, String>) {
        while let Some(order) = self.signals.next_order() {
            match order {
                Order::End => {
                    let now = clock::monotonic();
                    info!("ending: finishing the recordings");
                    self.ending.get_or_insert(now + SHUTDOWN);
                    self.again = true;
                }
                Order::Reload => match reload() {
                    Ok(config) => self.reconfigure(config),
                    Err(problem) => warn!("configuration not reloaded: {problem}"),
                },
            }
        }
    }

    /// Running recordings keep what they began with; sockets and the number of places stay.
    fn reconfigure(&mut self, config: Config) {
        let fixed = |config: &Config| (config.control_socket.clone(), config.max_recordings);
        if fixed(&config) != fixed(&self.config) {
            warn!("controlSocket and maxRecordings change with a restart only");
        }
        self.recorder.set_settings(settings(&config));
        self.media.set_range(config.media_addr, config.media_ports);
        #[cfg(feature = "fsp")]
        if config.fsp != self.config.fsp || self.fsp.is_closed() {
            if let Err(problem) = self.fsp.reopen(&config, &self.poll, &mut self.random) {
                warn!("{problem}");
            }
        }
        self.config = config;
        self.look_for_stick(&clock::now());
        info!("configuration reloaded");
    }
}

/// What the recorder decides by, with the phone's own address where the configuration leaves it open.
fn settings(config: &Config) -> Settings {
    let mut settings = config.settings();
    if let Some(server) = settings
        .server
        .as_mut()
        .filter(|server| server.device.is_empty())
    {
        server.device = device_of(first_mac().unwrap_or_default());
    }
    settings
}
