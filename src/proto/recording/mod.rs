//! One recording: takes packets, mixes frames on its media clock, and passes them to parts on the
//! stick or to a server.
//!
//! `state` has the states, `audio` everything from packets to frames, `route` and `upload` the
//! connection to a server and the fallback to the stick, `parts` and `file_writer` the files,
//! `ending` the end. This module does not know of other recordings, nor who receives which message:
//! that is the task of `recorder`.

use crate::base::limits::{BATCH, FRAME, RING_BYTES, RTP_FRAME_BYTES};
use crate::base::ring::Ring;
use crate::base::stats::{Counter, Stats};
use crate::base::time::{Duration, Instant};
use crate::proto::media::formats::PortFormats;
use crate::proto::media::leg_monitor::LegEvent;
use crate::proto::media::media_clock::TooMany;
use crate::proto::record_client::RecordClient;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::audio::{Intake, Mixed, ReadOrder, RecordingAudio};
use crate::proto::recording::file_writer::{DiskDone, DiskError, DiskOp};
use crate::proto::recording::parts::Parts;
use crate::proto::recording::route::{Route, Sending};
use crate::proto::recording::setup::{Call, Ports, Setup};
use crate::proto::recording::state::{RecordingEvent, RecordingState};

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

/// A slot for one recording. It is reused; its memory is allocated once.
pub struct Recording {
    state: RecordingState,
    setup: Setup,
    ports: Ports,
    audio: RecordingAudio,
    /// Frames mixed so far for the stick or the server.
    frames: u64,
    /// Frames of the call that were not paused.
    unpaused: u64,
    /// Those frames that are not written yet; with a fallback, also those that were already sent to
    /// the server.
    ring: Ring,
    route: Route,
    parts: Parts,
    client: RecordClient,
    /// When packets must be read again.
    read_at: Instant,
}

impl Recording {
    /// An empty slot.
    pub fn new() -> Self {
        let setup = Setup::default();
        Self {
            state: RecordingState::Free,
            ports: Ports::new(),
            audio: RecordingAudio::new(),
            frames: 0,
            unpaused: 0,
            ring: Ring::new(RING_BYTES),
            route: Route::Stick,
            parts: Parts::new(setup.plan()),
            client: RecordClient::new(),
            read_at: Instant::default(),
            setup,
        }
    }

    /// Takes the slot for a start request; binding the ports is the next step.
    pub fn begin(&mut self, client: ClientId, legs: usize, setup: Setup) {
        self.state = RecordingState::Binding { client, legs };
        self.audio.stream = setup.stream();
        self.audio.set_formats(setup.formats.clone());
        self.audio.set_law(setup.law);
        self.parts.begin(setup.plan());
        self.ring.clear();
        self.frames = 0;
        self.unpaused = 0;
        self.route = if setup.server.is_some() {
            Route::Server(Sending::default())
        } else {
            Route::Stick
        };
        self.setup = setup;
    }

    /// The ports are bound; opening the file or contacting the server is the next step.
    pub fn handle_bound(&mut self, now: Instant, ports: Ports) {
        if let RecordingState::Binding { client, .. } = self.state {
            self.ports = ports;
            self.state = RecordingState::Opening {
                client,
                bound_at: now,
            };
            if self.route.is_server() {
                self.audio.begin(now);
                self.client.start(now, &self.setup);
            }
        }
    }

    /// Frees the slot before anything was recorded.
    pub fn free(&mut self) {
        self.state = RecordingState::Free;
    }

    /// The current state.
    pub fn state(&self) -> RecordingState {
        self.state
    }

    /// The parameters of the recording.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The call information, which a stop request may update.
    pub fn call_mut(&mut self) -> &mut Call {
        &mut self.setup.call
    }

    /// Packets are accepted. Those that arrive before a server has responded are recorded, too.
    #[inline(always)] // for each packet
    pub fn accepts_packets(&self) -> bool {
        match self.state {
            RecordingState::Running | RecordingState::Draining { .. } => true,
            RecordingState::Opening { .. } => self.route.was_for_server(),
            _ => false,
        }
    }

    /// Packets must be read now.
    pub fn is_due(&self, now: Instant) -> bool {
        now >= self.read_at || matches!(self.state, RecordingState::Draining { .. })
    }

    /// The next deadline; `None` when the slot is free.
    pub fn next_deadline(&self, now: Instant) -> Option<Instant> {
        let client = self.client.next_deadline();
        let tick = match self.state {
            RecordingState::Free => return None,
            RecordingState::Disconnecting => return client,
            _ => now.next_multiple_of(self.period()),
        };
        Some(client.map_or(tick, |at| at.min(tick)))
    }

    /// Pauses or resumes; `Ok(false)` when nothing changes.
    pub fn pause(&mut self, at: Instant, paused: bool) -> Result<bool, TooMany> {
        self.audio.pause(at, paused)
    }

    /// Ends the recording at `until`, once all packets that had arrived by then have been read.
    pub fn stop(&mut self, now: Instant, until: Instant, client: Option<ClientId>) {
        match self.state {
            RecordingState::Running => self.state = RecordingState::Draining { until, client },
            RecordingState::Opening { .. } if self.route.is_server() => {
                self.client.stop(now, &self.setup)
            }
            _ => {}
        }
    }

    /// The stick was removed.
    pub fn handle_stick_gone(&mut self) {
        if !self.route.is_server() {
            self.parts.writer.handle_stick_gone();
        }
    }

