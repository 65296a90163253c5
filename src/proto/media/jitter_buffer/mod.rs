//! The jitter buffer of one source: packets in, samples on the recording's clock out.
//!
//! The buffer keeps codes on an axis of its own, the *source axis*. The position of a packet
//! follows from its timestamp, relative to an anchor; nothing that arrives later moves it. The
//! reader follows the sender's clock: `drift` is the offset from the recording axis (samples since
//! the recording began) to the source axis, and `read = clock + drift` is the next sample to be
//! mixed, `PLAYOUT_DELAY` after its arrival. Positions alone take care of jitter, reordering and
//! duplicates. Everything else:
//!
//! - **Anchor.** The first packet is positioned by its arrival. As long as none of it has been
//!   mixed, the anchor is provisional: a packet that arrives *earlier* than expected shows that the
//!   first one was late.
//! - **Jumps.** A packet whose timestamp deviates from its arrival by more than a second, or runs
//!   ahead of it in sequence, is anchored again, after the audio that is still waiting.
//! - **Clock drift.** The minimum delay over some seconds shows the drift of the sender's clock;
//!   when it leaves a dead band, the reader takes 159 or 161 samples for a frame until it is back.
//! - **Rate.** Timestamps of a clock that does not run at one tick per sample are scaled
//!   (`clock_rate`, `rescaling`).
//! - **Gaps.** Positions never written are holes: concealed if audio follows, otherwise silent. A
//!   gap between two packets in sequence is a deliberate pause of the sender, and is silence.
//!
//! Codes are decoded only if they have to be modified: most frames are mixed by one table lookup
//! per sample.

use core::ops::Range;

use crate::base::limits::{
    FRAME_SAMPLES, LEG_HISTORY, LEG_SAMPLES, MAX_DROPOUT, MAX_INFERRED, MAX_MISORDER,
    MAX_TIMESTAMP_ERROR,
};
use crate::base::stats::{Counter, Stats};
use crate::proto::media::clock_drift::{resize, ClockDrift};
use crate::proto::media::plc::{Gap, Window};
use crate::proto::media::sample_ring::SampleRing;
use crate::wire::g711::Law;
use crate::wire::g722::Decoder;
use clock_rate::{Rate, Trial};
use packet::{snap, Arrival, Audio, Format, FrameBuffers, FrameKind, FRAME};
use state::{Arrivals, Newest, ReadPosition, SourceCodec, StoredSpan};

mod clock_rate;
pub mod packet;
mod placement;
mod rescaling;
mod state;

/// History is wiped in runs of at least this length: 80 ms.
const WIPED: i64 = 640;
/// The law in which the decoded samples of a G.722 source are kept for concealment.
const HISTORY_LAW: Law = Law::Mu;

/// One source. Its sample ring is passed to each call, so that the buffer itself is small.
///
/// Positions are samples on one of two axes: the *recording axis* counts from the beginning of the
/// recording, the *source axis* from the source's anchor. `reader.drift` converts from the former
/// to the latter.
#[derive(Debug)]
pub struct JitterBuffer {
    codec: SourceCodec,
    newest: Newest,
    stored: StoredSpan,
    reader: ReadPosition,
    arrivals: Arrivals,
    /// Where the anchor's audio begins on the source axis, while none of it has been mixed.
    provisional: Option<i64>,
    /// The sender alternates between this codec and another: no gap is a loss.
    shares: bool,
    rate: Rate,
    trial: Trial,
}

impl JitterBuffer {
    /// A source that begins with this packet, which still has to be `put`. `hint` is where another
    /// source on the same port has just ended: a sender that changes its SSRC continues there.
    /// Linear samples are `put` as codes of `law`.
    pub fn new(
        ring: &mut SampleRing,
        arrival: Arrival,
        audio: &Audio,
        hint: Option<i64>,
        law: Law,
    ) -> Self {
        ring.clear();
        let near = hint.filter(|end| (arrival.at - end).abs() <= FRAME / 2);
        let place = near.unwrap_or(snap(arrival.at));
        let codec = match audio.format {
            Format::G711(law) => SourceCodec::G711(law),
            Format::L16 | Format::L16Wideband => SourceCodec::G711(law),
            Format::G722 => SourceCodec::G722(Decoder::default()),
        };
        Self {
            codec,
            newest: Newest {
                sequence: audio.sequence.wrapping_sub(1),
                timestamp: audio.timestamp,
                place,
                length: 0,
            },
            stored: StoredSpan {
                end: place,
                whole_to: arrival.clock,
                wiped: arrival.clock - LEG_HISTORY as i64,
            },
            reader: ReadPosition {
                drift: 0,
                clock_drift: ClockDrift::from(arrival.at),
                gap: Gap::default(),
            },
            arrivals: Arrivals {
                last_at: arrival.at,
                unmeasured: 0,
            },
            provisional: Some(place),
            shares: false,
            rate: Rate::of(audio.format),
            trial: Trial::default(),
        }
    }

