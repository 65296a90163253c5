//! The sources of one recording: which packet belongs to which leg.
//!
//! A leg is a source (SSRC) on a port. A source counts only once a second packet of it has come: one
//! stray datagram is neither heard nor takes a place. A sender that begins a new sequence, or changes
//! its codec, gets a new leg; the old one falls silent and gives its place away. When a sender goes back and forth
//! between two codecs, each of its two legs is silent where the other one has a packet.

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
    /// Packets since all sockets were empty: no audio comes as fast as a flood.
    recent: u16,
    buffer: JitterBuffer,
}

impl Source {
    /// How much it needs its place when a new source of this port wants one; `None`: it keeps it. One that has just come
    /// keeps it, too: where many come at once, those that came first are heard, and not none of them.
    fn need(&self, port: usize, arrival: Arrival) -> Option<Need> {
        let silent = arrival.at - self.buffer.last_at();
        if !self.confirmed {
            return (silent >= SECOND_PACKET).then_some(Need::Stray);
        }
        if silent >= SOURCE_IDLE {
            return Some(Need::Idle);
        }
        let replaced = self.port == port && self.buffer.ends_at() <= arrival.clock;
        replaced.then_some(Need::Replaced)
    }

    /// A packet with this audio belongs to it.
    fn is(&self, port: usize, ssrc: u32, audio: &Audio) -> bool {
        self.port == port && self.ssrc == ssrc && self.buffer.fits(audio.sequence, audio.format)
    }
}

/// Why a source may lose its place; the first one loses it first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// No second packet has come.
    Stray,
    /// It has said nothing for long.
    Idle,
    /// All of it is mixed, and its port has a new source: its sender may have changed its SSRC.
    Replaced,
}

/// When a packet came, in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub enum ArrivalTime {
    /// Here: it was measured.
    Measured(i64),
    /// From here to there, both included.
    Between(i64, i64),
}

/// All sources of a recording and their tracks.
pub struct Sources {
    /// As many as were ever taken at once: what is not used is not touched.
    sources: Vec<Option<Source>>,
    /// A sender has changed its codec: two sources have one SSRC.
    shared: bool,
    rings: SampleRings,
}

