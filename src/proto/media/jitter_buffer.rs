//! One call leg: packets in, samples on the recording's output clock out.
//!
//! A leg keeps a track of codes on its own axis, the *leg axis*. A packet lies where its timestamp
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
//! - **Rate.** A clock that runs at another rate than the bytes is scaled (`rate`).
//! - **Gaps.** Places never written are holes: concealed, if audio goes on behind them, else silent.
//!   A gap between two packets in sequence was meant by the sender, and is silence.
//!
//! Codes stay codes where nothing has to be done to them: most frames are mixed by one look-up a sample.

use core::ops::Range;

use crate::base::limits::{
    FRAME_SAMPLES, LEG_HISTORY, LEG_SAMPLES, MAX_BELIEVED, MAX_DROPOUT, MAX_MISORDER,
    MAX_TIMESTAMP_ERROR,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::{resize, Skew};
use crate::proto::media::plc::{Gap, Window};
use crate::proto::media::sample_ring::Track;
use crate::wire::g711::Law;
use crate::wire::g722::Decoder;
use clock_rate::{Rate, Trial};
use placement::snap;

mod clock_rate;
mod placement;

const FRAME: i64 = FRAME_SAMPLES as i64;
/// History is wiped in pieces of this length at least: 80 ms.
const WIPED: i64 = 640;
/// In what law a G.722 leg keeps samples it has decoded, for concealment.
const HISTORY_LAW: Law = Law::Mu;

/// What a leg gives to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Codes of this law, as they came.
    Codes(Law),
    /// Samples: something had to be done to them.
    Samples,
}

/// Where a leg puts what it gives: it is not carried from hand to hand.
#[derive(Debug)]
pub struct Room<'a> {
    /// For `Heard::Codes`.
    pub codes: &'a mut [u8; FRAME_SAMPLES],
    /// For `Heard::Samples`.
    pub samples: &'a mut [i16; FRAME_SAMPLES],
}

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
    /// `at` was measured; else it is what the leg `expects`.
    pub measured: bool,
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

/// One leg. Its track is lent to each call, so that a leg itself is small.
#[derive(Debug)]
pub struct Leg {
    newest: u16,
    anchor_timestamp: u32,
    anchor: i64,
    /// Samples of the newest packet.
    length: i32,
    rate: Rate,
    trial: Trial,
    drift: i64,
    /// Behind the last sample stored.
    end: i64,
    /// From the reader to here there is no hole: nothing has to be looked for.
    whole_to: i64,
    /// Everything before this has been wiped from the track.
    wiped: i64,
    /// The sender goes back and forth between this codec and another: no gap is a loss.
    shares: bool,
    /// Where the anchor's audio begins, while none of it has been mixed.
    provisional: Option<i64>,
    last_at: i64,
    /// Audio since the last measured arrival.
    believed: i64,
    skew: Skew,
    gap: Gap,
    /// `None`: G.722.
    law: Option<Law>,
    decoder: Decoder,
}

impl Leg {
    /// A leg that begins with this packet, which still has to be `put`. `hint` is where another source
    /// on the same port has just ended: a sender that changes its SSRC goes on there.
    pub fn new(track: &mut Track, arrival: Arrival, audio: &Audio, hint: Option<i64>) -> Self {
        track.clear();
        let place = hint
            .filter(|end| (arrival.at - end).abs() <= FRAME / 2)
            .unwrap_or(snap(arrival.at));
        let law = match audio.format {
            Format::G711(law) => Some(law),
            Format::G722 => None,
        };
        Self {
            newest: audio.sequence.wrapping_sub(1),
            anchor_timestamp: audio.timestamp,
            anchor: place,
            length: 0,
            rate: Rate::default(),
            trial: Trial::default(),
            drift: 0,
            end: place,
            whole_to: arrival.clock,
            wiped: arrival.clock - LEG_HISTORY as i64,
            shares: false,
            provisional: Some(place),
            last_at: arrival.at,
            believed: 0,
            skew: Skew::from(arrival.at),
            gap: Gap::default(),
            law,
            decoder: Decoder::default(),
        }
    }

    /// The packet continues this leg's sequence (RFC 3550, A.1) and fits its decoder.
    pub fn fits(&self, sequence: u16, format: Format) -> bool {
        (-MAX_MISORDER..=MAX_DROPOUT).contains(&self.step(sequence))
            && self.law.map_or(Format::G722, Format::G711) == format
    }

