//! One call leg: packets in, samples on the recording's output clock out.
//!
//! A leg keeps a ring of samples on its own axis, the *leg axis*. A packet lies where its timestamp
//! says, counted from an anchor; nothing that arrives later moves it. What follows the sender's clock
//! is the reader: `drift` is the distance from the output axis (samples since the recording began) to
//! the leg axis, and `read = clock + drift` is the next sample to be mixed, `PLAYOUT_DELAY` behind the
//! arrivals. Jitter, reordering and duplicates sort themselves out by place. For the rest:
//!
//! - **Anchor.** The first packet lies at its arrival. As long as none of it has been mixed it is
//!   provisional: a packet that comes *earlier* than it should shows that the first one was late.
//! - **Jumps.** A timestamp that departs from the arrivals by more than a second, or runs ahead of
//!   them in sequence, is anchored anew, behind what is still waiting.
//! - **Skew.** The least delay of some seconds is the sender's clock against ours; when it leaves a
//!   dead band, the reader takes 159 or 161 samples for a frame until it is back.
//! - **Gaps.** Places never written are `HOLE`s: concealed, if audio goes on behind them, else silent.
//!   A gap between two packets in sequence was meant by the sender, and is silence.

use crate::base::limits::{
    FRAME_SAMPLES, LEG_HISTORY, LEG_SAMPLES, MAX_DROPOUT, MAX_EARLY_STEP, MAX_MISORDER, MAX_TIMESTAMP_ERROR,
    SKEW_DEAD_BAND, SNAP,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::conceal::Gap;
use crate::proto::skew::{resize, Skew};
use crate::wire::g711::Law;
use crate::wire::g722::Decoder;

/// A place in the ring that no packet has written. No G.711 code decodes to it; two equal bytes, so
/// that wiping is a `memset`.
pub const HOLE: i16 = i16::from_ne_bytes([0x80, 0x80]);
/// In the ring of a G.722 leg: silence that the sender meant (codes are 0 to 255).
const NO_CODE: i16 = -1;
const FRAME: i64 = FRAME_SAMPLES as i64;
/// How far ahead of the reader a packet may lie.
const AHEAD: i64 = (LEG_SAMPLES - LEG_HISTORY - 2 * FRAME_SAMPLES) as i64;
/// How far a leg may have run ahead before audio that comes faster than time is dropped: 200 ms.
const MAX_BACKLOG: i64 = 1600;

/// The samples of one frame.
pub type Frame = [i16; FRAME_SAMPLES];

/// How a payload is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One byte, one sample.
    G711(Law),
    /// One byte, one sample of the lower band; decoded when it is mixed, in order.
    G722,
}

/// When a packet came, and how far mixing has got, both in samples since the recording began.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The packet's arrival.
    pub at: i64,
    /// The first sample not yet mixed.
    pub clock: i64,
}

/// The audio of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Audio<'a> {
    /// RTP sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// At least one byte.
    pub payload: &'a [u8],
    /// What the bytes are.
    pub format: Format,
}

/// One leg. Its ring of `LEG_SAMPLES` is lent to each call, so that a leg itself is small.
#[derive(Debug)]
pub struct Leg {
    newest: u16,
    anchor_timestamp: u32,
    anchor: i64,
    drift: i64,
    /// Behind the last sample stored.
    end: i64,
    /// From the reader to here there is no hole: nothing has to be looked for.
    whole_to: i64,
    /// Everything before this has been wiped from the ring.
    wiped: i64,
    /// Where the anchor's audio begins, while none of it has been mixed.
    provisional: Option<i64>,
    last_at: i64,
    skew: Skew,
    gap: Gap,
    decoder: Option<Decoder>,
}

impl Leg {
    /// A leg that begins with this packet, which still has to be `put`. `hint` is where another source
    /// on the same port has just ended: a sender that changes its SSRC goes on there.
    pub fn new(ring: &mut [i16], arrival: Arrival, audio: &Audio, hint: Option<i64>) -> Self {
        ring.fill(HOLE);
        let place = hint.filter(|end| (arrival.at - end).abs() <= FRAME / 2).unwrap_or(snap(arrival.at));
        let decoder = matches!(audio.format, Format::G722).then(Decoder::default);
        Self {
            newest: audio.sequence.wrapping_sub(1),
            anchor_timestamp: audio.timestamp,
            anchor: place,
            drift: 0,
            end: place,
            whole_to: arrival.clock,
            wiped: arrival.clock - LEG_HISTORY as i64,
            provisional: Some(place),
            last_at: arrival.at,
            skew: Skew::from(arrival.at),
            gap: Gap::default(),
            decoder,
        }
    }

    /// The packet continues this leg's sequence (RFC 3550, A.1) and fits its decoder.
    pub fn fits(&self, sequence: u16, format: Format) -> bool {
        (-MAX_MISORDER..=MAX_DROPOUT).contains(&self.step(sequence))
            && self.decoder.is_some() == matches!(format, Format::G722)
    }

