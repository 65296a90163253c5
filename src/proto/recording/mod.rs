//! One recording: packets in, frames mixed on its media clock, parts on the stick or frames to a server.
//!
//! `state` has the states, `audio` everything from packets to frames, `route` and `upload` the way to a server and from
//! there to the stick, `parts` and `file_writer` the files, `ending` the end. It does not know of other recordings, nor
//! who is told what: that is `recorder`.

use crate::base::limits::{BATCH, FRAME, RING_BYTES, RTP_FRAME_BYTES};
use crate::base::ring::Ring;
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::proto::media::media_clock::TooMany;
use crate::proto::record_client::RecordClient;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::audio::{Audio, Intake, Mixed, ReadOrder};
use crate::proto::recording::file_writer::{DiskError, Done, Op};
use crate::proto::recording::parts::Parts;
use crate::proto::recording::route::{Route, Sending};
use crate::proto::recording::setup::{Call, Ports, Setup};
use crate::proto::recording::state::{RecordingEvent, State};

pub mod audio;
mod disk_call;
mod ending;
pub mod file_writer;
pub mod part_history;
mod parts;
mod route;
pub mod setup;
pub mod state;
mod status;
mod upload;

/// A place for one recording, used again and again; its memory is allocated once.
pub struct Recording {
    state: State,
    setup: Setup,
    ports: Ports,
    audio: Audio,
    /// Frames mixed so far that the stick or the server gets.
    frames: u64,
    /// Those of them that are not written; with a fallback, also those that the server has been sent.
    ring: Ring,
    route: Route,
    parts: Parts,
    client: RecordClient,
    /// When packets are to be read again.
    read_at: Instant,
}

impl Recording {
    /// An empty place.
    pub fn new() -> Self {
        let setup = Setup::default();
        Self {
            state: State::Free,
            ports: Ports::new(),
            audio: Audio::new(),
            frames: 0,
            ring: Ring::new(RING_BYTES),
            route: Route::Stick,
            parts: Parts::new(setup.plan()),
            client: RecordClient::new(),
            read_at: Instant::default(),
            setup,
        }
    }

    /// Takes the place for a start; its ports come next.
    pub fn begin(&mut self, client: ClientId, legs: usize, setup: Setup) {
        self.state = State::Binding { client, legs };
        self.audio.stream = setup.stream();
        self.parts.begin(setup.plan());
        self.ring.clear();
        self.frames = 0;
        self.route = if setup.server.is_some() {
            Route::Server(Sending::default())
        } else {
            Route::Stick
        };
        self.setup = setup;
    }

    /// The ports are bound; the file or the server comes next.
    pub fn handle_bound(&mut self, now: Instant, ports: Ports) {
        if let State::Binding { client, .. } = self.state {
            self.ports = ports;
            self.state = State::Opening {
                client,
                bound_at: now,
            };
            if self.route.is_server() {
                self.audio.begin(now);
                self.client.start(now, &self.setup);
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
            State::Running | State::Draining { .. } => true,
            State::Opening { .. } => self.route.was_for_server(),
            _ => false,
        }
    }

    /// Packets are to be read now.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.read_at || matches!(self.state, State::Draining { .. })
    }

