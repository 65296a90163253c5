//! The sources of one recording: assigns each packet to its jitter buffer.
//!
//! A source is an SSRC on a port. It is confirmed by its second packet: a single stray datagram is
//! neither mixed nor blocks a slot. A sender that begins a new sequence, or changes its codec, gets
//! a new source; the old one falls silent and gives up its slot. When a sender alternates between
//! two codecs, each of its two sources is silent where the other one has a packet.

use crate::base::limits::{
    FLOOD_PACKETS, FRAME_SAMPLES, MAX_PAYLOAD, MAX_PORTS, MAX_SOURCES, MAX_TIMESTAMP_ERROR,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::formats::{PayloadKind, PortFormats};
use crate::proto::media::jitter_buffer::packet::{Arrival, Audio, Format, FrameBuffers, FrameKind};
use crate::proto::media::jitter_buffer::JitterBuffer;
use crate::proto::media::leg_monitor::{LegMonitor, Unintelligible};
use crate::proto::media::sample_ring::SampleRings;
use crate::proto::media::source::{arrival_of, ArrivalTime, Source};
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// All sources of a recording and their sample rings.
pub struct Sources {
    /// As many as were ever in use at once: unused memory is not touched.
    sources: Vec<Option<Source>>,
    /// A sender has changed its codec: two sources have one SSRC.
    shared: bool,
    rings: SampleRings,
    formats: PortFormats,
    /// The recording's: linear samples are stored as its codes.
    law: Law,
    /// What is told of the legs.
    pub monitor: LegMonitor,
}

/// How a packet is handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PacketKind {
    Audio(Format),
    /// No audio, but part of the sequence; counted under this name.
    Other(Counter),
}

impl Sources {
    /// No sources yet. Nothing is allocated later.
    pub fn new() -> Self {
        Self {
            sources: Vec::with_capacity(MAX_SOURCES),
            shared: false,
            rings: SampleRings::new(MAX_SOURCES),
            formats: PortFormats::default(),
            law: Law::Mu,
            monitor: LegMonitor::default(),
        }
    }

    /// The law of the recording that begins.
    pub fn set_law(&mut self, law: Law) {
        self.law = law;
    }

    /// What the payload types mean from the next packet on.
    pub fn set_formats(&mut self, formats: PortFormats) {
        self.formats = formats;
    }

    /// Removes all sources; those that are still waiting for their second packet are counted.
    pub fn clear(&mut self, stats: &mut Stats) {
        let sources = self.sources.iter().flatten();
        let strays = sources.filter(|source| !source.confirmed).count();
        stats.add(Counter::Unconfirmed, strays as u64);
        self.sources.clear();
        self.shared = false;
    }

    /// The number of slots that may have a source; they are the first ones.
    pub fn slots(&self) -> usize {
        self.sources.len()
    }

    /// Sources whose audio is being mixed.
    pub fn count(&self) -> usize {
        self.confirmed().count()
    }

    fn confirmed(&self) -> impl Iterator<Item = &Source> {
        let sources = self.sources.iter().flatten();
        sources.filter(|source| source.confirmed)
    }

    /// The end of the last sample of any source on the recording axis.
    pub fn ends_at(&self) -> Option<i64> {
        let ends = self.confirmed().map(|source| source.buffer.ends_at());
        ends.max()
    }

    /// This packet has audio: the first such packet determines the frame boundaries.
    pub fn is_audio(&self, port: usize, packet: &Packet) -> bool {
        matches!(self.kind(port, packet), PacketKind::Audio(_))
    }

    /// Sources of a port that are being mixed and were heard within the last second.
    fn talking(&self, port: usize, now: i64) -> usize {
        let talks = |source: &&Source| {
            source.port == port && now - source.buffer.last_at() < MAX_TIMESTAMP_ERROR
        };
        self.confirmed().filter(talks).count()
    }

    /// Looks which of so many ports are silent; the last one is the local stream's.
    pub fn watch_ports(&mut self, now: i64, ports: usize) {
        let mut talking = [0; MAX_PORTS];
        for (port, count) in talking.iter_mut().enumerate().take(ports) {
            *count = self.talking(port, now);
        }
        self.monitor
            .handle_drained(now, ports, |port| talking[port]);
    }

    /// All sockets have been read until they were empty.
    pub fn handle_drained(&mut self) {
        for source in self.sources.iter_mut().flatten() {
            source.recent = 0;
        }
    }

