//! The audio of one recording: takes the packets of all its ports, and returns one mixed frame
//! after the other.
//!
//! The times of packets are their kernel arrival times: after a stall of the stick, the packets
//! that waited are mixed as if they had been read in time.

use crate::base::limits::{FRAME_SAMPLES, PROMPT, RTP_FRAME_BYTES};
use crate::base::stats::{Counter, Stats};
use crate::base::time::Instant;
use crate::proto::media::formats::PortFormats;
use crate::proto::media::leg_monitor::{LegEvent, LegMonitor};
use crate::proto::media::media_clock::{MediaClock, TooMany};
use crate::proto::media::mixer::Mixer;
use crate::proto::media::rtp_stream::RtpStream;
use crate::proto::media::source::ArrivalTime;
use crate::proto::media::sources::Sources;
use crate::proto::recording::setup::Setup;
use crate::wire::g711::Law;
use crate::wire::rtp;

/// What a recording did with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Intake {
    /// It was accepted and counted once.
    Taken,
    /// Not accepted: the ring is full, and the stick has to take some frames first.
    RingFull,
    /// Not accepted: its arrival must be measured first.
    ArrivalNeeded,
}

/// The order in which the ports of a recording must be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOrder {
    /// Port after port: they were read shortly before, and most arrivals need not be measured.
    PortByPort,
    /// By arrival, across all ports: packets have been waiting.
    ByArrival,
}

/// What the recording does with a frame of the call.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::proto) enum Mixed {
    /// A packet of the stream, ready to be stored or sent.
    Frame { paused: bool },
    /// The frame is paused, and pauses are not recorded.
    Skipped,
}

/// The sources, the clock and the mixer of one recording.
pub(in crate::proto) struct RecordingAudio {
    sources: Sources,
    mixer: Mixer,
    pub(in crate::proto) clock: MediaClock,
    pub(in crate::proto) stream: RtpStream,
    /// All packets that arrived before this time have been read.
    drained_at: Instant,
    /// The interval in which the packets that are being read arrived.
    unread: ArrivalTime,
}

impl RecordingAudio {
    /// No sources yet. Nothing is allocated later.
    pub(in crate::proto) fn new() -> Self {
        Self {
            sources: Sources::new(),
            mixer: Mixer::new(),
            clock: MediaClock::new(Instant::default()),
            stream: Setup::default().stream(),
            drained_at: Instant::default(),
            unread: ArrivalTime::Between(0, 0),
        }
    }

    /// The recording begins now.
    pub(in crate::proto) fn begin(&mut self, now: Instant) {
        self.clock = MediaClock::new(now);
        self.drained_at = now;
        self.sources.monitor = LegMonitor::default();
    }

    /// Removes all sources.
    pub(in crate::proto) fn clear(&mut self, stats: &mut Stats) {
        self.sources.clear(stats);
    }

    /// Sources that are being mixed.
    pub(in crate::proto) fn sources(&self) -> usize {
        self.sources.count()
    }

