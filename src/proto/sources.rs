//! The sources of one recording: which packet belongs to which leg.
//!
//! A leg is a source (SSRC) on a port. A source counts only once a second packet of it has come: one
//! stray datagram is neither heard nor takes a place. A sender that begins a new sequence, or changes
//! its codec, gets a new leg; the old one falls silent and gives its place away.

use crate::base::limits::{FRAME_SAMPLES, MAX_PAYLOAD, MAX_SOURCES, SOURCE_IDLE};
use crate::base::stats::{Counter, Stats};
use crate::proto::leg::{Arrival, Audio, Format, Heard, Leg, Room};
use crate::proto::track::Tracks;
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

struct Source {
    port: usize,
    ssrc: u32,
    confirmed: bool,
    leg: Leg,
}

impl Source {
    /// A packet with this audio belongs to it.
    fn is(&self, port: usize, ssrc: u32, audio: &Audio) -> bool {
        self.port == port && self.ssrc == ssrc && self.leg.fits(audio.sequence, audio.format)
    }
}

/// When a packet came, in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// Here: it was measured.
    At(i64),
    /// From here to there, both included.
    Between(i64, i64),
}

/// All sources of a recording and their tracks.
pub struct Sources {
    sources: [Option<Source>; MAX_SOURCES],
    /// Behind the last place that was ever taken.
    used: usize,
    tracks: Tracks,
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
        Self { sources: [const { None }; MAX_SOURCES], used: 0, tracks: Tracks::new(MAX_SOURCES) }
    }

    /// Forgets all sources; a packet that is still waiting for a second one is counted.
    pub fn clear(&mut self, stats: &mut Stats) {
        let strays = self.sources.iter().flatten().filter(|source| !source.confirmed).count();
        stats.add(Counter::Unconfirmed, strays as u64);
        self.sources = [const { None }; MAX_SOURCES];
        self.used = 0;
    }

    /// Places that may have a source: the first so many.
    pub fn places(&self) -> usize {
        self.used
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

    /// Where this packet is expected by its timestamp, if its source is known.
    pub fn expected_at(&self, port: usize, packet: &Packet) -> Option<i64> {
        let Kind::Audio(format) = kind(packet) else { return None };
        let audio = audio(packet, format);
        let mut sources = self.sources.iter().flatten();
        let source = sources.find(|source| source.is(port, packet.ssrc, &audio))?;
        Some(source.leg.expected_at(packet.timestamp))
    }

    /// Takes a packet and counts it, once. `false`: nothing was done, its arrival has to be measured.
    #[must_use]
    pub fn put(&mut self, port: usize, packet: &Packet, when: When, clock: i64, stats: &mut Stats) -> bool {
        let counter = match (kind(packet), when) {
            (Kind::Audio(format), when) => {
                match self.put_audio(port, packet.ssrc, &audio(packet, format), when, clock, stats) {
                    Some(counter) => counter,
                    None => return false,
                }
            }
            (Kind::Other(_), When::Between(..)) => return false,
            (Kind::Other(counter), When::At(at)) => {
                let mine = |source: &&mut Source| source.port == port && source.ssrc == packet.ssrc;
                for source in self.sources.iter_mut().flatten().filter(mine) {
                    source.leg.pass(packet.sequence, at);
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
        when: When,
        clock: i64,
        stats: &mut Stats,
    ) -> Option<Counter> {
        let place = self.sources.iter().position(|source| source.as_ref().is_some_and(|it| it.is(port, ssrc, audio)));
        let known = place.and_then(|place| self.sources[place].as_mut());
        let arrival = match (when, &known) {
            (When::At(at), _) => Arrival { at, clock, measured: true },
            (When::Between(from, to), Some(source)) if source.confirmed => {
                let at = source.leg.expects(audio).filter(|at| (from..=to).contains(at))?;
                Arrival { at, clock, measured: false }
            }
            _ => return None,
        };
        if let (Some(place), Some(source)) = (place, known) {
            source.confirmed = true;
            return Some(self.put_in(place, audio, arrival, stats));
        }
        let Some(place) = self.free_place(arrival.at, stats) else { return Some(Counter::TooManySources) };
        let hint = self.last_end(port);
        let leg = Leg::new(&mut self.tracks.track(place), arrival, audio, hint);
        self.used = self.used.max(place + 1);
        self.sources[place] = Some(Source { port, ssrc, confirmed: false, leg });
        Some(self.put_in(place, audio, arrival, stats))
    }

    fn put_in(&mut self, place: usize, audio: &Audio, arrival: Arrival, stats: &mut Stats) -> Counter {
        match &mut self.sources[place] {
            Some(source) => source.leg.put(&mut self.tracks.track(place), arrival, audio, stats),
            None => Counter::Bug,
        }
    }

    /// Takes the next frame of one place; `None` when nothing is to be heard.
    #[must_use]
    pub fn take(&mut self, place: usize, clock: i64, room: Room, stats: &mut Stats) -> Option<Heard> {
        let source = self.sources.get_mut(place)?.as_mut()?;
        if !source.confirmed && source.leg.ends_at() <= clock + FRAME_SAMPLES as i64 {
            self.sources[place] = None;
            stats.count(Counter::Unconfirmed);
            return None;
        }
        source.leg.take(&mut self.tracks.track(place), clock, room, stats).filter(|_| source.confirmed)
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

fn audio<'a>(packet: &Packet<'a>, format: Format) -> Audio<'a> {
    let Packet { sequence, timestamp, payload, .. } = *packet;
    Audio { sequence, timestamp, payload, format }
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
