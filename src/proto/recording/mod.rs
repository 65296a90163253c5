//! One recording: packets in, frames mixed on its timeline, parts on the stick or frames to a server.
//!
//! ```text
//! Free -> Ports -> Opening -> Running -> Draining -> Closing -> Leaving -> Free
//!          bind     create     mix        read what   write what  the server
//!          ports    file                  has come    is mixed    hears of it
//! ```
//! A start is answered when the file is open or the server has said yes, a stop when the file is closed or the
//! server knows. A failure of the stick leads from anywhere to Free; `upload` is about the server. Times of
//! packets are their kernel arrival times: after a stall the backlog is mixed as if it had been read in time.

use crate::base::limits::{FRAME, MAX_PARTS_NAMED, MAX_PORTS, PROMPT, RING_BYTES, RTP_FRAME_BYTES};
use crate::base::ring::Ring;
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::media::media_clock::{Timeline, TooMany};
use crate::proto::media::mixer::Mixer;
use crate::proto::media::rtp_stream::LocalStream;
use crate::proto::media::sources::{Sources, When};
use crate::proto::record_client::Uplink;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::{DiskError, Name, Part};
use crate::proto::recording::part_history::Chronicle;
use crate::proto::recording::setup::{Call, Setup};
use crate::wire::rtp;
use upload::Upload;

mod ending;
pub mod file_writer;
mod files;
pub mod part_history;
pub mod setup;
mod upload;

/// The leg ports in order, then the local stream's.
pub type Ports = heapless::Vec<u16, MAX_PORTS>;

/// Where a recording stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody's.
    Free,
    /// Its ports are being bound for this client's start.
    Ports(ClientId),
    /// Its file is being created for this client's start.
    Opening(ClientId),
    /// It records, or is paused.
    Running,
    /// It ends here; packets that came before are still being read.
    Draining(Instant, Option<ClientId>),
    /// Its last frames are on their way to the stick or the server.
    Closing(Option<ClientId>),
    /// It has ended, and everyone knows but the server.
    Leaving,
}

/// A change that others must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file is open, or the server waits for frames: the start can be answered.
    Started(ClientId),
    /// The next part is open, or the first one of a recording that the server does not take any more.
    Rolled,
    /// All is where it belongs: the stop can be answered.
    Stopped(Option<ClientId>),
    /// The recording could not begin.
    Refused(ClientId, Failure),
    /// The recording ended by itself. Whoever waits for an answer gets a failure.
    Failed(Option<ClientId>, Failure),
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stick's.
    Stick(DiskError),
    /// The server's: `Recording::why` has the words.
    Server,
}

/// A place for one recording, used again and again; its memory is allocated once.
pub struct Recording {
    state: State,
    setup: Setup,
    sources: Sources,
    mixer: Mixer,
    timeline: Timeline,
    stream: LocalStream,
    ring: Ring,
    part: Part,
    ports: Ports,
    uplink: Uplink,
    upload: Upload,
    /// When packets are to be read again.
    read_at: Instant,
    /// As many as `MAX_PARTS_NAMED`: what is not used is not touched.
    names: Vec<Name>,
    parts: u32,
    frames: u64,
    chronicle: Chronicle,
    bound_at: Instant,
    /// All packets that came until then have been read.
    drained_at: Instant,
    /// When what has not been read came.
    unread: When,
}

impl Recording {
    /// An empty place.
    pub fn new() -> Self {
        let setup = Setup::default();
        Self {
            state: State::Free,
            sources: Sources::new(),
            mixer: Mixer::new(),
            timeline: Timeline::new(Instant::default()),
            stream: setup.stream(),
            ring: Ring::new(RING_BYTES),
            part: Part::new(setup.plan()),
            ports: Ports::new(),
            uplink: Uplink::new(),
            upload: Upload::default(),
            read_at: Instant::default(),
            names: Vec::with_capacity(MAX_PARTS_NAMED),
            parts: 0,
            frames: 0,
            chronicle: Chronicle::default(),
            bound_at: Instant::default(),
            drained_at: Instant::default(),
            unread: When::Between(0, 0),
            setup,
        }
    }

