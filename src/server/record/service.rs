//! The recording server's loop.
//!
//! ```text
//! poll(timeout: the next tick, or a message that may be whole; a look at the disk when there is no connection)
//! 1  signals, new connections, what phones say, answers
//! 2  each tick: every RTP port is read until it is empty, frames are written; what has ended is finished,
//!    a few in one turn; the disk's free space; time-outs; a sync, whose end lets the headers follow
//! ```
//! A recording has no listener: its packets wait in their socket for the tick, up to seconds if the disk does not
//! answer. So ports are not polled, and the work for a packet is a part of one system call.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

use log::{info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;

use crate::base::limits::server::{
    BATCH, EVENTS_PER_TURN, FINISHED_PER_TURN, SERVER_SHUTDOWN, SPACE_INTERVAL,
};
use crate::base::time::Instant;
use crate::io::clock::{self, Now};
use crate::io::listener;
use crate::io::process_channel::Link;
use crate::io::signals::{Order, Signals};
use crate::server::metrics::Metrics;
use crate::server::record::archive::Archive;
use crate::server::record::connection::Connection;
use crate::server::record::counters::Counters;
use crate::server::record::disk::Disk;
use crate::server::record::end_reason::Why;
use crate::server::record::file_writer::Format;
use crate::server::record::ports::Ports;
use crate::server::record::recording::{Recording, Storing};
use crate::server::record::repair;
use crate::server::record::settings::Settings;
use crate::server::record::sync::Syncer;
use crate::server::record::turn::{Bench, Turn};
use crate::server::record::unfinished::Unfinished;
#[cfg(feature = "s3")]
use crate::server::record::upload::Uploader;

const SIGNALS: Token = Token(0);
const LISTENER: Token = Token(1);
const SYNCED: Token = Token(2);
const LINK: Token = Token(3);
const FIRST_METRICS: usize = 4;
/// Connections have the tokens from here on.
pub(super) const FIRST_CONNECTION: usize = FIRST_METRICS + Metrics::TOKENS;

const FOREVER: Instant = Instant::from_nanos(u64::MAX);

/// The running server.
pub(super) struct Service {
    pub(super) settings: Settings,
    pub(super) poll: Poll,
    signals: Signals,
    pub(super) listener: Option<mio::net::TcpListener>,
    /// Connections may wait; no descriptor was left for one.
    pub(super) accepting: bool,
    pub(super) starved: bool,
    pub(super) connections: Slab<Connection>,
    /// Connections by address.
    pub(super) addresses: HashMap<IpAddr, u32>,
    pub(super) recordings: Slab<Recording>,
    pub(super) unfinished: VecDeque<Unfinished>,
    pub(super) archive: Arc<Archive>,
    pub(super) storing: Storing,
    pub(super) ports: Ports,
    pub(super) counters: Counters,
    pub(super) bench: Bench,
    pub(super) syncer: Syncer,
    /// Recordings of an earlier run that have been made whole.
    pub(super) repaired: Arc<AtomicU64>,
    #[cfg(feature = "s3")]
    pub(super) uploader: Option<Uploader>,
    pub(super) metrics: Option<Metrics>,
    /// To the process that has started us as one of several, and when it is told again what we have counted.
    pub(super) link: Option<Link>,
    pub(super) report_at: Instant,
    /// Something was written since the last sync began.
    pub(super) dirty: bool,
    pub(super) disk: Disk,
    tick_at: Instant,
    /// When a connection may have waited long enough.
    pub(super) next_timeout: Instant,
    pub(super) left: Left,
    /// SIGTERM has come; when to stop waiting.
    pub(super) ending: Option<Instant>,
}

/// What was left to do: then the next poll does not wait.
#[derive(Default)]
pub(super) struct Left {
    /// Recordings with more in their socket than one turn reads.
    flooded: Vec<usize>,
    /// Recordings to be finished.
    over: VecDeque<usize>,
    /// Connections with more than one turn reads.
    pub(super) unread: Vec<usize>,
}

impl Left {
    fn is_empty(&self) -> bool {
        self.flooded.is_empty() && self.over.is_empty() && self.unread.is_empty()
    }
}

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> String + '_ {
    move |problem| format!("{what}: {problem}")
}

