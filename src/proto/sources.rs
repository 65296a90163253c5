//! The sources of one recording: which packet belongs to which leg.
//!
//! A leg is a source (SSRC) on a port. A source counts only once a second packet of it has come: one
//! stray datagram is neither heard nor takes a place. A sender that begins a new sequence, or changes
//! between G.711 and G.722, gets a new leg; the old one falls silent and gives its place away.

use crate::base::limits::{FRAME_SAMPLES, LEG_SAMPLES, MAX_PAYLOAD, MAX_SOURCES, SOURCE_IDLE};
use crate::base::stats::{Counter, Stats};
use crate::proto::leg::{Arrival, Audio, Format, Frame, Leg};
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

struct Source {
    port: usize,
    ssrc: u32,
    confirmed: bool,
    leg: Leg,
}

/// All sources of a recording and their sample rings.
pub struct Sources {
    sources: [Option<Source>; MAX_SOURCES],
    rings: Box<[i16]>,
}

/// What a packet is for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Audio(Format),
    /// Nothing to hear, but part of the sequence; counted under this name.
    Other(Counter),
}

impl Sources {
    /// No sources yet. The only allocation.
    pub fn new() -> Self {
        Self { sources: [const { None }; MAX_SOURCES], rings: vec![0; MAX_SOURCES * LEG_SAMPLES].into_boxed_slice() }
    }

    /// Forgets all sources; a packet that is still waiting for a second one is counted.
    pub fn clear(&mut self, stats: &mut Stats) {
        let strays = self.sources.iter().flatten().filter(|source| !source.confirmed).count();
        stats.add(Counter::Unconfirmed, strays as u64);
        self.sources = [const { None }; MAX_SOURCES];
    }

    /// Sources whose audio is being mixed.
    pub fn count(&self) -> usize {
        self.sources.iter().flatten().filter(|source| source.confirmed).count()
    }

    /// Behind the last sample of any source, on the output axis.
    pub fn ends_at(&self) -> Option<i64> {
        self.sources.iter().flatten().filter(|source| source.confirmed).map(|source| source.leg.ends_at()).max()
    }

    /// Whether this packet would be heard: what the first frame's border is laid on.
    pub fn is_audio(packet: &Packet) -> bool {
        matches!(kind(packet), Kind::Audio(_))
    }

    /// Takes a packet and counts it, once.
    pub fn put(&mut self, port: usize, packet: &Packet, arrival: Arrival, stats: &mut Stats) {
        let counter = match kind(packet) {
            Kind::Other(counter) => {
                let mine = |source: &&mut Source| source.port == port && source.ssrc == packet.ssrc;
                for source in self.sources.iter_mut().flatten().filter(mine) {
                    source.leg.pass(packet.sequence, arrival.at);
                }
                counter
            }
            Kind::Audio(format) => {
                let Packet { sequence, timestamp, payload, .. } = *packet;
                let audio = Audio { sequence, timestamp, payload, format };
                self.put_audio(port, packet.ssrc, &audio, arrival, stats)
            }
        };
        stats.count(counter);
    }

    fn put_audio(&mut self, port: usize, ssrc: u32, audio: &Audio, arrival: Arrival, stats: &mut Stats) -> Counter {
        let known = |source: &Option<Source>| {
            source.as_ref().is_some_and(|source| {
                source.port == port && source.ssrc == ssrc && source.leg.fits(audio.sequence, audio.format)
            })
        };
        let place = match self.sources.iter().position(known) {
            Some(place) => place,
            None => match self.free_place(arrival.at, stats) {
                Some(place) => {
                    let hint = self.last_end(port);
                    let leg = Leg::new(ring(&mut self.rings, place), arrival, audio, hint);
                    self.sources[place] = Some(Source { port, ssrc, confirmed: false, leg });
                    return self.put_in(place, audio, arrival, stats);
                }
                None => return Counter::TooManySources,
            },
        };
        if let Some(source) = &mut self.sources[place] {
            source.confirmed = true;
        }
        self.put_in(place, audio, arrival, stats)
    }

    fn put_in(&mut self, place: usize, audio: &Audio, arrival: Arrival, stats: &mut Stats) -> Counter {
        match &mut self.sources[place] {
            Some(source) => source.leg.put(ring(&mut self.rings, place), arrival, audio, stats),
            None => Counter::Bug,
        }
    }

    /// Copies the next frame of one place into `frame`; `false` when nothing is to be heard there.
    #[must_use]
    pub fn take(&mut self, place: usize, clock: i64, frame: &mut Frame, stats: &mut Stats) -> bool {
        let Some(Some(source)) = self.sources.get_mut(place) else { return false };
        if !source.confirmed && source.leg.ends_at() <= clock + FRAME_SAMPLES as i64 {
            self.sources[place] = None;
            stats.count(Counter::Unconfirmed);
            return false;
        }
        source.leg.take(ring(&mut self.rings, place), clock, frame, stats) && source.confirmed
    }

    /// Where the port's latest source ended.
    fn last_end(&self, port: usize) -> Option<i64> {
        let same = self.sources.iter().flatten().filter(|source| source.port == port && source.confirmed);
        same.max_by_key(|source| source.leg.last_at()).map(|source| source.leg.ends_at())
    }

    /// An empty place, or that of the longest silent source, or of the oldest stray packet.
    fn free_place(&mut self, at: i64, stats: &mut Stats) -> Option<usize> {
        if let Some(place) = self.sources.iter().position(Option::is_none) {
            return Some(place);
        }
        let age = |(place, source): (usize, &Option<Source>)| {
            source.as_ref().map(|source| (source.confirmed, source.leg.last_at(), place))
        };
        let (confirmed, last_at, place) = self.sources.iter().enumerate().filter_map(age).min()?;
        if confirmed && at - last_at < SOURCE_IDLE {
            return None;
        }
        if !confirmed {
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

fn ring(rings: &mut [i16], place: usize) -> &mut [i16] {
    &mut rings[place * LEG_SAMPLES..(place + 1) * LEG_SAMPLES]
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