    /// Takes the place for a start; its ports come next.
    pub fn begin(&mut self, client: ClientId, setup: Setup) {
        self.state = State::Ports(client);
        self.stream = setup.stream();
        self.part = Part::new(setup.plan());
        self.ring.clear();
        self.names.clear();
        (self.parts, self.frames) = (0, 0);
        self.chronicle = Chronicle::default();
        self.upload = Upload::new(setup.server.is_some());
        self.setup = setup;
    }

    /// The ports are bound; the file or the server comes next.
    pub fn handle_bound(&mut self, now: Instant, ports: Ports) {
        if let State::Ports(client) = self.state {
            self.ports = ports;
            self.state = State::Opening(client);
            self.bound_at = now;
            if self.upload.wanted {
                (self.timeline, self.drained_at) = (Timeline::new(now), now);
                self.uplink.start(now, &self.setup);
            }
        }
    }

    /// Gives the place back before anything was recorded.
    pub fn free(&mut self) {
        self.state = State::Free;
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// How it is made.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// What is known of the call, to be replaced by a stop's values.
    pub fn call_mut(&mut self) -> &mut Call {
        &mut self.setup.call
    }

    /// Packets are wanted. Those that come before a server has answered are recorded, too.
    pub fn listens(&self) -> bool {
        match self.state {
            State::Running | State::Draining(..) => true,
            State::Opening(_) => self.upload.wanted,
            _ => false,
        }
    }

    /// Packets are to be read now.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.read_at || matches!(self.state, State::Draining(..))
    }