    /// When the last packet came, in samples since the recording began.
    pub fn last_at(&self) -> i64 {
        self.last_at
    }

    /// Where this leg's audio ends on the output axis.
    pub fn ends_at(&self) -> i64 {
        self.end - self.drift
    }

    /// A packet of the source without audio: it only keeps the sequence, so that what is behind it
    /// counts as meant, not as lost.
    pub fn pass(&mut self, sequence: u16, at: i64) {
        if self.step(sequence) > 0 {
            self.newest = sequence;
        }
        self.last_at = self.last_at.max(at);
    }

    /// Takes a packet's audio; says how it is to be counted.
    pub fn put(&mut self, ring: &mut [i16], arrival: Arrival, audio: &Audio, stats: &mut Stats) -> Counter {
        let step = self.step(audio.sequence);
        let place = self.anchor + i64::from(audio.timestamp.wrapping_sub(self.anchor_timestamp) as i32);
        if step == 0 {
            return Counter::Duplicate;
        }
        if step < 0 {
            let late = arrival.at + self.drift - place;
            let lost = late.abs() > MAX_TIMESTAMP_ERROR;
            return if lost { Counter::Late } else { self.store(ring, arrival.clock, place, audio) };
        }
        let followed = std::mem::replace(&mut self.newest, audio.sequence);
        let in_sequence = followed.wrapping_add(1) == audio.sequence;
        let Some(place) = self.place(ring, arrival, place, in_sequence, audio.payload.len() as i64, stats) else {
            return Counter::Late;
        };
        self.anchor_timestamp = audio.timestamp;
        self.anchor = place;
        self.last_at = arrival.at;
        if in_sequence {
            self.silence(ring, arrival.clock, place);
        }
        self.skew.observe(arrival.at, arrival.at + self.drift - place);
        self.store(ring, arrival.clock, place, audio)
    }

    /// Copies the next frame's samples into `frame`; `false` when the leg is silent.
    #[must_use]
    pub fn take(&mut self, ring: &mut [i16], clock: i64, frame: &mut Frame, stats: &mut Stats) -> bool {
        let read = clock + self.drift;
        self.wipe(ring, read - LEG_HISTORY as i64);
        if self.end <= read {
            self.give_way_in_silence(ring, read);
            return false;
        }
        if self.provisional.is_some_and(|start| start < read + FRAME) {
            self.provisional = None;
        }
        let step = self.skew.step(clock, self.end - read);
        let span = FRAME_SAMPLES + usize::from(step < 0) - usize::from(step > 0);
        if !self.make_whole(ring, read, span, stats) {
            self.drift -= step;
            return false;
        }
        debug_assert!((read..read + span as i64).all(|at| ring[index(at)] != HOLE), "bug: a hole is heard");
        if step == 0 {
            let (from, to) = frame.split_at_mut(FRAME_SAMPLES.min(LEG_SAMPLES - index(read)));
            from.copy_from_slice(&ring[index(read)..][..from.len()]);
            to.copy_from_slice(&ring[..to.len()]);
        } else {
            stats.count(Counter::SkewSteps);
            resize(ring, read, span, frame);
            self.drift -= step;
        }
        true
    }

    fn step(&self, sequence: u16) -> i32 {
        i32::from(sequence.wrapping_sub(self.newest) as i16)
    }

    /// Where the newest packet goes: by its timestamp, unless that cannot be true.
    fn place(
        &mut self,
        ring: &mut [i16],
        arrival: Arrival,
        place: i64,
        in_sequence: bool,
        len: i64,
        stats: &mut Stats,
    ) -> Option<i64> {
        let Arrival { at, clock } = arrival;
        let (here, read) = (at + self.drift, clock + self.drift);
        let (late, empty) = (here - place, self.end <= read);
        let ran_ahead = in_sequence && (place - self.anchor) - (at - self.last_at) > MAX_EARLY_STEP;
        let jumped = late.abs() > MAX_TIMESTAMP_ERROR || place + len > read + AHEAD || ran_ahead;
        if jumped || (empty && (place < read || late.abs() > FRAME)) {
            return self.anchor_anew(at, empty, stats);
        }
        if self.provisional.is_some() && late < -SKEW_DEAD_BAND {
            self.hasten(ring, clock, place - snap(at));
        }
        // Two packets in sequence never share a place, whatever their timestamps say.
        Some(if in_sequence { place.max(self.end.min(here + MAX_BACKLOG)) } else { place })
    }

    /// A place by arrival: behind what is waiting, if that is near; `None` if too much is waiting.
    fn anchor_anew(&mut self, at: i64, empty: bool, stats: &mut Stats) -> Option<i64> {
        let here = at + self.drift;
        stats.count(Counter::Reanchored);
        self.skew = Skew::from(at);
        if empty {
            let place = snap(at) + self.drift;
            self.provisional = Some(place);
            return Some(place);
        }
        match here - self.end {
            gap if gap > FRAME => Some(snap(at) + self.drift),
            gap if gap >= -MAX_BACKLOG => Some(self.end),
            _ => None,
        }
    }