/// What a packet is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio(Format),
    /// Nothing to hear, but part of the sequence; counted under this name.
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

    /// Forgets all sources; a packet that is still waiting for a second one is counted.
    pub fn clear(&mut self, stats: &mut Stats) {
        let strays = self
            .sources
            .iter()
            .flatten()
            .filter(|source| !source.confirmed)
            .count();
        stats.add(Counter::Unconfirmed, strays as u64);
        self.sources.clear();
        self.shared = false;
    }

    /// Places that may have a source: the first so many.
    pub fn places(&self) -> usize {
        self.sources.len()
    }

    /// Sources whose audio is being mixed.
    pub fn count(&self) -> usize {
        self.sources
            .iter()
            .flatten()
            .filter(|source| source.confirmed)
            .count()
    }

    /// Behind the last sample of any source, on the output axis.
    pub fn ends_at(&self) -> Option<i64> {
        self.sources
            .iter()
            .flatten()
            .filter(|source| source.confirmed)
            .map(|source| source.buffer.ends_at())
            .max()
    }

    /// Whether this packet would be heard: what the first frame's border is laid on.
    pub fn is_audio(packet: &Packet) -> bool {
        matches!(kind(packet), Kind::Audio(_))
    }

    /// All that came has been read.
    pub fn handle_drained(&mut self) {
        self.sources
            .iter_mut()
            .flatten()
            .for_each(|source| source.recent = 0);
    }

    /// The confirmed sources of a port whose packets are no flood: the SSRC, and how many have come since all sockets
    /// were empty.
    pub fn steady(&self, port: usize) -> impl Iterator<Item = (u32, u16)> + '_ {
        let sources = self.sources.iter().flatten();
        let steady =
            sources.filter(move |it| it.port == port && it.confirmed && it.recent <= FLOOD_PACKETS);
        steady.map(|source| (source.ssrc, source.recent))
    }

    /// Where this packet is expected by its timestamp, if its source is known.
    pub fn expected_at(&self, port: usize, packet: &Packet) -> Option<i64> {
        let Kind::Audio(format) = kind(packet) else {
            return None;
        };
        let audio = audio(packet, format);
        let mut sources = self.sources.iter().flatten();
        let source = sources.find(|source| source.is(port, packet.ssrc, &audio))?;
        Some(source.buffer.expected_at(packet.timestamp))
    }

    /// Takes a packet and counts it, once. `false`: nothing was done, its arrival has to be measured.
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
            (Kind::Audio(format), when) => {
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
            (Kind::Other(_), ArrivalTime::Between(..)) => return false,
            (Kind::Other(counter), ArrivalTime::Measured(at)) => {
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
        let place = self
            .sources
            .iter()
            .position(|source| source.as_ref().is_some_and(|it| it.is(port, ssrc, audio)));
        let known = place.and_then(|place| self.sources[place].as_mut());
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
        if let (Some(place), Some(source)) = (place, known) {
            source.confirmed = true;
            source.recent = source.recent.saturating_add(1);
            if self.shared {
                self.cede(place, port, ssrc, arrival.at, audio);
            }
            return Some(self.put_in(place, audio, arrival, stats));
        }
        let Some(place) = self.free_place(port, arrival, stats) else {
            return Some(Counter::TooManySources);
        };
        let hint = self.last_end(port);
        let Some(mut ring) = self.rings.ring(place) else {
            return Some(Counter::Bug);
        };
        let buffer = JitterBuffer::new(&mut ring, arrival, audio, hint);
        self.shared |= self
            .sources
            .iter()
            .flatten()
            .any(|source| (source.port, source.ssrc) == (port, ssrc));
        self.sources[place] = Some(Source {
            port,
            ssrc,
            confirmed: false,
            recent: 1,
            buffer,
        });
        self.cede(place, port, ssrc, arrival.at, audio);
        Some(self.put_in(place, audio, arrival, stats))
    }

    /// The packet of the source in this place belongs to no other one that has its SSRC, in another codec.
    fn cede(&mut self, place: usize, port: usize, ssrc: u32, at: i64, audio: &Audio) {
        for (other, source) in self.sources.iter_mut().enumerate() {
            let Some(source) = source.as_mut().filter(|_| other != place) else {
                continue;
            };
            if (source.port, source.ssrc) == (port, ssrc) {
                source.buffer.cede(at, audio);
            }
        }
    }

    fn put_in(
        &mut self,
        place: usize,
        audio: &Audio,
        arrival: Arrival,
        stats: &mut Stats,
    ) -> Counter {
        match (&mut self.sources[place], self.rings.ring(place)) {
            (Some(source), Some(mut ring)) => source.buffer.put(&mut ring, arrival, audio, stats),
            _ => Counter::Bug,
        }
    }

    /// Takes the next frame of one place; `None` when nothing is to be heard.
    #[must_use]
    pub fn take(
        &mut self,
        place: usize,
        clock: i64,
        buffers: FrameBuffers,
        stats: &mut Stats,
    ) -> Option<FrameKind> {
        let source = self.sources.get_mut(place)?.as_mut()?;
        if !source.confirmed && source.buffer.ends_at() <= clock + FRAME_SAMPLES as i64 {
            self.sources[place] = None;
            stats.count(Counter::Unconfirmed);
            return None;
        }
        let mut ring = self.rings.ring(place)?;
        source
            .buffer
            .take(&mut ring, clock, buffers, stats)
            .filter(|_| source.confirmed)
    }

    /// Where the port's latest source ended.
    fn last_end(&self, port: usize) -> Option<i64> {
        let same = self
            .sources
            .iter()
            .flatten()
            .filter(|source| source.port == port && source.confirmed);
        same.max_by_key(|source| source.buffer.last_at())
            .map(|source| source.buffer.ends_at())
    }

    /// An empty place, or that of a source which needs it least, and of those the longest silent.
    fn free_place(&mut self, port: usize, arrival: Arrival, stats: &mut Stats) -> Option<usize> {
        if let Some(place) = self.sources.iter().position(Option::is_none) {
            return Some(place);
        }
        if self.sources.len() < MAX_SOURCES {
            self.sources.push(None);
            return Some(self.sources.len() - 1);
        }
        let rank = |(place, source): (usize, &Option<Source>)| {
            let source = source.as_ref()?;
            Some((source.need(port, arrival)?, source.buffer.last_at(), place))
        };
        let (_, _, place) = self.sources.iter().enumerate().filter_map(rank).min()?;
        if self.sources[place]
            .as_ref()
            .is_some_and(|source| !source.confirmed)
        {
            stats.count(Counter::Unconfirmed);
        }
        Some(place)
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

/// Payload types by RFC 3551. 19 was comfort noise before 13 was.
fn kind(packet: &Packet) -> Kind {
    let format = match packet.payload_type {
        0 => Format::G711(Law::Mu),
        8 => Format::G711(Law::A),
        9 => Format::G722,
        13 | 19 => return Kind::Other(Counter::ComfortNoise),
        // Telephone-event reports are four bytes each (RFC 4733); nothing else that small is audio.
        96..=127 if packet.payload.len() == 4 => return Kind::Other(Counter::TelephoneEvent),
        _ => return Kind::Other(Counter::UnknownPayload),
    };
    match packet.payload.len() {
        0 => Kind::Other(Counter::Empty),
        1 => Kind::Other(Counter::ComfortNoise),
        len if len > MAX_PAYLOAD => Kind::Other(Counter::Oversize),
        _ => Kind::Audio(format),
    }
}