    /// When to look again; `None` when nobody is there.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let uplink = self.uplink.next_deadline();
        let tick = match self.state {
            State::Free => return None,
            State::Leaving => return uplink,
            _ => now.next_multiple_of(self.period()),
        };
        Some(uplink.map_or(tick, |at| at.min(tick)))
    }

    /// Where its legs and its local stream are received.
    pub fn ports(&self) -> &Ports {
        &self.ports
    }

    /// Frames recorded so far.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    /// Their length in milliseconds.
    pub fn duration_ms(&self) -> u64 {
        self.frames * FRAME.millis()
    }

    /// Free bytes on the stick when they were last asked for.
    pub fn free_bytes(&self) -> u64 {
        self.part.free_bytes()
    }

    /// The names of the parts, as many as are kept, and the number of all parts.
    pub fn names(&self) -> (&[Name], u32) {
        (&self.names, self.parts)
    }

    /// Of the part that is being written, what a power cut leaves.
    pub fn durable_bytes(&self) -> u64 {
        self.part.durable_bytes()
    }

    /// The part that is being written has this name.
    pub fn writes(&self, name: &[u8]) -> bool {
        self.state != State::Free
            && self
                .names
                .last()
                .is_some_and(|current| current.as_bytes() == name)
    }

    /// Sources that are being mixed.
    pub fn legs_heard(&self) -> usize {
        self.sources.count()
    }

    /// The latest pause or resume was a pause.
    pub fn paused(&self) -> bool {
        self.timeline.paused()
    }

    /// Pauses or resumes; `Ok(false)` when nothing changes.
    pub fn pause(&mut self, now: Instant, paused: bool) -> Result<bool, TooMany> {
        self.timeline.pause(now, paused)
    }

    /// Ends the recording at `at`, once what had come by then has been read.
    pub fn stop(&mut self, now: Instant, at: Instant, client: Option<ClientId>) {
        match self.state {
            State::Running => self.state = State::Draining(at, client),
            State::Opening(_) if self.upload.active => self.uplink.stop(now, &self.setup),
            _ => {}
        }
    }

    /// The stick is gone.
    pub fn lose_stick(&mut self) {
        if !self.upload.active {
            self.part.lose();
        }
    }

    /// All ports are about to be read, and were read shortly before: each packet that came in between may
    /// be given without its arrival, in any order of the ports, before anything is mixed.
    pub fn reads_promptly(&mut self, now: Instant) -> bool {
        self.unread = When::Between(
            self.timeline.position(self.drained_at),
            self.timeline.position(now),
        );
        self.state == State::Running && now.since(self.drained_at) <= PROMPT
    }

    /// When this packet should arrive by its timestamp, if it goes on with a source that is known.
    pub fn expected_arrival(&self, port: usize, datagram: &[u8]) -> Option<Instant> {
        let packet = rtp::Packet::parse(datagram).ok()?;
        self.sources
            .expected_at(port, &packet)
            .map(|at| self.timeline.instant(at))
    }

    /// The sources of a port that are no flood, and how many packets of each came lately.
    pub fn steady_sources(&self, port: usize) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.sources.steady(port)
    }

    /// A packet on port `port` of this recording. With its arrival: either `handle_timeout(arrival)` has
    /// returned `true` before, or the recording `reads_promptly`. `false`: its arrival is needed.
    #[must_use]
    pub fn handle_rtp(
        &mut self,
        port: usize,
        arrival: Option<Instant>,
        datagram: &[u8],
        stats: &mut Stats,
    ) -> bool {
        let packet = match rtp::Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(error) => {
                stats.count(if error == rtp::Error::Rtcp {
                    Counter::Rtcp
                } else {
                    Counter::NotRtp
                });
                return true;
            }
        };
        let when = match arrival {
            None if !self.timeline.is_aligned() => return false,
            None => self.unread,
            Some(arrival) => {
                if matches!(self.state, State::Draining(at, _) if arrival > at) {
                    return true;
                }
                if Sources::is_audio(&packet) {
                    self.timeline.align(arrival);
                }
                When::At(self.timeline.position(arrival))
            }
        };
        self.sources
            .put(port, &packet, when, self.timeline.clock(), stats)
    }

    /// Mixes what is due; `false` when the ring is full and the stick has to take some first.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if !self.listens() {
            return true;
        }
        while self.timeline.due(now) {
            if !self.make_room(stats) {
                return false;
            }
            self.mix(stats);
        }
        true
    }

    /// All packets that came until `now` have been read. Ends a recording that is to stop.
    #[must_use]
    pub fn handle_drained(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if let State::Draining(at, client) = self.state {
            self.timeline.stop(at, self.sources.ends_at());
            if !self.handle_timeout(now, stats) {
                return false;
            }
            self.part.finish();
            self.state = State::Closing(client);
            return true;
        }
        self.sources.handle_drained();
        if self.upload.active
            && !self.timeline.is_aligned()
            && matches!(self.state, State::Opening(_))
        {
            // The server has not answered, and nobody has been heard: the recording begins now at the earliest.
            self.timeline = Timeline::new(now);
            self.ring.clear();
            stats.take_back(Counter::Frames, std::mem::take(&mut self.frames));
        }
        self.drained_at = now;
        let mixed = self.handle_timeout(now, stats);
        if mixed {
            self.read_at = now.next_multiple_of(self.period());
        }
        mixed
    }

    fn mix(&mut self, stats: &mut Stats) {
        let mut frame = [0; RTP_FRAME_BYTES];
        let Some(codes) = frame.last_chunk_mut() else {
            return;
        };
        self.mixer.mix(
            &mut self.sources,
            self.timeline.clock(),
            self.setup.law,
            codes,
            stats,
        );
        if !self.timeline.advance() {
            self.chronicle
                .pause(self.frames, self.setup.pause_is_silence);
            if !self.setup.pause_is_silence {
                if self.upload.active {
                    self.stream.skip();
                }
                return;
            }
            codes.fill(self.setup.law.silence());
        }
        let stored = self.ring.push(self.stream.frame(&mut frame));
        debug_assert!(stored, "bug: room was checked");
        self.frames += 1;
        stats.count(Counter::Frames);
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}