impl Service {
    /// Opens everything.
    pub(super) fn open(settings: Settings) -> Result<Self, String> {
        let poll = Poll::new().map_err(failed("epoll"))?;
        let signals = Signals::open().map_err(failed("signals"))?;
        let archive = Arc::new(Archive::open(&settings.dir).map_err(failed(&settings.dir))?);
        let listen = format!("control connections on {}", settings.listen);
        let mut listener =
            listener::open(settings.listen, settings.worker).map_err(failed(&listen))?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE)
            .map_err(failed("epoll"))?;
        registry
            .register(&mut listener, LISTENER, Interest::READABLE)
            .map_err(failed("epoll"))?;
        let link = settings
            .worker
            .then(Link::of_standard_input)
            .transpose()
            .map_err(failed("standard input"))?;
        if let Some(link) = &link {
            registry
                .register(&mut SourceFd(&link.fd()), LINK, Interest::READABLE)
                .map_err(failed("epoll"))?;
        }
        let metrics = settings.metrics.filter(|_| link.is_none());
        let metrics = metrics
            .map(|address| Metrics::open(address, registry, FIRST_METRICS))
            .transpose()?;
        let waker = Waker::new(registry, SYNCED).map_err(failed("epoll"))?;
        let format = if settings.wav {
            Format::Wav
        } else {
            Format::Phone
        };
        let repaired = Arc::default();
        repair::start(archive.clone(), Arc::clone(&repaired)).map_err(failed("thread"))?;
        Ok(Self {
            repaired,
            #[cfg(feature = "s3")]
            uploader: Uploader::open(&settings)?,
            storing: Storing {
                format,
                file_limit: settings.file_limit,
                cut_pauses: settings.cut_pauses,
            },
            ports: Ports::new(settings.listen.ip(), settings.rtp_ports),
            syncer: Syncer::start(waker).map_err(failed("thread"))?,
            listener: Some(listener),
            accepting: true,
            starved: false,
            connections: Slab::new(),
            addresses: HashMap::new(),
            recordings: Slab::new(),
            unfinished: VecDeque::new(),
            counters: Counters::new(),
            bench: Bench::default(),
            dirty: false,
            disk: Disk::default(),
            tick_at: FOREVER,
            next_timeout: FOREVER,
            left: Left::default(),
            ending: None,
            archive,
            settings,
            poll,
            signals,
            metrics,
            link,
            report_at: Instant::default(),
        })
    }

    /// Runs until a signal ends it.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            self.report(clock::monotonic());
            self.wait(&mut events)?;
            let now = clock::now();
            for event in &events {
                self.handle(&now, event.token());
            }
            if self.accepting {
                self.accept(&now);
            }
            self.take_turn(&now);
            self.counters.turn(clock::monotonic().since(now.monotonic));
            if self
                .ending
                .is_some_and(|until| self.recordings.is_empty() || now.monotonic >= until)
            {
                return self.close_down(&now);
            }
        }
    }

    /// It has to look at something each tick.
    pub(super) fn is_busy(&self) -> bool {
        !self.connections.is_empty() || !self.recordings.is_empty() || self.dirty || self.starved
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), String> {
        let now = clock::monotonic();
        self.tick_at = match self.is_busy() {
            true => self.tick_at.min(now + BATCH),
            false => now.max(self.disk.looked_at + SPACE_INTERVAL),
        };
        let metrics = self
            .metrics
            .as_ref()
            .and_then(Metrics::next_deadline)
            .unwrap_or(FOREVER);
        let deadline = self
            .tick_at
            .min(self.next_timeout)
            .min(metrics)
            .min(self.ending.unwrap_or(FOREVER));
        let at_once = self.accepting || !self.left.is_empty();
        let timeout = std::time::Duration::from_nanos(if at_once {
            0
        } else {
            deadline.since(now).nanos()
        });
        match self.poll.poll(events, Some(timeout)) {
            Err(problem) if problem.kind() != std::io::ErrorKind::Interrupted => {
                Err(format!("epoll: {problem}"))
            }
            _ => Ok(()),
        }
    }

    fn handle(&mut self, now: &Now, token: Token) {
        match token {
            SIGNALS => {
                while let Some(order) = self.signals.next_order() {
                    match order {
                        Order::End => self.begin_to_end(now),
                        Order::Reload => {
                            info!("nothing is reloaded: restart to change the configuration")
                        }
                    }
                }
            }
            LISTENER => self.accepting = true,
            SYNCED => self.take_synced(now),
            LINK if self.is_orphan() => self.begin_to_end(now),
            LINK => {}
            Token(token) if token >= FIRST_CONNECTION => self.serve(now, token - FIRST_CONNECTION),
            token => self.show(now.monotonic, token),
        }
    }

    fn take_turn(&mut self, now: &Now) {
        if now.monotonic >= self.tick_at {
            self.tick_at = now.monotonic.next_multiple_of(BATCH);
            self.tick(now);
        } else {
            std::mem::take(&mut self.left.flooded)
                .into_iter()
                .for_each(|index| self.work(now, index));
        }
        std::mem::take(&mut self.left.unread)
            .into_iter()
            .for_each(|index| self.listen(now, index));
        for _ in 0..FINISHED_PER_TURN {
            let Some(index) = self.left.over.pop_front() else {
                break;
            };
            self.finish(now, index);
        }
        if now.monotonic >= self.next_timeout {
            self.look_at_timeouts(now);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.handle_timeout(now.monotonic);
        }
    }

    fn tick(&mut self, now: &Now) {
        self.accepting |= self.starved;
        self.left.flooded.clear();
        let all: Vec<usize> = self.recordings.iter().map(|(index, _)| index).collect();
        // A disk that has failed is asked again, also when nothing is recorded: it may have come back.
        self.dirty |= !all.is_empty() || self.disk.sync_fails;
        self.bench.room.begin_turn();
        all.into_iter().for_each(|index| self.work(now, index));
        if let Some(trouble) = self
            .disk_trouble(now)
            .filter(|trouble| trouble.ends_recordings())
        {
            self.stop_all(now, trouble.why());
        }
        self.look_at_timeouts(now);
        if self.dirty && self.syncer.is_due(now.monotonic) {
            self.recordings
                .iter_mut()
                .for_each(|(_, recording)| recording.mark());
            self.syncer.begin(now.monotonic, &self.archive);
            self.dirty = false;
        }
    }

    /// Reads what has come for a recording, and writes it.
    fn work(&mut self, now: &Now, index: usize) {
        let Some(recording) = self.recordings.get_mut(index) else {
            return;
        };
        let most = self.settings.max_minutes * 60_000;
        let Bench { batch, room } = &mut self.bench;
        let mut turn = Turn {
            now,
            room,
            counters: &mut self.counters,
        };
        let (more, worked) = recording.work(&mut turn, batch);
        if more {
            self.left.flooded.push(index);
        } else if recording.is_over(now.monotonic) {
            self.left.over.push_back(index);
        }
        if let Err(problem) = worked {
            warn!("a recording cannot be written: {problem}");
            self.disk.is_suspect = true;
            self.stop(now, index, Why::of(&problem));
        } else if most > 0 && now.monotonic.since(recording.began_at).millis() >= most {
            self.stop(now, index, Why::MaxMinutes);
        }
    }

    fn look_at_timeouts(&mut self, now: &Now) {
        let all: Vec<usize> = self.connections.iter().map(|(index, _)| index).collect();
        self.next_timeout = FOREVER;
        for index in all {
            while let Some(connection) = self.connections.get_mut(index) {
                let Some(event) = connection.control.handle_timeout(now.monotonic) else {
                    self.next_timeout = self.next_timeout.min(connection.control.next_deadline());
                    break;
                };
                self.react(now, index, event);
            }
            // What silence has ended may have been answered without an event.
            self.flush(index);
        }
    }

    fn begin_to_end(&mut self, now: &Now) {
        if self.ending.is_none() {
            info!(
                "ending: {} recordings are being finished",
                self.recordings.len()
            );
            self.ending = Some(now.monotonic + SERVER_SHUTDOWN);
            self.listener = None;
            self.accepting = false;
            self.stop_all(now, Why::Shutdown);
        }
    }

    /// Finishes what is left, and sees it to the disk.
    fn close_down(mut self, now: &Now) -> Result<(), String> {
        let left: Vec<usize> = self.recordings.iter().map(|(index, _)| index).collect();
        left.into_iter().for_each(|index| self.finish(now, index));
        self.finish_last();
        let synced = self.archive.root().sync_file_system();
        synced.map_err(|problem| format!("{}: cannot be synced: {problem}", self.settings.dir))
    }
}
