//! Several processes behind one address: each listens there itself, takes its share of the connections as the kernel
//! deals them out, and has its share of the RTP ports. What is left for the one that starts them: to start them again,
//! to end them, and to add up what they count. They share nothing else, so the end of one is felt by its own phones
//! only.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use log::{error, info, warn};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

use crate::base::limits::server::{RESTART_AFTER, SERVER_SHUTDOWN, WORKER_SILENCE};
use crate::base::time::Instant;
use crate::io::clock;
use crate::io::listener::Reserved;
use crate::io::process_channel::Link;
use crate::io::signals::Signals;
use crate::server::metrics::{Metrics, Page};
use crate::server::record::counters::{Counters, Gauge};
use crate::server::record::degraded::Trouble;
use crate::server::record::settings::Settings;
#[cfg(feature = "s3")]
use crate::server::record::upload::Uploader;

const SIGNALS: Token = Token(0);
const FIRST_METRICS: usize = 1;
const FIRST_WORKER: usize = FIRST_METRICS + Metrics::TOKENS;

/// Room for a worker's counters.
const MESSAGE_BYTES: usize = 4096;

/// The process that starts the others.
pub(super) struct Workers {
    poll: Poll,
    signals: Signals,
    metrics: Option<Metrics>,
    /// Holds the port while a worker is being started again.
    reserved: Reserved,
    workers: Vec<Worker>,
    /// What those counted that are gone.
    gone: Counters,
    /// One uploads what all have recorded.
    #[cfg(feature = "s3")]
    uploader: Option<Uploader>,
    /// The recordings' folder.
    dir: String,
    ready: bool,
    ending: Option<Instant>,
}

/// One of them.
struct Worker {
    arguments: Vec<OsString>,
    process: Option<(Child, Link)>,
    counters: Option<Counters>,
    /// When it has told what it has counted.
    heard_at: Instant,
    started_at: Instant,
    restart_at: Option<Instant>,
}

impl Workers {
    /// Starts them. `arguments`: what each is told, besides its share.
    pub(super) fn open(settings: &Settings, arguments: &[OsString]) -> Result<Self, String> {
        let problem = |error| format!("control connections on {}: {error}", settings.listen);
        let reserved = Reserved::open(settings.listen).map_err(problem)?;
        let listen = reserved.address().map_err(problem)?.to_string();
        let epoll = |error| format!("epoll: {error}");
        let poll = Poll::new().map_err(epoll)?;
        let signals = Signals::open().map_err(|error| format!("signals: {error}"))?;
        poll.registry()
            .register(&mut SourceFd(&signals.fd()), SIGNALS, Interest::READABLE)
            .map_err(epoll)?;
        let metrics = settings
            .metrics
            .map(|address| Metrics::open(address, poll.registry(), FIRST_METRICS))
            .transpose()?;
        let mut workers = vec![];
        for share in shares(settings.rtp_ports, settings.workers)? {
            let own = ["--worker", "1", "--listen", &listen, "--rtp-ports", &share];
            let arguments = arguments
                .iter()
                .cloned()
                .chain(own.map(OsString::from))
                .collect();
            let restart_at = Some(Instant::default());
            workers.push(Worker {
                arguments,
                process: None,
                counters: None,
                heard_at: Instant::default(),
                started_at: Instant::default(),
                restart_at,
            });
        }
        Ok(Self {
            #[cfg(feature = "s3")]
            uploader: Uploader::open(settings)?,
            gone: Counters::new(),
            dir: settings.dir.clone(),
            ready: false,
            ending: None,
            poll,
            signals,
            metrics,
            reserved,
            workers,
        })
    }