    /// The confirmed sources of a port that are not a flood: the SSRC, and the number of packets
    /// since all sockets were empty.
    pub fn steady(&self, port: usize) -> impl Iterator<Item = (u32, u16)> + '_ {
        let sources = self.sources.iter().flatten();
        let steady =
            sources.filter(move |it| it.port == port && it.confirmed && it.recent <= FLOOD_PACKETS);
        steady.map(|source| (source.ssrc, source.recent))
    }

    /// When this packet is expected by its timestamp, if its source is known.
    pub fn expected_at(&self, port: usize, packet: &Packet) -> Option<i64> {
        let PacketKind::Audio(format) = self.kind(port, packet) else {
            return None;
        };
        let audio = audio(packet, format);
        let mut sources = self.sources.iter().flatten();
        let source = sources.find(|source| source.is(port, packet.ssrc, &audio))?;
        Some(source.buffer.expected_at(packet.timestamp))
    }

    /// What a packet is on this port.
    #[inline]
    fn kind(&self, port: usize, packet: &Packet) -> PacketKind {
        let len = packet.payload.len();
        match self.formats.kind(port, packet.payload_type) {
            Some(PayloadKind::Audio(format)) => match len {
                0 => PacketKind::Other(Counter::Empty),
                1 => PacketKind::Other(Counter::ComfortNoise),
                len if len > MAX_PAYLOAD => PacketKind::Other(Counter::Oversize),
                _ => PacketKind::Audio(format),
            },
            Some(PayloadKind::ComfortNoise) => PacketKind::Other(Counter::ComfortNoise),
            Some(PayloadKind::TelephoneEvent) => PacketKind::Other(Counter::TelephoneEvent),
            // Undeclared telephone-event reports are four bytes each (RFC 4733); no audio is that
            // small.
            None if packet.payload_type >= 96 && len == 4 => {
                PacketKind::Other(Counter::TelephoneEvent)
            }
            Some(PayloadKind::Undecodable) | None => PacketKind::Other(Counter::UnknownPayload),
        }
    }

    /// A packet without audio: a sign of life, or of a leg that is not heard.
    fn watch(&mut self, port: usize, packet: &Packet, at: i64, counter: Counter) {
        match counter {
            Counter::ComfortNoise => self.monitor.handle_noise(port, at),
            Counter::UnknownPayload if !packet.payload.is_empty() => {
                let why = Unintelligible::PayloadType(packet.payload_type);
                self.monitor.handle_undecodable(port, packet.ssrc, at, why);
            }
            _ => {}
        }
    }

    /// Takes a packet and counts it once. `false`: nothing was done, the arrival must be measured
    /// first.
    #[must_use]
    pub fn put(
        &mut self,
        port: usize,
        packet: &Packet,
        when: ArrivalTime,
        clock: i64,
        stats: &mut Stats,
    ) -> bool {
        let counter = match (self.kind(port, packet), when) {
            (PacketKind::Audio(format), when) => {
                match self.put_audio(
                    port,
                    packet.ssrc,
                    &audio(packet, format),
                    when,
                    clock,
                    stats,
                ) {
                    Some(counter) => counter,
                    None => return false,
                }
            }
            (PacketKind::Other(_), ArrivalTime::Between(..)) => return false,
            (PacketKind::Other(counter), ArrivalTime::Measured(at)) => {
                let mine = |source: &&mut Source| source.port == port && source.ssrc == packet.ssrc;
                for source in self.sources.iter_mut().flatten().filter(mine) {
                    source.buffer.pass(packet.sequence, at);
                }
                self.watch(port, packet, at, counter);
                counter
            }
        };
        stats.count(counter);
        true
    }

    fn put_audio(
        &mut self,
        port: usize,
        ssrc: u32,
        audio: &Audio,
        when: ArrivalTime,
        clock: i64,
        stats: &mut Stats,
    ) -> Option<Counter> {
        let slot = self
            .sources
            .iter()
            .position(|source| source.as_ref().is_some_and(|it| it.is(port, ssrc, audio)));
        let known = slot.and_then(|slot| self.sources[slot].as_mut());
        let arrival = arrival_of(known.as_deref(), audio, when, clock)?;
        if let (Some(slot), Some(source)) = (slot, known) {
            source.confirmed = true;
            source.recent = source.recent.saturating_add(1);
            source.check(audio, arrival);
            if let Some(why) = source.unintelligible {
                source.buffer.pass(audio.sequence, arrival.at);
                self.monitor.handle_undecodable(port, ssrc, arrival.at, why);
                return Some(match why {
                    Unintelligible::Encrypted => Counter::Encrypted,
                    _ => Counter::UnknownPayload,
                });
            }
            self.monitor
                .handle_audio(port, ssrc, arrival.at, audio.samples());
            if self.shared {
                self.cede(slot, port, ssrc, arrival.at, audio);
            }
            return Some(self.put_in(slot, audio, arrival, stats));
        }
        let Some(slot) = self.free_slot(port, arrival, stats) else {
            return Some(Counter::TooManySources);
        };
        let hint = self.last_end(port);
        let Some(mut ring) = self.rings.ring(slot) else {
            return Some(Counter::Bug);
        };
        let buffer = JitterBuffer::new(&mut ring, arrival, audio, hint, self.law);
        let mut others = self.sources.iter().flatten();
        self.shared |= others.any(|source| (source.port, source.ssrc) == (port, ssrc));
        let mut source = Source::new(port, ssrc, audio.format, buffer);
        source.check(audio, arrival);
        self.sources[slot] = Some(source);
        self.cede(slot, port, ssrc, arrival.at, audio);
        Some(self.put_in(slot, audio, arrival, stats))
    }

    /// Tells the other sources of the same SSRC, which have another codec, that this packet is not
    /// theirs.
    fn cede(&mut self, slot: usize, port: usize, ssrc: u32, at: i64, audio: &Audio) {
        for (other, source) in self.sources.iter_mut().enumerate() {
            let Some(source) = source.as_mut().filter(|_| other != slot) else {
                continue;
            };
            if (source.port, source.ssrc) == (port, ssrc) {
                source.buffer.cede(at, audio);
            }
        }
    }

    fn put_in(
        &mut self,
        slot: usize,
        audio: &Audio,
        arrival: Arrival,
        stats: &mut Stats,
    ) -> Counter {
        match (&mut self.sources[slot], self.rings.ring(slot)) {
            (Some(source), Some(mut ring)) => {
                source.put(&mut ring, self.law, arrival, audio, stats)
            }
            _ => Counter::Bug,
        }
    }

    /// Takes the next frame of one slot; `None` when it is silent.
    #[must_use]
    pub fn take(
        &mut self,
        slot: usize,
        clock: i64,
        buffers: FrameBuffers,
        stats: &mut Stats,
    ) -> Option<FrameKind> {
        let source = self.sources.get_mut(slot)?.as_mut()?;
        if !source.confirmed && source.buffer.ends_at() <= clock + FRAME_SAMPLES as i64 {
            self.sources[slot] = None;
            stats.count(Counter::Unconfirmed);
            return None;
        }
        let mut ring = self.rings.ring(slot)?;
        source
            .buffer
            .take(&mut ring, clock, buffers, stats)
            .filter(|_| source.confirmed && source.unintelligible.is_none())
    }

    /// Where the latest source of the port ended.
    fn last_end(&self, port: usize) -> Option<i64> {
        let same = self.confirmed().filter(|source| source.port == port);
        let latest = same.max_by_key(|source| source.buffer.last_at());
        latest.map(|source| source.buffer.ends_at())
    }

    /// An empty slot, or that of the source that may lose it first; among equals, the one that has
    /// been silent longest.
    fn free_slot(&mut self, port: usize, arrival: Arrival, stats: &mut Stats) -> Option<usize> {
        if let Some(slot) = self.sources.iter().position(Option::is_none) {
            return Some(slot);
        }
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(None);
            return Some(self.sources.len() - 1);
        }
        let rank = |(slot, source): (usize, &Option<Source>)| {
            let source = source.as_ref()?;
            Some((source.need(port, arrival)?, source.buffer.last_at(), slot))
        };
        let ranks = self.sources.iter().enumerate().filter_map(rank);
        let (_, _, slot) = ranks.min()?;
        if self.sources[slot]
            .as_ref()
            .is_some_and(|source| !source.confirmed)
        {
            stats.count(Counter::Unconfirmed);
        }
        Some(slot)
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new()
    }
}

fn audio<'a>(packet: &Packet<'a>, format: Format) -> Audio<'a> {
    let Packet {
        sequence,
        timestamp,
        payload,
        ..
    } = *packet;
    Audio {
        sequence,
        timestamp,
        payload,
        format,
    }
}
