//! The recording server: all that it holds. Its behaviour is in the files that add functions to
//! `RecordService`:
//!
//! | file | what it does |
//! | --- | --- |
//! | `event_loop` | waits, and gives each part its turn |
//! | `control` | control connections: accepts, reads, handles events |
//! | `start`, `finish` | the beginning and the end of a recording |
//! | `disk_check` | checks the folder and its file system |
//! | `report` | monitoring pages, counters for the parent process |

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::Arc;

use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Interest, Poll, Registry, Token, Waker};
use slab::Slab;

use crate::base::time::Instant;
use crate::io::listener;
use crate::io::process_channel::ProcessChannel;
use crate::io::signals::Signals;
use crate::server::http::HttpServer;
use crate::server::record::archive::Archive;
use crate::server::record::connection::ControlConnection;
use crate::server::record::counters::Counters;
use crate::server::record::disk_health::DiskHealth;
use crate::server::record::file_writer::FileFormat;
use crate::server::record::recording::{ServerRecording, Storage};
use crate::server::record::repair;
use crate::server::record::rtp_ports::RtpPorts;
use crate::server::record::settings::RecordSettings;
use crate::server::record::sync::Syncer;
use crate::server::record::unfinished::Unfinished;
#[cfg(feature = "s3")]
use crate::server::record::upload::Uploader;
use crate::server::record::workspace::Workspace;

pub(super) const SIGNALS: Token = Token(0);
pub(super) const LISTENER: Token = Token(1);
/// A sync has ended.
pub(super) const SYNCED: Token = Token(2);
/// The channel to the parent process.
pub(super) const PARENT: Token = Token(3);
const FIRST_HTTP: usize = 4;
/// Control connections have the tokens from here on.
pub(super) const FIRST_CONNECTION: usize = FIRST_HTTP + HttpServer::TOKENS;

pub(super) const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// The running server.
pub(super) struct RecordService {
    pub(super) settings: RecordSettings,
    pub(super) poll: Poll,
    pub(super) signals: Signals,
    pub(super) listener: Option<TcpListener>,
    pub(super) accepting: Accepting,
    pub(super) connections: Slab<ControlConnection>,
    /// Number of connections by address.
    pub(super) addresses: HashMap<IpAddr, u32>,
    pub(super) recordings: Slab<ServerRecording>,
    pub(super) unfinished: VecDeque<Unfinished>,
    pub(super) archive: Arc<Archive>,
    pub(super) storage: Storage,
    pub(super) ports: RtpPorts,
    pub(super) counters: Counters,
    pub(super) workspace: Workspace,
    pub(super) syncer: Syncer,
    /// Recordings of an earlier run that have been repaired.
    pub(super) repaired: Arc<AtomicU64>,
    #[cfg(feature = "s3")]
    pub(super) uploader: Option<Uploader>,
    pub(super) http: Option<HttpServer>,
    /// To the parent process, if this is one of several workers.
    pub(super) parent: Option<ProcessChannel>,
    /// When the parent is next sent the counters.
    pub(super) report_at: Instant,
    /// Something was written since the last sync began.
    pub(super) needs_sync: bool,
    pub(super) disk: DiskHealth,
    pub(super) tick_at: Instant,
    /// The earliest time-out of a connection.
    pub(super) next_timeout: Instant,
    pub(super) backlog: Backlog,
    /// When the server ends even if recordings are left; `None`: it is not shutting down.
    pub(super) shutdown_at: Option<Instant>,
}

/// Whether connections wait to be accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepting {
    /// The listener was drained; its next event says that more wait.
    Drained,
    /// Connections may wait.
    Ready,
    /// `accept` has failed, because no file descriptor was left. No event announces the waiting
    /// connections again, so the next tick tries.
    Starved,
}

/// Work that one turn had to leave to the next one. While there is some, the poll does not wait.
#[derive(Default)]
pub(super) struct Backlog {
    /// Recordings with more datagrams than one turn reads.
    pub(super) flooded: Vec<usize>,
    /// Recordings to be finished.
    pub(super) over: VecDeque<usize>,
    /// Connections with more bytes than one turn reads.
    pub(super) unread: Vec<usize>,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.flooded.is_empty() && self.over.is_empty() && self.unread.is_empty()
    }
}