    /// The packet continues the sequence of this source (RFC 3550, A.1).
    #[inline(always)] // for each packet
    pub fn fits(&self, sequence: u16) -> bool {
        (-MAX_MISORDER..=MAX_DROPOUT).contains(&self.step(sequence))
    }

    /// The arrival of the last packet, in samples since the recording began.
    pub fn last_at(&self) -> i64 {
        self.arrivals.last_at
    }

    /// Where the audio of this source ends on the recording axis.
    pub fn ends_at(&self) -> i64 {
        self.stored.end - self.reader.drift
    }

    /// The arrival of this packet, if it continues exactly where the last one ended: then its
    /// arrival is inferred and need not be measured.
    pub fn expects(&self, audio: &Audio) -> Option<i64> {
        if self.reader.clock_drift.needs_all() {
            return None;
        }
        let length = self.since_anchor(audio.timestamp);
        let goes_on = self.step(audio.sequence) == 1
            && self.newest.place + length == self.stored.end
            && self.provisional.is_none();
        (goes_on && self.arrivals.unmeasured + length <= MAX_INFERRED)
            .then_some(self.arrivals.last_at + length)
    }

    /// When a packet with this timestamp is expected, based on the latest packet.
    pub fn expected_at(&self, timestamp: u32) -> i64 {
        self.arrivals.last_at + self.since_anchor(timestamp)
    }

    /// Samples from the newest packet to one with this timestamp.
    fn since_anchor(&self, timestamp: u32) -> i64 {
        self.rate
            .samples(timestamp.wrapping_sub(self.newest.timestamp) as i32)
    }

    /// Stores the audio of a packet; returns the counter that applies to it.
    pub fn put(
        &mut self,
        ring: &mut SampleRing,
        arrival: Arrival,
        audio: &Audio,
        stats: &mut Stats,
    ) -> Counter {
        let step = self.step(audio.sequence);
        let ahead = self.since_anchor(audio.timestamp);
        let place = self.newest.place + ahead;
        if step == 0 {
            return Counter::Duplicate;
        }
        if step < 0 {
            let late = arrival.at + self.reader.drift - place;
            let lost = late.abs() > MAX_TIMESTAMP_ERROR;
            return if lost {
                Counter::Late
            } else {
                self.store(ring, arrival.clock, place, audio)
            };
        }
        self.compare_rate(step, ahead);
        let followed = std::mem::replace(&mut self.newest.sequence, audio.sequence);
        let in_sequence = followed.wrapping_add(1) == audio.sequence;
        let Some(place) = self.place(
            ring,
            arrival,
            place,
            in_sequence,
            audio.payload.len() as i64,
            stats,
        ) else {
            return Counter::Late;
        };
        self.newest.timestamp = audio.timestamp;
        self.newest.place = place;
        self.newest.length = audio.payload.len() as i32;
        self.arrivals.last_at = arrival.at;
        if in_sequence {
            self.silence(ring, arrival.clock, place);
        }
        if arrival.measured {
            self.reader
                .clock_drift
                .observe(arrival.at, arrival.at + self.reader.drift - place);
        }
        self.arrivals.unmeasured = if arrival.measured {
            0
        } else {
            self.arrivals.unmeasured + audio.payload.len() as i64
        };
        let counter = self.store(ring, arrival.clock, place, audio);
        if self.trial.is_open() {
            self.decide_rate(ring, arrival.clock, stats);
        }
        counter
    }

    /// Takes the next frame; `None` when the source is silent.
    #[must_use]
    pub fn take(
        &mut self,
        ring: &mut SampleRing,
        clock: i64,
        buffers: FrameBuffers,
        stats: &mut Stats,
    ) -> Option<FrameKind> {
        let read = clock + self.reader.drift;
        if self.stored.wiped + WIPED <= read - LEG_HISTORY as i64 {
            self.wipe(ring, read - LEG_HISTORY as i64);
        }
        if self.stored.end <= read {
            self.apply_drift_in_silence(ring, read);
            return None;
        }
        if self.provisional.is_some_and(|start| start < read + FRAME) {
            self.provisional = None;
        }
        let step = self.reader.clock_drift.step(clock, self.stored.end - read);
        if let (0, Some(law), false) = (
            step,
            self.codec.law(),
            self.reader.gap.is_open() || self.stored.whole_to < read + FRAME,
        ) {
            ring.copy(read, buffers.codes);
            // A-law has no zero: silence that nobody has sent would be audible in the frame of the
            // other codec.
            let ceded = self.shares && buffers.codes.iter().all(|code| *code == law.silence());
            return (!ceded).then_some(FrameKind::Codes(law));
        }
        let span = read..read + FRAME - step;
        self.reader.drift -= step;
        let mut samples = [0; FRAME_SAMPLES + 1];
        let samples = &mut samples[..(FRAME - step) as usize];
        if !self.make_whole(ring, span, samples, stats) {
            return None;
        }
        stats.add(Counter::SkewSteps, step.unsigned_abs());
        *buffers.samples = resize(samples);
        Some(FrameKind::Samples)
    }

