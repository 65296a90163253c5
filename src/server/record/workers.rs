//! Several processes behind one address. Each listens on it and accepts the connections that the
//! kernel assigns to it, and each has a share of the RTP ports. The parent restarts and ends them,
//! and sums their counters. They share nothing else, so the end of one affects its own phones only.

use std::ffi::OsString;
use std::process::{Child, Command, Stdio};

use log::{error, info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Registry, Token};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::base::limits::server::{RESTART_AFTER, SERVER_SHUTDOWN, WORKER_SILENCE};
use crate::base::time::Instant;
use crate::io::clock;
use crate::io::listener::ReservedPort;
use crate::io::process_channel::{ProcessChannel, Received};
use crate::io::signals::Signals;
use crate::server::http::HttpServer;
use crate::server::monitoring::{self, Health};
use crate::server::record::counters::{Counters, Gauge};
use crate::server::record::disk_problem::DiskProblem;
use crate::server::record::rtp_ports::split_range;
use crate::server::record::settings::RecordSettings;
#[cfg(feature = "s3")]
use crate::server::record::upload::Uploader;

const SIGNALS: Token = Token(0);
const FIRST_HTTP: usize = 1;
const FIRST_WORKER: usize = FIRST_HTTP + HttpServer::TOKENS;

/// Longer than a worker's counters.
const MESSAGE_BYTES: usize = 4096;

/// The parent process.
pub(super) struct Workers {
    poll: Poll,
    signals: Signals,
    http: Option<HttpServer>,
    /// Keeps the port while a worker is restarted.
    port: ReservedPort,
    workers: Vec<Worker>,
    /// The counters of workers that have ended.
    ended: Counters,
    /// The parent uploads the recordings of all workers.
    #[cfg(feature = "s3")]
    uploader: Option<Uploader>,
    /// The recordings' folder.
    dir: String,
    /// All workers have reported once, and the log says so.
    is_ready: bool,
    /// When the workers are killed; `None`: the server is not shutting down.
    kill_at: Option<Instant>,
}

/// A worker process.
struct Worker {
    arguments: Vec<OsString>,
    state: WorkerState,
    started_at: Instant,
    /// Its last report, and when that was received.
    report: Option<(Counters, Instant)>,
}

enum WorkerState {
    /// To be started at this time.
    Stopped(Instant),
    Running(Child, ProcessChannel),
    /// It has ended while the server is shutting down.
    Ended,
}

impl Workers {
    /// Opens the address. `arguments`: the command line, which each worker gets as well.
    pub(super) fn open(settings: &RecordSettings, arguments: &[OsString]) -> Result<Self, String> {
        let problem = |error| format!("--listen {}: {error}", settings.listen);
        let port = ReservedPort::open(settings.listen).map_err(problem)?;
        let listen = port.address().map_err(problem)?.to_string();
        let epoll = |error| format!("epoll: {error}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        let registry = poll.registry();
        registry
            .register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE)
            .map_err(epoll)?;
        let http = match settings.metrics {
            Some(address) => Some(HttpServer::open(address, registry, FIRST_HTTP)?),
            None => None,
        };
        let ranges = split_range(settings.rtp_ports, settings.workers)?;
        let workers = ranges
            .iter()
            .map(|range| Worker::new(arguments, &listen, range))
            .collect();
        Ok(Self {
            #[cfg(feature = "s3")]
            uploader: Uploader::open(settings)?,
            ended: Counters::new(),
            dir: settings.dir.clone(),
            is_ready: false,
            kill_at: None,
            poll,
            signals,
            http,
            port,
            workers,
        })
    }