    /// Moves the reader ahead, since the provisional anchor was late by this much; but not past audio
    /// that is waiting: what is left is skew, to be followed in small steps.
    fn hasten(&mut self, ring: &mut [i16], clock: i64, drift: i64) {
        let drift = drift.min(self.provisional.unwrap_or(0) - clock);
        if drift > self.drift {
            self.wipe(ring, clock + drift);
            self.drift = drift;
            self.skew = Skew::from(self.last_at);
        }
    }

    /// Nothing is waiting, so the reader can go where the skew wants it at once, unheard.
    fn give_way_in_silence(&mut self, ring: &mut [i16], read: i64) {
        self.gap = Gap::default();
        let pending = self.skew.pending();
        if pending != 0 {
            self.wipe(ring, read);
            self.drift -= pending;
            self.end = self.end.min(read - pending);
            self.whole_to = self.end;
            self.skew = Skew::from(self.last_at);
        }
    }

    fn silence(&mut self, ring: &mut [i16], clock: i64, until: i64) {
        let quiet = if self.decoder.is_some() { NO_CODE } else { 0 };
        let from = self.end.max(clock + self.drift);
        for at in from..until.min(from + LEG_SAMPLES as i64) {
            ring[index(at)] = quiet;
        }
    }

    fn store(&mut self, ring: &mut [i16], clock: i64, place: i64, audio: &Audio) -> Counter {
        let read = clock + self.drift;
        let skipped = usize::try_from(read - place).unwrap_or(0);
        let Some(payload) = audio.payload.get(skipped..).filter(|rest| !rest.is_empty()) else {
            return Counter::Late;
        };
        let place = place + skipped as i64;
        let at = index(place);
        if ring[at] != HOLE {
            return Counter::Duplicate;
        }
        let (head, tail) = payload.split_at(payload.len().min(LEG_SAMPLES - at));
        let (wrapped, ahead) = ring.split_at_mut(at);
        match audio.format {
            Format::G711(law) => {
                law.decode(head, ahead);
                law.decode(tail, wrapped);
            }
            Format::G722 => {
                ahead.iter_mut().zip(head).for_each(|(to, code)| *to = i16::from(*code));
                wrapped.iter_mut().zip(tail).for_each(|(to, code)| *to = i16::from(*code));
            }
        }
        let end = place + payload.len() as i64;
        if place <= self.whole_to.max(read) {
            self.whole_to = self.whole_to.max(end);
        }
        self.end = self.end.max(end);
        Counter::Audio
    }

    /// Decodes what is still codes and fills the holes of one frame; `false` if nothing is to be heard.
    fn make_whole(&mut self, ring: &mut [i16], read: i64, span: usize, stats: &mut Stats) -> bool {
        if let Some(decoder) = &mut self.decoder {
            for at in read..read + span as i64 {
                match &mut ring[index(at)] {
                    sample if *sample == HOLE => {}
                    sample if *sample == NO_CODE => *sample = 0,
                    code => *code = audible(decoder.decode(u8::try_from(*code).unwrap_or(0)).into()),
                }
            }
        }
        let frame = read..read + span as i64;
        if self.whole_to >= frame.end && !self.gap.is_open() {
            return true;
        }
        let missing = frame.clone().filter(|at| ring[index(*at)] == HOLE).count();
        self.whole_to = self.whole_to.max(frame.end);
        let made_up = self.gap.fill(ring, frame, self.end, self.decoder.is_none());
        while self.whole_to < self.end && ring[index(self.whole_to)] != HOLE {
            self.whole_to += 1;
        }
        stats.add(Counter::Concealed, made_up as u64);
        missing < span || made_up > 0
    }

    fn wipe(&mut self, ring: &mut [i16], until: i64) {
        let from = self.wiped.max(until - LEG_SAMPLES as i64);
        if let Ok(count @ 1..) = usize::try_from(until - from) {
            let at = index(from);
            let first = count.min(LEG_SAMPLES - at);
            ring[at..at + first].fill(HOLE);
            ring[..count - first].fill(HOLE);
            self.wiped = until;
        }
    }
}

/// The place in the ring of a position on the leg axis.
pub fn index(position: i64) -> usize {
    (position & (LEG_SAMPLES as i64 - 1)) as usize
}

/// A sample that is no hole, whatever it was computed to be.
pub fn audible(sample: i32) -> i16 {
    sample.clamp(i32::from(HOLE) + 1, i32::from(i16::MAX)) as i16
}

/// The frame border close by, or the position itself.
fn snap(at: i64) -> i64 {
    match at.rem_euclid(FRAME) {
        past if past <= SNAP => at - past,
        past if past >= FRAME - SNAP => at + FRAME - past,
        _ => at,
    }
}
