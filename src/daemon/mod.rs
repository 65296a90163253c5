//! The daemon of `callrec run`: one thread, one loop, and the services that it runs.
//!
//! ```text
//! poll(timeout = the earliest deadline of all services; 0 if work is left; none when idle)
//! 1  events of the loop itself: signals, mounts, devices, changes of the wall clock
//! 2  events of each service
//! 3  each service's turn, in the order of `services::open`, after which responses and events are
//!    delivered to the clients
//! ```
//! Light services (FSP, players) are often woken alone; then the other services do not take part in
//! the turn. Leg ports are not registered with the poll: while it records, the loop wakes every
//! `BATCH` and reads them until they are empty.

use std::io;
use std::time::Duration;

use log::{info, warn};
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll};

use crate::base::limits::SHUTDOWN;
use crate::base::stats::Counter;
use crate::base::time::Instant;
use crate::config::Config;
use crate::daemon::clients::Clients;
use crate::daemon::context::Context;
use crate::daemon::polling::poll_events;
use crate::daemon::service::Service;
use crate::daemon::turn::{Tokens, Wake, Work};
use crate::io::clock;
use crate::io::signals::{SignalAction, Signals};

mod clients;
mod context;
mod control_client;
mod cover_older;
mod disk;
mod event_log;
#[cfg(feature = "fsp")]
mod file_cache;
mod folder_walk;
mod media_ports;
#[cfg(feature = "tools")]
pub mod one_player;
mod polling;
mod record_clients;
mod service;
mod services;
pub mod stick;
mod turn;

/// The loop's own sources.
const OWN: Tokens = Tokens::of_service(0);
const SIGNALS: usize = 0;
const MOUNTS: usize = 1;
const DEVICES: usize = 2;
const CLOCK: usize = 3;

/// The running daemon.
pub struct EventLoop {
    context: Context,
    services: Vec<Box<dyn Service>>,
    signals: Signals,
    state: LoopState,
    /// Which services have work left from the last turn.
    left: Left,
    /// The earliest deadline of the services that are not light.
    due: Instant,
}

enum LoopState {
    Running,
    /// A signal has ended it; it waits for the stick until this time.
    Ending(Instant),
}

/// Which services have work left: if any, the next turn follows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Left {
    Nothing,
    ForLight,
    ForAll,
}

/// How the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By a signal, and every recording is on the stick.
    Done,
    /// By a signal, but not everything was written to the stick in time.
    Unfinished,
}

impl EventLoop {
    /// Opens and allocates everything. On the heap, because stack pages that were used once stay
    /// resident.
    pub fn open(config: Config) -> Result<Box<Self>, String> {
        let poll = Poll::new().map_err(|error| format!("epoll: {error}"))?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let clients = Clients::open(&config.control_socket)
            .map_err(|error| format!("control socket {}: {error}", config.control_socket))?;
        let mut context = Context::open(config, poll, clients)?;
        let services = services::open(&mut context)?;
        let mut this = Box::new(Self {
            context,
            services,
            signals,
            state: LoopState::Running,
            left: Left::Nothing,
            due: Instant::NEVER,
        });
        this.register().map_err(|error| format!("epoll: {error}"))?;
        this.context.find_stick(&clock::now());
        if this.context.disk.stick().is_none() {
            warn!("no USB stick is mounted (usbMount): recordings to it are refused until there is one");
        }
        this.announce_stick();
        Ok(this)
    }

    fn register(&mut self) -> io::Result<()> {
        let context = &self.context;
        let sources = [
            (self.signals.fd(), SIGNALS, Interest::READABLE),
            (context.mounts.changes(), MOUNTS, Interest::PRIORITY),
            (
                context.mounts.device_changes().unwrap_or(-1),
                DEVICES,
                Interest::READABLE,
            ),
            (
                context.clock.changes().unwrap_or(-1),
                CLOCK,
                Interest::READABLE,
            ),
        ];
        let registry = context.poll.registry();
        for (fd, source, interest) in sources.into_iter().filter(|(fd, ..)| *fd >= 0) {
            registry.register(&mut SourceFd(&fd), OWN.token(source), interest)?;
        }
        Ok(())
    }