    /// Runs until a signal ends it, and all of them have ended.
    pub(super) fn run(mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(64);
        loop {
            let now = clock::monotonic();
            self.start_due(now);
            if self.ending.is_some() && self.workers.iter().all(|worker| worker.process.is_none()) {
                return Ok(());
            }
            let deadlines = self.workers.iter().filter_map(|worker| worker.restart_at);
            let metrics = self.metrics.as_ref().and_then(Metrics::next_deadline);
            let deadline = deadlines.chain(metrics).chain(self.ending).min();
            let timeout = deadline.map(|at| std::time::Duration::from_nanos(at.since(now).nanos()));
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                    return Err(format!("epoll: {error}"))
                }
                _ => {}
            }
            let now = clock::monotonic();
            events
                .iter()
                .for_each(|event| self.handle(now, event.token()));
            if let Some(metrics) = &mut self.metrics {
                metrics.handle_timeout(now);
            }
            if self.ending.is_some_and(|until| now >= until) {
                self.workers.iter_mut().for_each(Worker::kill);
            }
        }
    }

    fn handle(&mut self, now: Instant, token: Token) {
        match token.0.checked_sub(FIRST_WORKER) {
            Some(number) => self.hear(now, number),
            None if token == SIGNALS => {
                while self.signals.next_order().is_some() {
                    // Longer than a worker may take itself: it is asked first.
                    self.ending
                        .get_or_insert(now + SERVER_SHUTDOWN + SERVER_SHUTDOWN);
                    self.workers
                        .iter()
                        .for_each(|worker| worker.signal(Signal::SIGTERM));
                }
            }
            None => {
                let (all, dir) = (self.counters(now), &self.dir);
                let mut page = |page: Page, text: &mut String| {
                    let (healthy, wanted) = (all.gauge(Gauge::Healthy), all.gauge(Gauge::Workers));
                    match page {
                        Page::Metrics => all.print(text),
                        Page::Health if healthy == wanted => text.push_str("ok\n"),
                        Page::Health => {
                            *text +=
                                &format!("{healthy} of {wanted} processes can store recordings\n");
                            let trouble = Trouble::of(all.gauge(Gauge::DiskTrouble));
                            trouble
                                .iter()
                                .for_each(|trouble| *text += &format!("{}\n", trouble.words(dir)));
                        }
                    }
                    healthy == wanted
                };
                if let Some(metrics) = &mut self.metrics {
                    metrics.handle(self.poll.registry(), token, now, &mut page);
                }
            }
        }
    }

    /// What all have counted, those that are gone included.
    fn counters(&self, now: Instant) -> Counters {
        let mut all = self.gone.clone();
        for worker in &self.workers {
            let Some(mut counters) = worker.counters.clone() else {
                continue;
            };
            if now.since(worker.heard_at) >= WORKER_SILENCE {
                counters.set(Gauge::Healthy, 0); // what it said last is not true any more
            }
            all.merge(&counters);
        }
        all.set(Gauge::Workers, self.workers.len() as u64);
        #[cfg(feature = "s3")]
        self.uploader
            .iter()
            .for_each(|uploader| uploader.show(&mut all));
        all
    }

    /// Takes what a worker has to say, which may be its end.
    fn hear(&mut self, now: Instant, number: usize) {
        let Some(worker) = self.workers.get_mut(number) else {
            return;
        };
        let mut buffer = [0; MESSAGE_BYTES];
        while let Some((child, link)) = &mut worker.process {
            match link.receive(&mut buffer) {
                None => break,
                Some(0) => {
                    let status = child.kill().and_then(|()| child.wait());
                    if let Some(counters) = worker.counters.take() {
                        self.gone.merge(&counters.without_gauges());
                    }
                    worker.process = None; // and its link leaves the poll
                    if self.ending.is_none() {
                        let status = status
                            .map_or_else(|error| error.to_string(), |status| status.to_string());
                        error!("worker {number} has ended ({status}); it is started again");
                        worker.restart_at = Some(now.max(worker.started_at + RESTART_AFTER));
                    }
                }
                Some(len) => {
                    worker.counters = Counters::parse(&buffer[..len]).or(worker.counters.take());
                    worker.heard_at = now;
                }
            }
        }
        if !self.ready && self.workers.iter().all(|worker| worker.counters.is_some()) {
            self.ready = true;
            let address = self
                .reserved
                .address()
                .map_or_else(|_| "?".into(), |address| address.to_string());
            let metrics = self.metrics.as_ref().and_then(Metrics::address);
            let metrics =
                metrics.map_or_else(String::new, |metrics| format!(", metrics on {metrics}"));
            info!(
                "callrec-server {} is ready on {address}{metrics}",
                env!("CARGO_PKG_VERSION")
            );
        }
    }

    fn start_due(&mut self, now: Instant) {
        for (number, worker) in self.workers.iter_mut().enumerate() {
            if self.ending.is_some() || worker.restart_at.is_none_or(|at| now < at) {
                continue;
            }
            (worker.started_at, worker.restart_at) = (now, None);
            let registry = self.poll.registry();
            let started = worker.start().and_then(|(child, link)| {
                let token = Token(FIRST_WORKER + number);
                registry.register(&mut SourceFd(&link.fd()), token, Interest::READABLE)?;
                Ok((child, link))
            });
            match started {
                Ok(process) => worker.process = Some(process),
                Err(problem) => {
                    warn!("worker {number} cannot be started: {problem}");
                    worker.restart_at = Some(now + RESTART_AFTER);
                }
            }
        }
    }
}

impl Worker {
    fn start(&self) -> std::io::Result<(Child, Link)> {
        let (link, theirs): (Link, OwnedFd) = Link::pair()?;
        // This very program, also when a newer one has been put in its place.
        let mut command = Command::new("/proc/self/exe");
        let child = command
            .arg("record")
            .args(&self.arguments)
            .stdin(Stdio::from(theirs))
            .spawn()?;
        Ok((child, link))
    }

    fn signal(&self, signal: Signal) {
        if let Some((child, _)) = &self.process {
            let _ = kill(Pid::from_raw(child.id() as i32), signal);
        }
    }

    fn kill(&mut self) {
        if let Some((child, _)) = &mut self.process {
            let _ = child.kill();
        }
    }
}

/// Each worker's ports.
pub(super) fn shares((low, high): (u16, u16), workers: usize) -> Result<Vec<String>, String> {
    let ports = usize::from(high - low) + 1;
    if ports < workers {
        return Err(format!(
            "--rtp-ports {low}-{high} are too few for {workers} workers"
        ));
    }
    let begin = |worker: usize| usize::from(low) + ports * worker / workers;
    Ok((0..workers)
        .map(|worker| format!("{}-{}", begin(worker), begin(worker + 1) - 1))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_shared_out_whole() {
        assert_eq!(
            shares((100, 109), 3).unwrap(),
            ["100-102", "103-105", "106-109"]
        );
        assert_eq!(shares((1, 65535), 1).unwrap(), ["1-65535"]);
        assert!(shares((5, 6), 3).is_err());
    }
}