    /// When to look again; `None` when nobody is there.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let client = self.client.next_deadline();
        let tick = match self.state {
            State::Free => return None,
            State::Disconnecting => return client,
            _ => now.next_multiple_of(self.period()),
        };
        Some(client.map_or(tick, |at| at.min(tick)))
    }

    /// Pauses or resumes; `Ok(false)` when nothing changes.
    pub fn pause(&mut self, at: Instant, paused: bool) -> Result<bool, TooMany> {
        self.audio.pause(at, paused)
    }

    /// Ends the recording at `until`, once what had come by then has been read.
    pub fn stop(&mut self, now: Instant, until: Instant, client: Option<ClientId>) {
        match self.state {
            State::Running => self.state = State::Draining { until, client },
            State::Opening { .. } if self.route.is_server() => self.client.stop(now, &self.setup),
            _ => {}
        }
    }

    /// The stick is gone.
    pub fn handle_stick_gone(&mut self) {
        if !self.route.is_server() {
            self.parts.writer.handle_stick_gone();
        }
    }

    /// The ports are about to be read.
    pub fn handle_read(&mut self, now: Instant) -> ReadOrder {
        let order = self.audio.handle_read(now);
        if self.state == State::Running {
            order
        } else {
            ReadOrder::ByArrival
        }
    }

    /// When this packet should arrive by its timestamp, if it continues a source that is known.
    pub fn expected_arrival(&self, port: usize, datagram: &[u8]) -> Option<Instant> {
        self.audio.expected_arrival(port, datagram)
    }

    /// The sources of a port that are no flood, and how many packets of each came lately.
    pub fn steady_sources(&self, port: usize) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.audio.steady_sources(port)
    }

    /// A datagram on a port of this recording, in the order of arrival on all its ports.
    pub fn handle_rtp(
        &mut self,
        port: usize,
        arrival: Instant,
        datagram: &[u8],
        stats: &mut Stats,
    ) -> Intake {
        if !self.handle_timeout(arrival, stats) {
            return Intake::RingFull;
        }
        if matches!(self.state, State::Draining { until, .. } if arrival > until) {
            return Intake::Taken;
        }
        self.audio.handle_rtp(port, Some(arrival), datagram, stats)
    }

    /// A datagram while the ports are read one after the other; nothing is mixed before all have been read. Without an
    /// arrival it came since they were read last.
    pub fn handle_prompt_rtp(
        &mut self,
        port: usize,
        arrival: Option<Instant>,
        datagram: &[u8],
        stats: &mut Stats,
    ) -> Intake {
        self.audio.handle_rtp(port, arrival, datagram, stats)
    }

    /// Mixes what is due; `false` when the ring is full and the stick has to take some first.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if !self.listens() {
            return true;
        }
        while self.audio.clock.due(now) {
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
        if let State::Draining { until, client } = self.state {
            self.audio.stop(until);
            if !self.handle_timeout(now, stats) {
                return false;
            }
            self.parts.writer.finish();
            self.state = State::Closing { client };
            return true;
        }
        let asks_server = matches!(self.state, State::Opening { .. }) && self.route.is_server();
        if asks_server && !self.audio.clock.is_aligned() {
            // The server has not answered, and nobody has been heard: the recording begins now at the earliest.
            self.audio.begin(now);
            self.ring.clear();
            stats.take_back(Counter::Frames, std::mem::take(&mut self.frames));
        }
        self.audio.handle_drained(now);
        let mixed = self.handle_timeout(now, stats);
        if mixed {
            self.read_at = now.next_multiple_of(self.period());
        }
        mixed
    }

    fn mix(&mut self, stats: &mut Stats) {
        let mut frame = [0; RTP_FRAME_BYTES];
        let mixed = self.audio.mix(&self.setup, &mut frame, stats);
        let stored = matches!(mixed, Mixed::Frame { .. });
        if mixed != (Mixed::Frame { paused: false }) {
            self.parts.history.pause(self.frames, stored);
        }
        if stored {
            let pushed = self.ring.push(self.audio.stream.frame(&mut frame));
            debug_assert!(pushed, "bug: room was checked");
            self.frames += 1;
            stats.count(Counter::Frames);
        } else if self.route.is_server() {
            self.audio.stream.skip();
        }
    }

    /// The next call to the stick.
    pub fn disk_op(&mut self, now: Instant) -> Option<Op<'_>> {
        if self.route.is_server() {
            return None;
        }
        let first_frame_at = match (self.state, self.route) {
            (State::Free | State::Binding { .. } | State::Disconnecting, _) => return None,
            (State::Opening { bound_at, .. }, Route::Stick) => bound_at,
            _ => {
                let waiting = Duration::from_nanos(FRAME.nanos() * self.waiting_frames());
                self.audio.clock.next_frame_at() - waiting
            }
        };
        self.parts.op(now, first_frame_at, &self.ring)
    }

    /// Takes a call's result.
    pub fn disk_done(
        &mut self,
        now: Instant,
        result: Result<Done, DiskError>,
        stats: &mut Stats,
    ) -> Option<RecordingEvent> {
        let stored = self.frames - self.waiting_frames();
        let created = self.parts.done(now, stored, &mut self.ring, result);
        let State::Opening { client, .. } = self.state else {
            if created {
                return Some(RecordingEvent::Rolled);
            }
            return self.settle(now, stats);
        };
        if !self.parts.writer.is_open() {
            return self.settle(now, stats);
        }
        if !self.route.was_for_server() {
            self.audio.begin(now);
        }
        Some(self.handle_started(client, stats))
    }

    fn handle_started(&mut self, client: ClientId, stats: &mut Stats) -> RecordingEvent {
        self.state = State::Running;
        stats.count(Counter::Started);
        RecordingEvent::Started(client)
    }

    /// Frames that are mixed and wait in the ring.
    fn waiting_frames(&self) -> u64 {
        (self.ring.len() / self.audio.stream.frame_bytes()) as u64
    }

    /// How often packets are read: a server gets each frame in its time, a stick several at once. Also while the server
    /// is asked, so that the recording begins when it has answered.
    fn period(&self) -> Duration {
        if !self.route.is_server() {
            return BATCH;
        }
        let rests = self.audio.clock.rests() && !self.setup.pause_is_silence;
        let asks = matches!(self.state, State::Opening { .. });
        let sends = self.client.is_sending() && !(rests && self.unsent() == 0);
        if asks || sends {
            FRAME
        } else {
            BATCH
        }
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self::new()
    }
}