    /// The sources of a port that are not a flood, and the number of recent packets of each.
    pub(in crate::proto) fn steady_sources(
        &self,
        port: usize,
    ) -> impl Iterator<Item = (u32, u16)> + '_ {
        self.sources.steady(port)
    }

    /// All ports are about to be read.
    pub(in crate::proto) fn handle_read(&mut self, now: Instant) -> ReadOrder {
        let from = self.clock.position(self.drained_at);
        self.unread = ArrivalTime::Between(from, self.clock.position(now));
        if now.since(self.drained_at) <= PROMPT {
            ReadOrder::PortByPort
        } else {
            ReadOrder::ByArrival
        }
    }

    /// All packets that arrived before `now` have been read.
    pub(in crate::proto) fn handle_drained(&mut self, now: Instant) {
        self.sources.handle_drained();
        self.drained_at = now;
    }

    /// The law of the recording that begins.
    pub(in crate::proto) fn set_law(&mut self, law: Law) {
        self.sources.set_law(law);
    }

    /// What the payload types mean from the next packet on.
    pub(in crate::proto) fn set_formats(&mut self, formats: PortFormats) {
        self.sources.set_formats(formats);
    }

    /// Looks which of so many ports are silent; in a pause nothing has to be heard.
    pub(in crate::proto) fn watch_ports(&mut self, now: Instant, ports: usize) {
        let now = self.clock.position(now);
        if self.clock.paused() {
            self.sources.monitor.handle_pause(now);
        } else {
            self.sources.watch_ports(now, ports);
        }
    }

    /// Frames since anything came from any leg; a pause counts as something.
    pub(in crate::proto) fn silent_frames(&self, now: Instant) -> u64 {
        let silent = self.clock.position(now) - self.sources.monitor.heard_at();
        silent.max(0) as u64 / FRAME_SAMPLES as u64
    }

    /// What is known of the legs.
    pub(in crate::proto) fn monitor(&self) -> &LegMonitor {
        &self.sources.monitor
    }

    /// The next thing to be told of a leg.
    pub(in crate::proto) fn take_leg_event(&mut self) -> Option<LegEvent> {
        self.sources.monitor.take_event()
    }

    /// When this packet is expected by its timestamp, if it continues a known source.
    pub(in crate::proto) fn expected_arrival(
        &self,
        port: usize,
        datagram: &[u8],
    ) -> Option<Instant> {
        let packet = rtp::Packet::parse(datagram).ok()?;
        let position = self.sources.expected_at(port, &packet)?;
        Some(self.clock.instant(position))
    }

    /// Takes a datagram and counts it once. Without an arrival, it arrived between the last two
    /// reads.
    pub(in crate::proto) fn handle_rtp(
        &mut self,
        port: usize,
        arrival: Option<Instant>,
        datagram: &[u8],
        stats: &mut Stats,
    ) -> Intake {
        let packet = match rtp::Packet::parse(datagram) {
            Ok(packet) => packet,
            Err(rtp::Error::Rtcp) => return count(stats, Counter::Rtcp),
            Err(_) => return count(stats, Counter::NotRtp),
        };
        let arrived = match arrival {
            None if !self.clock.is_aligned() => return Intake::ArrivalNeeded,
            None => self.unread,
            Some(arrival) => {
                if self.sources.is_audio(port, &packet) {
                    self.clock.align(arrival);
                }
                ArrivalTime::Measured(self.clock.position(arrival))
            }
        };
        let clock = self.clock.clock();
        if self.sources.put(port, &packet, arrived, clock, stats) {
            Intake::Taken
        } else {
            Intake::ArrivalNeeded
        }
    }

    /// Stops mixing after `at`, but does not cut a packet that has arrived.
    pub(in crate::proto) fn stop(&mut self, at: Instant) {
        self.clock.stop(at, self.sources.ends_at());
    }

    /// Pauses or resumes from `at` on; `Ok(false)` when nothing changes.
    pub(in crate::proto) fn pause(&mut self, at: Instant, paused: bool) -> Result<bool, TooMany> {
        self.clock.pause(at, paused)
    }

    /// Mixes the next frame into the payload at the end of `frame`.
    pub(in crate::proto) fn mix(
        &mut self,
        setup: &Setup,
        frame: &mut [u8; RTP_FRAME_BYTES],
        stats: &mut Stats,
    ) -> Mixed {
        let Some(codes) = frame.last_chunk_mut() else {
            return Mixed::Skipped;
        };
        let law: Law = setup.law;
        let clock = self.clock.clock();
        self.mixer.mix(&mut self.sources, clock, law, codes, stats);
        if self.clock.advance() {
            return Mixed::Frame { paused: false };
        }
        if !setup.pause_is_silence {
            return Mixed::Skipped;
        }
        codes.fill(law.silence());
        Mixed::Frame { paused: true }
    }
}

fn count(stats: &mut Stats, counter: Counter) -> Intake {
    stats.count(counter);
    Intake::Taken
}
