//! The sources of one recording: assigns each packet to its jitter buffer.
//!
//! A source is an SSRC on a port. It is confirmed by its second packet: a single stray datagram is
//! neither mixed nor blocks a slot. A sender that begins a new sequence, or changes its codec, gets
//! a new source; the old one falls silent and gives up its slot. When a sender alternates between
//! two codecs, each of its two sources is silent where the other one has a packet.

use crate::base::limits::{
    FLOOD_PACKETS, FRAME_SAMPLES, MAX_PAYLOAD, MAX_SOURCES, SECOND_PACKET, SOURCE_IDLE,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::jitter_buffer::packet::{Arrival, Audio, Format, FrameBuffers, FrameKind};
use crate::proto::media::jitter_buffer::JitterBuffer;
use crate::proto::media::sample_ring::SampleRings;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

struct Source {
    port: usize,
    ssrc: u32,
    confirmed: bool,
    /// Packets since all sockets were empty: audio never arrives as fast as a flood.
    recent: u16,
    buffer: JitterBuffer,
}

impl Source {
    /// Why this source may lose its slot to a new source of `port`; `None`: it keeps it. A source
    /// that is still waiting for its second packet keeps it, too: if many sources arrive at once,
    /// the first ones are recorded, instead of none.
    fn need(&self, port: usize, arrival: Arrival) -> Option<Eviction> {
        let silent = arrival.at - self.buffer.last_at();
        if !self.confirmed {
            return (silent >= SECOND_PACKET).then_some(Eviction::Stray);
        }
        if silent >= SOURCE_IDLE {
            return Some(Eviction::Idle);
        }
        let replaced = self.port == port && self.buffer.ends_at() <= arrival.clock;
        replaced.then_some(Eviction::Replaced)
    }

    /// A packet with this audio belongs to this source.
    fn is(&self, port: usize, ssrc: u32, audio: &Audio) -> bool {
        self.port == port && self.ssrc == ssrc && self.buffer.fits(audio.sequence, audio.format)
    }
}

/// Why a source may lose its slot; the first variant loses it first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Eviction {
    /// No second packet has arrived.
    Stray,
    /// It has been silent for long.
    Idle,
    /// All of its audio is mixed, and its port has a new source: the sender may have changed its
    /// SSRC.
    Replaced,
}

/// When a packet arrived, in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub enum ArrivalTime {
    /// The arrival was measured.
    Measured(i64),
    /// The arrival lies between these positions, inclusive.
    Between(i64, i64),
}

/// All sources of a recording and their sample rings.
pub struct Sources {
    /// As many as were ever in use at once: unused memory is not touched.
    sources: Vec<Option<Source>>,
    /// A sender has changed its codec: two sources have one SSRC.
    shared: bool,
    rings: SampleRings,
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
        }
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
    pub fn is_audio(packet: &Packet) -> bool {
        matches!(kind(packet), PacketKind::Audio(_))
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
        let PacketKind::Audio(format) = kind(packet) else {
            return None;
        };
        let audio = audio(packet, format);
        let mut sources = self.sources.iter().flatten();
        let source = sources.find(|source| source.is(port, packet.ssrc, &audio))?;
        Some(source.buffer.expected_at(packet.timestamp))
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
        let counter = match (kind(packet), when) {
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
        let arrival = match (when, &known) {
            (ArrivalTime::Measured(at), _) => Arrival {
                at,
                clock,
                measured: true,
            },
            (ArrivalTime::Between(from, to), Some(source)) if source.confirmed => {
                let at = source
                    .buffer
                    .expects(audio)
                    .filter(|at| (from..=to).contains(at))?;
                Arrival {
                    at,
                    clock,
                    measured: false,
                }
            }
            _ => return None,
        };
        if let (Some(slot), Some(source)) = (slot, known) {
            source.confirmed = true;
            source.recent = source.recent.saturating_add(1);
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
        let buffer = JitterBuffer::new(&mut ring, arrival, audio, hint);
        let mut others = self.sources.iter().flatten();
        self.shared |= others.any(|source| (source.port, source.ssrc) == (port, ssrc));
        self.sources[slot] = Some(Source {
            port,
            ssrc,
            confirmed: false,
            recent: 1,
            buffer,
        });
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
            (Some(source), Some(mut ring)) => source.buffer.put(&mut ring, arrival, audio, stats),
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
            .filter(|_| source.confirmed)
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

/// Payload types of RFC 3551. 19 was comfort noise in drafts, before 13 was assigned.
fn kind(packet: &Packet) -> PacketKind {
    let format = match packet.payload_type {
        0 => Format::G711(Law::Mu),
        8 => Format::G711(Law::A),
        9 => Format::G722,
        13 | 19 => return PacketKind::Other(Counter::ComfortNoise),
        // Telephone-event reports are four bytes each (RFC 4733); nothing else that small is audio.
        96..=127 if packet.payload.len() == 4 => return PacketKind::Other(Counter::TelephoneEvent),
        _ => return PacketKind::Other(Counter::UnknownPayload),
    };
    match packet.payload.len() {
        0 => PacketKind::Other(Counter::Empty),
        1 => PacketKind::Other(Counter::ComfortNoise),
        len if len > MAX_PAYLOAD => PacketKind::Other(Counter::Oversize),
        _ => PacketKind::Audio(format),
    }
}