    fn step(&self, sequence: u16) -> i32 {
        i32::from(sequence.wrapping_sub(self.newest.sequence) as i16)
    }

    /// No audio is waiting, so the drift is corrected at once, inaudibly.
    fn apply_drift_in_silence(&mut self, ring: &mut SampleRing, read: i64) {
        self.reader.gap = Gap::default();
        let pending = self.reader.clock_drift.offset();
        if pending != 0 {
            self.wipe(ring, read);
            self.move_reader(read - self.reader.drift, self.reader.drift - pending);
            self.stored.end = self.stored.end.min(read - pending);
            self.stored.whole_to = self.stored.end;
            self.reader.clock_drift = ClockDrift::from(self.arrivals.last_at);
        }
    }

    /// Sets the reader's drift. Where the reader moves back, what it writes there is wiped again.
    fn move_reader(&mut self, clock: i64, drift: i64) {
        self.reader.drift = drift;
        self.stored.wiped = self.stored.wiped.min(clock + drift);
    }

    fn silence(&mut self, ring: &mut SampleRing, clock: i64, until: i64) {
        let read = clock + self.reader.drift;
        let from = self.stored.end.max(read);
        let Some(law) = self.codec.law().filter(|_| from < until) else {
            return;
        };
        let until = until.min(from + LEG_SAMPLES as i64);
        ring.fill(from..until, law.silence());
        if from <= self.stored.whole_to.max(read) {
            self.stored.whole_to = until;
        }
    }

    fn store(&mut self, ring: &mut SampleRing, clock: i64, place: i64, audio: &Audio) -> Counter {
        let read = clock + self.reader.drift;
        let skipped = usize::try_from(read - place).unwrap_or(0);
        let Some(payload) = audio.payload.get(skipped..).filter(|rest| !rest.is_empty()) else {
            return Counter::Late;
        };
        let place = place + skipped as i64;
        if ring.has(place) {
            return Counter::Duplicate;
        }
        ring.store(place, payload);
        let end = place + payload.len() as i64;
        if place <= self.stored.whole_to.max(read) {
            self.stored.whole_to = self.stored.whole_to.max(end);
        }
        self.stored.end = self.stored.end.max(end);
        if skipped == 0 && self.trial.is_open() {
            self.record_placement(place, audio);
        }
        Counter::Audio
    }

    /// Decodes the frame at `span` and fills its holes; `false` if it is silent.
    fn make_whole(
        &mut self,
        ring: &mut SampleRing,
        span: Range<i64>,
        samples: &mut [i16],
        stats: &mut Stats,
    ) -> bool {
        self.decode(ring, span.clone());
        let law = self.codec.law().unwrap_or(HISTORY_LAW);
        // The codes ahead of a G.722 source's reader are not decoded yet.
        let known_to = if self.codec.law().is_some() {
            i64::MAX
        } else {
            span.end
        };
        let decoded = |at| {
            ring.code(at)
                .filter(|_| at < known_to)
                .map(|code| law.decode_one(code))
        };
        let mut window = Window::around(span.start, decoded);
        let holes = span.clone().filter(|at| !ring.has(*at)).count();
        // Audio that the other codec's buffer has is not concealed here.
        let goes_on_to = if self.shares {
            span.start
        } else {
            self.stored.end
        };
        let made_up = self.reader.gap.fill(&mut window, span.clone(), goes_on_to);
        for (at, sample) in span.clone().zip(samples.iter_mut()) {
            *sample = window.at(at).unwrap_or(0);
            if !ring.has(at) {
                ring.store(at, &[law.encode_one((*sample).into())]);
            }
        }
        self.stored.whole_to = self.stored.whole_to.max(span.end);
        while self.stored.whole_to < self.stored.end && ring.has(self.stored.whole_to) {
            self.stored.whole_to += 1;
        }
        stats.add(Counter::Concealed, made_up as u64);
        holes < samples.len() || made_up > 0
    }

    /// Replaces G.722 codes by codes of `HISTORY_LAW`, in order.
    fn decode(&mut self, ring: &mut SampleRing, span: Range<i64>) {
        let SourceCodec::G722(decoder) = &mut self.codec else {
            return;
        };
        for at in span {
            if let Some(code) = ring.code(at) {
                let sample = decoder.decode(code);
                ring.store(at, &[HISTORY_LAW.encode_one(sample.into())]);
            }
        }
    }

    fn wipe(&mut self, ring: &mut SampleRing, until: i64) {
        if until > self.stored.wiped {
            ring.wipe(self.stored.wiped.max(until - LEG_SAMPLES as i64)..until);
            self.stored.wiped = until;
        }
    }
}