    /// The ports are about to be read.
    pub fn handle_read(&mut self, now: Instant) -> ReadOrder {
        let order = self.audio.handle_read(now);
        if self.state == RecordingState::Running {
            order
        } else {
            ReadOrder::ByArrival
        }
    }

    /// When this packet is expected by its timestamp, if it continues a known source.
    pub fn expected_arrival(&self, port: usize, datagram: &[u8]) -> Option<Instant> {
        self.audio.expected_arrival(port, datagram)
    }

    /// The sources of a port that are not a flood, and the number of recent packets of each.
    pub fn steady_sources(&self, port: usize) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.audio.steady_sources(port)
    }

    /// Takes a datagram of any of the ports, in the order of arrival across all ports.
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
        if matches!(self.state, RecordingState::Draining { until, .. } if arrival > until) {
            return Intake::Taken;
        }
        self.audio.handle_rtp(port, Some(arrival), datagram, stats)
    }

    /// Takes a datagram while the ports are read one after the other; nothing is mixed before all
    /// have been read. Without an arrival, it arrived since the previous read.
    pub fn handle_prompt_rtp(
        &mut self,
        port: usize,
        arrival: Option<Instant>,
        datagram: &[u8],
        stats: &mut Stats,
    ) -> Intake {
        self.audio.handle_rtp(port, arrival, datagram, stats)
    }

    /// Mixes the frames that are due; `false` when the ring is full and the stick has to take some
    /// frames first.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if !self.accepts_packets() {
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

    /// All packets that arrived before `now` have been read. Ends a recording that is to stop;
    /// `false` when the ring is full.
    #[must_use]
    pub fn handle_drained(&mut self, now: Instant, stats: &mut Stats) -> bool {
        if let RecordingState::Draining { until, client } = self.state {
            self.audio.stop(until);
            if !self.handle_timeout(now, stats) {
                return false;
            }
            self.parts.writer.finish();
            self.state = RecordingState::Closing { client };
            return true;
        }
        let asks_server =
            matches!(self.state, RecordingState::Opening { .. }) && self.route.is_server();
        if asks_server && !self.audio.clock.is_aligned() {
            // The server has not responded, and no audio has arrived: the recording begins no
            // earlier than now.
            self.audio.begin(now);
            self.ring.clear();
            stats.take_back(Counter::Frames, std::mem::take(&mut self.frames));
        }
        self.audio.handle_drained(now);
        if self.state == RecordingState::Running {
            self.audio.watch_ports(now, self.ports.len());
        }
        let mixed = self.handle_timeout(now, stats);
        if mixed {
            self.read_at = now.next_multiple_of(self.period());
        }
        mixed
    }

    /// The next thing to be told of a leg.
    pub fn take_leg_event(&mut self) -> Option<LegEvent> {
        self.audio.take_leg_event()
    }

    /// What the payload types mean from the next packet on.
    pub fn set_formats(&mut self, formats: PortFormats) {
        self.audio.set_formats(formats);
    }

    fn mix(&mut self, stats: &mut Stats) {
        let mut frame = [0; RTP_FRAME_BYTES];
        let mixed = self.audio.mix(&self.setup, &mut frame, stats);
        let stored = matches!(mixed, Mixed::Frame { .. });
        if mixed == (Mixed::Frame { paused: false }) {
            self.unpaused += 1;
        } else {
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
    pub fn disk_op(&mut self, now: Instant) -> Option<DiskOp<'_>> {
        if self.route.is_server() {
            return None;
        }
        let first_frame_at = match (self.state, self.route) {
            (
                RecordingState::Free
                | RecordingState::Binding { .. }
                | RecordingState::Disconnecting,
                _,
            ) => return None,
            (RecordingState::Opening { bound_at, .. }, Route::Stick) => bound_at,
            _ => {
                let waiting = Duration::from_nanos(FRAME.nanos() * self.waiting_frames());
                self.audio.clock.next_frame_at() - waiting
            }
        };
        self.parts.op(now, first_frame_at, &self.ring)
    }

    /// Takes the result of a call.
    pub fn disk_done(
        &mut self,
        now: Instant,
        result: Result<DiskDone, DiskError>,
        stats: &mut Stats,
    ) -> Option<RecordingEvent> {
        let stored = self.frames - self.waiting_frames();
        let created = self.parts.done(now, stored, &mut self.ring, result);
        let RecordingState::Opening { client, .. } = self.state else {
            if created {
                return Some(RecordingEvent::Rolled);
            }
            return self.settle(now, stats);
        };
        if !self.parts.writer.is_open() {
            return self.settle(now, stats);
        }
        if !self.route.was_for_server() {
            let intercom = self.setup.call.intercom.as_ref();
            self.audio
                .begin(intercom.map_or(now, |call| call.answered_at));
        }
        Some(self.handle_started(client, stats))
    }

    fn handle_started(&mut self, client: ClientId, stats: &mut Stats) -> RecordingEvent {
        self.state = RecordingState::Running;
        stats.count(Counter::Started);
        RecordingEvent::Started(client)
    }

    /// Mixed frames that wait in the ring.
    fn waiting_frames(&self) -> u64 {
        (self.ring.len() / self.audio.stream.frame_bytes()) as u64
    }

    /// How often packets are read: a server gets each frame in real time, the stick several frames
    /// at once. Also every frame while the server is being contacted, so that the recording begins
    /// when the server responds.
    fn period(&self) -> Duration {
        if !self.route.is_server() {
            return BATCH;
        }
        let rests = self.audio.clock.is_resting() && !self.setup.pause_is_silence;
        let asks = matches!(self.state, RecordingState::Opening { .. });
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