/// The sources that the poll watches, opened first: a mistake in the configuration shows here.
struct EventSources {
    poll: Poll,
    signals: Signals,
    listener: TcpListener,
    parent: Option<ProcessChannel>,
    http: Option<HttpServer>,
}

impl EventSources {
    fn open(settings: &RecordSettings) -> Result<Self, String> {
        let poll = Poll::new().map_err(failed("epoll"))?;
        let registry = poll.registry();
        let signals = Signals::open().map_err(failed("signals"))?;
        watch(registry, SIGNALS, &mut SourceFd(&signals.fd()))?;
        let what = format!("--listen {}", settings.listen);
        let mut listener =
            listener::open(settings.listen, settings.worker).map_err(failed(&what))?;
        watch(registry, LISTENER, &mut listener)?;
        let mut parent = None;
        if settings.worker {
            let channel = ProcessChannel::of_standard_input().map_err(failed("standard input"))?;
            watch(registry, PARENT, &mut SourceFd(&channel.fd()))?;
            parent = Some(channel);
        }
        // A worker's counters are shown by its parent.
        let http = match settings.metrics {
            Some(address) if !settings.worker => {
                Some(HttpServer::open(address, registry, FIRST_HTTP)?)
            }
            _ => None,
        };
        Ok(Self {
            poll,
            signals,
            listener,
            parent,
            http,
        })
    }
}

fn watch(
    registry: &Registry,
    token: Token,
    source: &mut impl mio::event::Source,
) -> Result<(), String> {
    let watched = registry.register(source, token, Interest::READABLE);
    watched.map_err(failed("epoll"))
}

fn failed(what: &str) -> impl FnOnce(io::Error) -> String + '_ {
    move |error| format!("{what}: {error}")
}

impl RecordService {
    /// Opens the folder and the sockets, and starts the threads.
    pub(super) fn open(settings: RecordSettings) -> Result<Self, String> {
        let dir = format!("--dir {}", settings.dir);
        let archive = Archive::open(&settings.dir).map_err(|error| {
            format!("{dir}: {error}; it must be a folder, or a path where one can be created")
        })?;
        let archive = Arc::new(archive);
        let EventSources {
            poll,
            signals,
            listener,
            parent,
            http,
        } = EventSources::open(&settings)?;
        let waker = Waker::new(poll.registry(), SYNCED).map_err(failed("epoll"))?;
        let repaired = Arc::default();
        repair::start(archive.clone(), Arc::clone(&repaired)).map_err(failed("thread"))?;
        Ok(Self {
            #[cfg(feature = "s3")]
            uploader: Uploader::open(&settings)?,
            syncer: Syncer::start(waker).map_err(failed("thread"))?,
            storage: storage(&settings),
            ports: RtpPorts::new(settings.listen.ip(), settings.rtp_ports),
            settings,
            poll,
            signals,
            listener: Some(listener),
            accepting: Accepting::Ready,
            connections: Slab::new(),
            addresses: HashMap::new(),
            recordings: Slab::new(),
            unfinished: VecDeque::new(),
            archive,
            counters: Counters::new(),
            workspace: Workspace::default(),
            repaired,
            http,
            parent,
            report_at: Instant::default(),
            needs_sync: false,
            disk: DiskHealth::default(),
            tick_at: NEVER,
            next_timeout: NEVER,
            backlog: Backlog::default(),
            shutdown_at: None,
        })
    }

    /// There is something to do at each tick.
    pub(super) fn is_busy(&self) -> bool {
        !self.connections.is_empty()
            || !self.recordings.is_empty()
            || self.needs_sync
            || self.accepting == Accepting::Starved
    }

    /// The indices of all recordings, for loops that change them.
    pub(super) fn recording_indices(&self) -> Vec<usize> {
        self.recordings.iter().map(|(index, _)| index).collect()
    }
}

fn storage(settings: &RecordSettings) -> Storage {
    Storage {
        format: if settings.wav {
            FileFormat::Wav
        } else {
            FileFormat::Phone
        },
        file_limit: settings.file_limit,
        cut_pauses: settings.cut_pauses,
    }
}