    /// Runs until a signal ends it. `reload` reads the configuration again after SIGHUP.
    pub fn run(
        mut self: Box<Self>,
        mut reload: impl FnMut() -> Result<Config, String>,
    ) -> io::Result<Ended> {
        let mut events = Events::with_capacity(64);
        loop {
            self.wait(&mut events)?;
            let started = clock::monotonic();
            self.context.recorder.stats.count(Counter::Wakeups);
            for event in &events {
                self.handle_event(event, &mut reload);
            }
            if matches!(self.state, LoopState::Ending(_)) {
                // Repeated in each turn, for recordings that were being opened when the signal
                // arrived.
                self.context.recorder.handle_shutdown(started);
            }
            self.turn();
            let turn = clock::monotonic().since(started);
            let stats = &mut self.context.recorder.stats;
            stats.longest_turn = stats.longest_turn.max(turn);
            if let Some(ended) = self.ended() {
                return Ok(ended);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = clock::monotonic();
        let context = &self.context;
        if context.wake != Wake::Light {
            self.due = deadline(&self.services, false, now, context);
        }
        let timeout = match self.due.min(deadline(&self.services, true, now, context)) {
            _ if self.left != Left::Nothing => Some(Duration::ZERO),
            Instant::NEVER => None,
            deadline => Some(Duration::from_nanos(deadline.since(now).nanos())),
        };
        poll_events(&mut self.context.poll, events, timeout)?;
        self.context.wake = if self.left == Left::ForAll || self.is_for_all(events) {
            Wake::Event
        } else if clock::monotonic() < self.due {
            Wake::Light
        } else {
            Wake::Deadline
        };
        self.left = Left::Nothing;
        Ok(())
    }

    /// An event concerns a service that is not light, or the loop itself.
    fn is_for_all(&self, events: &Events) -> bool {
        events.iter().any(|event| {
            let (service, _) = Tokens::split(event.token());
            let service = service.checked_sub(1).and_then(|n| self.services.get(n));
            !service.is_some_and(|service| service.is_light())
        })
    }

    fn handle_event(&mut self, event: &Event, reload: &mut impl FnMut() -> Result<Config, String>) {
        let (service, source) = Tokens::split(event.token());
        if let Some(number) = service.checked_sub(1) {
            if let Some(service) = self.services.get_mut(number) {
                service.handle_event(source, event, &mut self.context);
            }
            return;
        }
        match source {
            SIGNALS => self.handle_signals(reload),
            CLOCK => self.context.clock.drain_changes(),
            _ => {
                self.context.mounts.drain_device_changes();
                self.context.find_stick(&clock::now());
                self.announce_stick();
            }
        }
    }

    fn turn(&mut self) {
        let now = self.context.clock.read();
        self.log_clock();
        self.context.recorder.handle_turn(now.monotonic);
        for number in 0..self.services.len() {
            let service = &mut self.services[number];
            if self.context.wake == Wake::Light && !service.is_light() {
                continue;
            }
            let light = service.is_light();
            if service.turn(&now, &mut self.context) == Work::Left {
                let left = if light { Left::ForLight } else { Left::ForAll };
                self.left = self.left.max(left);
            }
            let delivered = self.context.deliver();
            if self.context.wake == Wake::Light
                && (delivered || self.context.disk.needs_stick_check())
            {
                self.context.wake = Wake::Deadline;
            }
            self.announce_stick();
        }
        self.close_stick(now.monotonic);
    }

    /// Closes the folder when nobody uses it: an idle recorder must not prevent a stick from being
    /// unmounted.
    fn close_stick(&mut self, now: Instant) {
        let context = &mut self.context;
        let mut held = !context.recorder.is_idle();
        for service in &mut self.services {
            held |= service.holds_stick(now, context);
        }
        if !held {
            context.disk.close_folder();
        }
    }

    fn announce_stick(&mut self) {
        if self.context.take_stick_change() {
            for service in &mut self.services {
                service.handle_stick(&mut self.context);
            }
            self.left = Left::ForAll;
        }
    }

    fn log_clock(&mut self) {
        let set_by = self.context.clock.take_clock_change();
        if set_by.abs() >= 1000 {
            info!("the system's clock was set by {set_by} ms");
        }
    }

    fn handle_signals(&mut self, reload: &mut impl FnMut() -> Result<Config, String>) {
        while let Some(order) = self.signals.next_action() {
            match order {
                SignalAction::End => {
                    info!("ending: finishing the recordings");
                    if matches!(self.state, LoopState::Running) {
                        self.state = LoopState::Ending(clock::monotonic() + SHUTDOWN);
                        #[cfg(feature = "intercom")]
                        for service in &mut self.services {
                            service.handle_end(&mut self.context);
                        }
                    }
                    self.left = Left::ForAll;
                }
                SignalAction::Reload => match reload() {
                    Ok(config) => self.reconfigure(config),
                    Err(problem) => warn!("configuration not reloaded: {problem}"),
                },
            }
        }
    }

    fn reconfigure(&mut self, config: Config) {
        self.context.set_config(config);
        for service in &mut self.services {
            service.handle_config(&mut self.context);
        }
        self.context.find_stick(&clock::now());
        self.announce_stick();
        info!("configuration reloaded");
    }

    #[cfg(feature = "intercom")]
    fn has_farewells(&self) -> bool {
        self.services.iter().any(|service| service.has_farewells())
    }

    #[cfg(not(feature = "intercom"))]
    fn has_farewells(&self) -> bool {
        false
    }

    /// How the loop ends, if a signal has requested that and the work is finished.
    fn ended(&self) -> Option<Ended> {
        let LoopState::Ending(until) = self.state else {
            return None;
        };
        let recorder = &self.context.recorder;
        let late = clock::monotonic() >= until;
        let has_work = recorder.has_sidecars() || self.has_farewells();
        if recorder.is_idle() && (late || !has_work) {
            let _ = std::fs::remove_file(&self.context.config.control_socket);
            return Some(Ended::Done);
        }
        late.then_some(Ended::Unfinished)
    }
}

/// The earliest deadline of the light services, or of the others.
fn deadline(
    services: &[Box<dyn Service>],
    light: bool,
    now: Instant,
    context: &Context,
) -> Instant {
    let mut earliest = Instant::NEVER;
    for service in services {
        if service.is_light() == light {
            earliest = earliest.min(service.next_deadline(now, context));
        }
    }
    earliest
}