    /// Runs until a signal has come and all workers have ended.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(64);
        loop {
            let now = clock::monotonic();
            self.start_due(now);
            if self.kill_at.is_some() && !self.workers.iter().any(Worker::is_running) {
                return Ok(());
            }
            let timeout = self
                .next_deadline()
                .map(|at| std::time::Duration::from_nanos(at.since(now).nanos()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(format!("epoll: {error}"))
                }
                _ => {}
            }
            let now = clock::monotonic();
            for event in &events {
                self.handle_event(now, event.token());
            }
            if let Some(http) = &mut self.http {
                http.handle_timeout(now);
            }
            if self.kill_at.is_some_and(|at| now >= at) {
                self.workers.iter_mut().for_each(Worker::kill);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let starts = self.workers.iter().filter_map(Worker::start_at);
        let http = self.http.as_ref().and_then(HttpServer::next_deadline);
        starts.chain(http).chain(self.kill_at).min()
    }

    fn handle_event(&mut self, now: Instant, token: Token) {
        match token {
            SIGNALS => {
                while self.signals.next_action().is_some() {
                    self.begin_shutdown(now);
                }
            }
            Token(number) if number >= FIRST_WORKER => {
                self.handle_worker(now, number - FIRST_WORKER)
            }
            token => self.handle_http(now, token),
        }
    }

    fn begin_shutdown(&mut self, now: Instant) {
        // Twice the time that a worker allows itself.
        let kill_at = now + SERVER_SHUTDOWN + SERVER_SHUTDOWN;
        self.kill_at.get_or_insert(kill_at);
        for worker in &mut self.workers {
            worker.terminate();
        }
    }

    fn handle_http(&mut self, now: Instant, token: Token) {
        let sum = self.counters(now);
        let write_health = |text: &mut String| {
            let healthy = sum.gauge(Gauge::Healthy);
            let count = sum.gauge(Gauge::Workers);
            if healthy == count {
                text.push_str("ok\n");
                return Health::Healthy;
            }
            *text += &format!("{healthy} of {count} processes can store recordings\n");
            if let Some(problem) = DiskProblem::from_code(sum.gauge(Gauge::DiskProblem)) {
                *text += &format!("{}\n", problem.message(&self.dir));
            }
            Health::Unhealthy
        };
        let mut pages = |path: &str| monitoring::page(path, |text| sum.print(text), write_health);
        if let Some(http) = &mut self.http {
            http.handle_event(self.poll.registry(), token, now, &mut pages);
        }
    }

    /// The sum of all counters, including those of workers that have ended.
    fn counters(&self, now: Instant) -> Counters {
        let mut sum = self.ended.clone();
        for worker in &self.workers {
            let Some((mut counters, reported_at)) = worker.report.clone() else {
                continue;
            };
            if now.since(reported_at) >= WORKER_SILENCE {
                counters.set(Gauge::Healthy, 0); // its last report is no longer true
            }
            sum.merge(&counters);
        }
        sum.set(Gauge::Workers, self.workers.len() as u64);
        #[cfg(feature = "s3")]
        if let Some(uploader) = &self.uploader {
            uploader.set_gauges(&mut sum);
        }
        sum
    }

    /// Reads a worker's reports, and notices its end.
    fn handle_worker(&mut self, now: Instant, number: usize) {
        let Some(worker) = self.workers.get_mut(number) else {
            return;
        };
        let mut buffer = [0; MESSAGE_BYTES];
        while let WorkerState::Running(child, channel) = &mut worker.state {
            match channel.receive(&mut buffer) {
                Received::Empty => break,
                Received::Message(len) => {
                    if let Some(counters) = Counters::parse(&buffer[..len]) {
                        worker.report = Some((counters, now));
                    }
                }
                Received::Closed => {
                    let status = child.kill().and_then(|()| child.wait());
                    if let Some((counters, _)) = worker.report.take() {
                        self.ended.merge(&counters.without_gauges());
                    }
                    if self.kill_at.is_some() {
                        worker.state = WorkerState::Ended;
                        break;
                    }
                    let status =
                        status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    error!("worker {number} has ended ({status}); it is restarted");
                    let start_at = now.max(worker.started_at + RESTART_AFTER);
                    worker.state = WorkerState::Stopped(start_at);
                }
            }
        }
        let is_ready = self.workers.iter().all(|worker| worker.report.is_some());
        if is_ready && !self.is_ready {
            self.is_ready = true;
            self.log_ready();
        }
    }

    fn log_ready(&self) {
        let version = env!("CARGO_PKG_VERSION");
        let address = self.port.address();
        let address = address.map_or_else(|_| "?".into(), |address| address.to_string());
        match self.http.as_ref().and_then(HttpServer::address) {
            Some(metrics) => {
                info!("callrec-server {version} is ready on {address}, metrics on {metrics}");
            }
            None => info!("callrec-server {version} is ready on {address}"),
        }
    }

    fn start_due(&mut self, now: Instant) {
        if self.kill_at.is_some() {
            return;
        }
        for (number, worker) in self.workers.iter_mut().enumerate() {
            if worker.start_at().is_none_or(|at| now < at) {
                continue;
            }
            let token = Token(FIRST_WORKER + number);
            worker.started_at = now;
            worker.state = match worker.start(self.poll.registry(), token) {
                Ok((child, channel)) => WorkerState::Running(child, channel),
                Err(problem) => {
                    warn!("worker {number} cannot be started: {problem}");
                    WorkerState::Stopped(now + RESTART_AFTER)
                }
            };
        }
    }
}

impl Worker {
    fn new(arguments: &[OsString], listen: &str, rtp_ports: &str) -> Self {
        let own = [
            "--worker",
            "1",
            "--listen",
            listen,
            "--rtp-ports",
            rtp_ports,
        ];
        let own = own.map(OsString::from);
        Self {
            arguments: [arguments, &own].concat(),
            state: WorkerState::Stopped(Instant::default()),
            started_at: Instant::default(),
            report: None,
        }
    }

    fn is_running(&self) -> bool {
        matches!(self.state, WorkerState::Running(..))
    }

    fn start_at(&self) -> Option<Instant> {
        match self.state {
            WorkerState::Stopped(at) => Some(at),
            WorkerState::Running(..) | WorkerState::Ended => None,
        }
    }

    fn start(&self, registry: &Registry, token: Token) -> std::io::Result<(Child, ProcessChannel)> {
        let (channel, theirs) = ProcessChannel::pair()?;
        registry.register(&mut SourceFd(&channel.fd()), token, Interest::READABLE)?;
        // This path names the running program, even if the file has been replaced by a newer one.
        let mut command = Command::new("/proc/self/exe");
        command.arg("record").args(&self.arguments);
        let child = command.stdin(Stdio::from(theirs)).spawn()?;
        Ok((child, channel))
    }

    /// Asks it to end. One that is not running is not started again.
    fn terminate(&mut self) {
        if let WorkerState::Running(child, _) = &self.state {
            let _ = kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM);
        } else {
            self.state = WorkerState::Ended;
        }
    }

    fn kill(&mut self) {
        if let WorkerState::Running(child, _) = &mut self.state {
            let _ = child.kill();
        }
    }
}