    /// When the last packet came, in samples since the recording began.
    pub fn last_at(&self) -> i64 {
        self.last_at
    }

    /// Where this leg's audio ends on the output axis.
    pub fn ends_at(&self) -> i64 {
        self.end - self.drift
    }

    /// When this packet must have come, if it goes on exactly where the last one ended: its arrival
    /// need not be asked for.
    pub fn expects(&self, audio: &Audio) -> Option<i64> {
        let length = self.since_anchor(audio.timestamp);
        let goes_on = self.step(audio.sequence) == 1
            && self.anchor + length == self.end
            && self.provisional.is_none();
        (goes_on && self.believed + length <= MAX_BELIEVED).then_some(self.last_at + length)
    }

    /// When a packet with this timestamp should come, going by the latest one.
    pub fn expected_at(&self, timestamp: u32) -> i64 {
        self.last_at + self.since_anchor(timestamp)
    }

    /// Samples from the newest packet to one with this timestamp.
    fn since_anchor(&self, timestamp: u32) -> i64 {
        self.rate
            .samples(timestamp.wrapping_sub(self.anchor_timestamp) as i32)
    }

    /// A packet of the source in another codec, which another leg has: this one is silent there, and misses nothing.
    pub fn cede(&mut self, at: i64, audio: &Audio) {
        if !(1..=MAX_DROPOUT).contains(&self.step(audio.sequence)) {
            return;
        }
        self.shares = true;
        self.newest = audio.sequence;
        self.anchor += self.since_anchor(audio.timestamp);
        self.anchor_timestamp = audio.timestamp;
        self.length = audio.payload.len() as i32;
        self.last_at = self.last_at.max(at);
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
    pub fn put(
        &mut self,
        track: &mut Track,
        arrival: Arrival,
        audio: &Audio,
        stats: &mut Stats,
    ) -> Counter {
        let step = self.step(audio.sequence);
        let ahead = self.since_anchor(audio.timestamp);
        let place = self.anchor + ahead;
        if step == 0 {
            return Counter::Duplicate;
        }
        if step < 0 {
            let late = arrival.at + self.drift - place;
            let lost = late.abs() > MAX_TIMESTAMP_ERROR;
            return if lost {
                Counter::Late
            } else {
                self.store(track, arrival.clock, place, audio)
            };
        }
        self.compare_rate(step, ahead);
        let followed = std::mem::replace(&mut self.newest, audio.sequence);
        let in_sequence = followed.wrapping_add(1) == audio.sequence;
        let Some(place) = self.place(
            track,
            arrival,
            place,
            in_sequence,
            audio.payload.len() as i64,
            stats,
        ) else {
            return Counter::Late;
        };
        self.anchor_timestamp = audio.timestamp;
        self.anchor = place;
        self.length = audio.payload.len() as i32;
        self.last_at = arrival.at;
        if in_sequence {
            self.silence(track, arrival.clock, place);
        }
        if arrival.measured {
            self.skew
                .observe(arrival.at, arrival.at + self.drift - place);
        }
        self.believed = if arrival.measured {
            0
        } else {
            self.believed + audio.payload.len() as i64
        };
        let counter = self.store(track, arrival.clock, place, audio);
        if self.trial.is_open() {
            self.judge_rate(track, arrival.clock, stats);
        }
        counter
    }

    /// Takes the next frame; `None` when the leg is silent.
    #[must_use]
    pub fn take(
        &mut self,
        track: &mut Track,
        clock: i64,
        room: Room,
        stats: &mut Stats,
    ) -> Option<Heard> {
        let read = clock + self.drift;
        if self.wiped + WIPED <= read - LEG_HISTORY as i64 {
            self.wipe(track, read - LEG_HISTORY as i64);
        }
        if self.end <= read {
            self.give_way_in_silence(track, read);
            return None;
        }
        if self.provisional.is_some_and(|start| start < read + FRAME) {
            self.provisional = None;
        }
        let step = self.skew.step(clock, self.end - read);
        if let (0, Some(law), false) = (
            step,
            self.law,
            self.gap.is_open() || self.whole_to < read + FRAME,
        ) {
            track.copy(read, room.codes);
            // A-law has no zero: silence that nobody has sent would be heard in the other codec's frame.
            let ceded = self.shares && room.codes.iter().all(|code| *code == law.silence());
            return (!ceded).then_some(Heard::Codes(law));
        }
        let span = read..read + FRAME - step;
        self.drift -= step;
        let mut samples = [0; FRAME_SAMPLES + 1];
        let samples = &mut samples[..(FRAME - step) as usize];
        if !self.make_whole(track, span, samples, stats) {
            return None;
        }
        stats.add(Counter::SkewSteps, step.unsigned_abs());
        *room.samples = resize(samples);
        Some(Heard::Samples)
    }

    fn step(&self, sequence: u16) -> i32 {
        i32::from(sequence.wrapping_sub(self.newest) as i16)
    }

    /// Nothing is waiting, so the reader can go where the skew wants it at once, unheard.
    fn give_way_in_silence(&mut self, track: &mut Track, read: i64) {
        self.gap = Gap::default();
        let pending = self.skew.pending();
        if pending != 0 {
            self.wipe(track, read);
            self.drift -= pending;
            self.end = self.end.min(read - pending);
            self.whole_to = self.end;
            self.skew = Skew::from(self.last_at);
        }
    }

    fn silence(&mut self, track: &mut Track, clock: i64, until: i64) {
        let read = clock + self.drift;
        let from = self.end.max(read);
        let Some(law) = self.law.filter(|_| from < until) else {
            return;
        };
        let until = until.min(from + LEG_SAMPLES as i64);
        track.fill(from..until, law.silence());
        if from <= self.whole_to.max(read) {
            self.whole_to = until;
        }
    }

    fn store(&mut self, track: &mut Track, clock: i64, place: i64, audio: &Audio) -> Counter {
        let read = clock + self.drift;
        let skipped = usize::try_from(read - place).unwrap_or(0);
        let Some(payload) = audio.payload.get(skipped..).filter(|rest| !rest.is_empty()) else {
            return Counter::Late;
        };
        let place = place + skipped as i64;
        if track.has(place) {
            return Counter::Duplicate;
        }
        track.store(place, payload);
        let end = place + payload.len() as i64;
        if place <= self.whole_to.max(read) {
            self.whole_to = self.whole_to.max(end);
        }
        self.end = self.end.max(end);
        if skipped == 0 && self.trial.is_open() {
            self.note_place(place, audio);
        }
        Counter::Audio
    }

    /// Decodes the frame at `span` and fills its holes; `false` if nothing is to be heard.
    fn make_whole(
        &mut self,
        track: &mut Track,
        span: Range<i64>,
        samples: &mut [i16],
        stats: &mut Stats,
    ) -> bool {
        if self.law.is_none() {
            self.decode(track, span.clone());
        }
        let law = self.law.unwrap_or(HISTORY_LAW);
        // What is ahead of a G.722 leg's reader is not decoded yet.
        let known_to = if self.law.is_some() {
            i64::MAX
        } else {
            span.end
        };
        let decoded = |at| {
            track
                .code(at)
                .filter(|_| at < known_to)
                .map(|code| law.decode_one(code))
        };
        let mut window = Window::around(span.start, decoded);
        let holes = span.clone().filter(|at| !track.has(*at)).count();
        // What has been ceded is not made up.
        let goes_on_to = if self.shares { span.start } else { self.end };
        let made_up = self.gap.fill(&mut window, span.clone(), goes_on_to);
        for (at, sample) in span.clone().zip(samples.iter_mut()) {
            *sample = window.at(at).unwrap_or(0);
            if !track.has(at) {
                track.store(at, &[law.encode_one((*sample).into())]);
            }
        }
        self.whole_to = self.whole_to.max(span.end);
        while self.whole_to < self.end && track.has(self.whole_to) {
            self.whole_to += 1;
        }
        stats.add(Counter::Concealed, made_up as u64);
        holes < samples.len() || made_up > 0
    }

    /// G.722 codes -> codes of `HISTORY_LAW`, in order.
    fn decode(&mut self, track: &mut Track, span: Range<i64>) {
        for at in span {
            if let Some(code) = track.code(at) {
                let sample = self.decoder.decode(code);
                track.store(at, &[HISTORY_LAW.encode_one(sample.into())]);
            }
        }
    }

    fn wipe(&mut self, track: &mut Track, until: i64) {
        if until > self.wiped {
            track.wipe(self.wiped.max(until - LEG_SAMPLES as i64)..until);
            self.wiped = until;
        }
    }
}
