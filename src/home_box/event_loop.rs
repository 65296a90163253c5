//! `callrec-box run`: one thread, one loop.
//!
//! ```text
//! poll(timeout = the earliest deadline)
//! 1  connections: accepted, made, read; each message goes to the router
//! 2  requests of the control socket
//! 3  what is due: the router's timers, tokens that were revoked
//! 4  what the router wants done, and all that is to be written
//! ```

use std::io;
use std::time::Duration;

use log::{info, warn};
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use crate::base::limits::home_box::{STATUS_INTERVAL, TOKEN_LOOK};
use crate::base::time::Instant;
use crate::home_box::call_log::CallLog;
use crate::home_box::cloud::{self, HomeCloud};
use crate::home_box::connection::Read;
use crate::home_box::connections::{Connections, Made};
use crate::home_box::control_clients::ControlClients;
use crate::home_box::event_lines::{event_line, log_event, stream_line};
use crate::home_box::joining::verdict;
use crate::home_box::opening::{listen, open_reports, random_seed};
use crate::home_box::parts::Parts;
use crate::home_box::report_forms::{report, report_start, report_status};
use crate::home_box::reports::Reports;
use crate::home_box::requests;
use crate::home_box::rules::rules;
use crate::home_box::settings::BoxSettings;
use crate::home_box::stream_use;
use crate::home_box::tokens::TokenStore;
use crate::home_box::try_page;
use crate::io::clock::{self, Now};
use crate::io::signals::{SignalAction, Signals};
use crate::proto::intercom::home_box::output::Output;
use crate::proto::intercom::home_box::{HomeBox, LegId, Side};
use crate::proto::intercom::message_reader::Received;
use crate::streams::StreamServer;
use crate::wire::intercom::Message;

mod turns;

const SIGNALS: Token = Token(0);
const HOME: Token = Token(1);
const COMMUNITY: Token = Token(2);
const PROPERTY: Token = Token(3);
const STREAMS: [Token; 2] = [Token(4), Token(5)];
const FIRST_CONTROL: usize = 6;
const FIRST_CLOUD: usize = FIRST_CONTROL + ControlClients::TOKENS;
const FIRST_LEG: usize = FIRST_CLOUD + cloud::SOURCES;

struct EventLoop {
    poll: Poll,
    signals: Signals,
    home: TcpListener,
    community: TcpListener,
    control: ControlClients,
    connections: Connections,
    reports: Reports,
    streams: StreamServer,
    cloud: HomeCloud,
    parts: Parts,
    /// The router has had something to be done: the call, its streams or its parties may be others.
    has_call_changed: bool,
    look_at_tokens_at: Instant,
    /// When the property's server is told again which screens are joined.
    status_at: Instant,
}

/// What signals have asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterSignals {
    GoOn,
    End,
}

fn is_of_cloud(event: &mio::event::Event) -> bool {
    (FIRST_CLOUD..FIRST_LEG).contains(&event.token().0)
}

/// Runs the box until SIGTERM.
pub(super) fn run(settings: BoxSettings) -> Result<(), String> {
    let socket = settings.control_socket.clone();
    let ended = EventLoop::open(settings)?.run();
    let _ = std::fs::remove_file(socket);
    ended.map_err(|problem| format!("epoll: {problem}"))
}

impl EventLoop {
    fn open(settings: BoxSettings) -> Result<Self, String> {
        let epoll = |problem: io::Error| format!("epoll: {problem}");
        let poll = Poll::new().map_err(epoll)?;
        let registry = || poll.registry().try_clone().map_err(epoll);
        let signals = Signals::open().map_err(|problem| format!("signals: {problem}"))?;
        let fd = signals.fd();
        let mut source = SourceFd(&fd);
        let registered = registry()?.register(&mut source, SIGNALS, Interest::READABLE);
        registered.map_err(epoll)?;
        let tokens = TokenStore::open(&settings.state_dir)?;
        let home_address = (settings.home_addr, settings.family_port).into();
        let community_address = (settings.community_addr, settings.call_port).into();
        let home = listen(&poll, home_address, HOME)?;
        let community = listen(&poll, community_address, COMMUNITY)?;
        let streams = stream_use::open(&settings, registry()?, STREAMS, FIRST_LEG + 1)?;
        // The last one: who finds it finds everything else.
        let path = &settings.control_socket;
        let control = ControlClients::open(path, registry()?, FIRST_CONTROL)
            .map_err(|problem| format!("control socket {path}: {problem}"))?;
        info!("screens join at {home_address}, the community calls at {community_address}");
        let mut reports = open_reports(&settings, registry()?, PROPERTY);
        report_start(&mut reports, &settings.box_id);
        let mut router = HomeBox::new(rules(&settings), random_seed()?);
        let cloud = HomeCloud::open(&settings, registry()?, FIRST_CLOUD, &mut router)?;
        Ok(Self {
            signals,
            cloud,
            home,
            community,
            control,
            connections: Connections::new(registry()?, FIRST_LEG, settings.community_addr),
            parts: Parts {
                router,
                tokens,
                call_log: CallLog::open(&settings.state_dir)?,
                wakeups: 0,
                published: 0,
                settings,
            },
            poll,
            has_call_changed: true,
            look_at_tokens_at: Instant::NEVER,
            status_at: if reports.is_wanted() {
                clock::monotonic() + STATUS_INTERVAL
            } else {
                Instant::NEVER
            },
            reports,
            streams,
        })
    }

    fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(64);
        loop {
            self.wait(&mut events)?;
            self.parts.wakeups += 1;
            let now = clock::now();
            for event in &events {
                match event.token() {
                    SIGNALS => {
                        if self.handle_signals() == AfterSignals::End {
                            self.end(&now);
                            return Ok(());
                        }
                    }
                    HOME => self.accept(&now, Side::Home),
                    COMMUNITY => self.accept(&now, Side::Community),
                    PROPERTY => {}
                    token if STREAMS.contains(&token) => {
                        self.streams.handle_event(now.monotonic, token);
                    }
                    token if token.0 < FIRST_CLOUD => self.control.handle_event(token),
                    token if token.0 < FIRST_LEG => self.cloud.handle_event(event),
                    token => match self.connections.leg_of(token) {
                        Some(leg) => self.connections.set_ready(leg),
                        None => self.streams.handle_event(now.monotonic, token),
                    },
                }
            }
            self.turn(&now);
        }
    }

    fn handle_signals(&mut self) -> AfterSignals {
        let mut after = AfterSignals::GoOn;
        while let Some(action) = self.signals.next_action() {
            match action {
                SignalAction::End => after = AfterSignals::End,
                SignalAction::Reload => {
                    warn!("SIGHUP: tokens are read again; for a changed configuration, restart");
                    self.look_at_tokens_at = Instant::default();
                }
            }
        }
        after
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let now = clock::monotonic();
        let deadline = self
            .parts
            .router
            .next_deadline()
            .min(self.connections.next_deadline())
            .min(self.streams.next_deadline())
            .min(self.reports.next_deadline())
            .min(self.cloud.next_deadline())
            .min(self.status_at)
            .min(self.look_at_tokens_at);
        let timeout = match deadline {
            _ if self.has_work() => Some(Duration::ZERO),
            Instant::NEVER => None,
            deadline => Some(Duration::from_nanos(deadline.since(now).nanos())),
        };
        match self.poll.poll(events, timeout) {
            Err(problem) if problem.kind() != io::ErrorKind::Interrupted => Err(problem),
            _ => Ok(()),
        }
    }

    fn turn(&mut self, now: &Now) {
        for leg in self.connections.ready() {
            self.read(now, leg);
        }
        while let Some((number, line)) = self.control.next_line() {
            // Events of the last request come before the response of this one.
            self.carry_out(now);
            let answer = requests::answer(&mut self.parts, now, line.as_deref());
            // Events of what was asked come after its response.
            for line in answer.lines {
                self.control.respond(number, line);
            }
            if answer.subscribes {
                for line in self.present_lines() {
                    self.control.respond(number, line);
                }
                self.control.subscribe(number);
            }
            self.control.flush();
        }
        self.parts.router.handle_timeout(now.monotonic);
        self.look_at_tokens(now.monotonic);
        self.carry_out(now);
        for leg in self.connections.flush(now.monotonic) {
            self.parts.router.handle_closed(now.monotonic, leg);
        }
        self.carry_out(now);
        self.turn_cloud(now);
        self.relay_streams(now.monotonic);
        self.cloud.send_streams(now.monotonic, &mut self.streams);
        self.control.flush();
        if self.status_at <= now.monotonic {
            self.status_at = now.monotonic + STATUS_INTERVAL;
            report_status(&mut self.reports, &self.parts);
        }
        self.reports.turn(now.monotonic);
    }

    fn relay_streams(&mut self, now: Instant) {
        if std::mem::take(&mut self.has_call_changed) {
            let parts = &self.parts;
            let streams = parts.router.stream_use();
            let permissions = stream_use::permissions(&parts.settings, streams);
            self.streams.set_permissions(now, permissions);
        }
        self.streams.turn(now);
        self.has_call_changed |= try_page::answer(now, &mut self.parts, &mut self.streams);
        while let Some(event) = self.streams.poll_event() {
            let line = stream_line(&event);
            log_event(&line);
            self.control.tell(&line);
        }
        self.parts.published = self.streams.published();
    }

    fn accept(&mut self, now: &Now, side: Side) {
        loop {
            let listener = match side {
                Side::Home => &self.home,
                Side::Community => &self.community,
            };
            let (stream, address) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(problem) if problem.kind() == io::ErrorKind::WouldBlock => return,
                Err(problem) if problem.kind() == io::ErrorKind::Interrupted => continue,
                Err(problem) => {
                    warn!("accept: {problem}");
                    return;
                }
            };
            let router = &mut self.parts.router;
            let Some(leg) = router.handle_accepted(now.monotonic, side, address.ip()) else {
                continue;
            };
            if !self.connections.add(leg, stream) {
                self.parts.router.handle_closed(now.monotonic, leg);
            }
            self.carry_out(now);
        }
    }

    /// Reads a connection until it is empty: the limits of its reader bound that.
    fn read(&mut self, now: &Now, leg: LegId) {
        match self.connections.take_made(leg) {
            Made::Connected(address) => {
                let router = &mut self.parts.router;
                router.handle_connected(now.monotonic, leg, address);
            }
            Made::Failed => self.parts.router.handle_unreachable(now.monotonic, leg),
            Made::NotYet => {}
        }
        loop {
            self.carry_out(now);
            match self.connections.read(now.monotonic, leg) {
                Read::Received(Received::Message(message)) => {
                    self.handle_message(now, leg, &message);
                }
                Read::Received(Received::Bad) => self.parts.router.handle_bad_frame(),
                Read::Received(Received::Broken(why)) => {
                    info!("connection closed: {}", why.words());
                    self.drop_leg(now, leg);
                    return;
                }
                Read::Closed => {
                    self.drop_leg(now, leg);
                    return;
                }
                Read::Received(Received::Nothing) | Read::Blocked => return,
            }
        }
    }

    fn handle_message(&mut self, now: &Now, leg: LegId, message: &Message) {
        let at = now.monotonic;
        match message {
            Message::JoinFamily {
                token,
                id,
                device_type,
            } => {
                let parts = &mut self.parts;
                let verdict = verdict(&parts.settings, &mut parts.tokens, token, id, *device_type);
                parts.router.handle_join(at, leg, verdict);
                self.look_at_tokens_at = self.look_at_tokens_at.min(at + TOKEN_LOOK);
            }
            Message::Unknown => self.parts.router.handle_unknown_message(),
            message => self.parts.router.handle_message(at, leg, message),
        }
    }

    fn drop_leg(&mut self, now: &Now, leg: LegId) {
        self.connections.remove(leg);
        self.parts.router.handle_closed(now.monotonic, leg);
        self.carry_out(now);
    }

    fn carry_out(&mut self, now: &Now) {
        while let Some(output) = self.parts.router.poll_output() {
            self.has_call_changed = true;
            match output {
                Output::Send { leg, message } if self.cloud.is_leg(leg) => {
                    self.cloud.handle_router(now.monotonic, &message);
                }
                Output::Send { leg, message } => {
                    if !self.connections.send(leg, &message) {
                        info!("connection closed: its peer does not read");
                        self.parts.router.handle_closed(now.monotonic, leg);
                    }
                }
                Output::Close(leg) => self.connections.close(now.monotonic, leg),
                Output::Connect { leg, address } => {
                    if !self.connections.connect(leg, address) {
                        self.parts.router.handle_unreachable(now.monotonic, leg);
                    }
                }
                Output::Event(event) => {
                    let line = event_line(&event);
                    log_event(&line);
                    self.control.tell(&line);
                }
                Output::Ended(record) => {
                    let picture = self.streams.take_picture(&record.pictured);
                    self.parts.call_log.add(&record, picture, now);
                }
                Output::Report(what) => {
                    report(&mut self.reports, &self.parts.settings.box_id, &what);
                }
            }
        }
    }
}
