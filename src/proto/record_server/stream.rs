//! One received stream: RTP packets as they come, frames of 20 ms in order.
//!
//! A packet's place is told by its timestamp, counted from the first packet: sample 0. `end` is behind the
//! newest sample. A packet in sequence belongs at `end`, or behind a gap that its timestamp names: loss, a
//! pause of the phone, or a silent talker; the gap is silence. A timestamp that goes back, or names a
//! gap longer than time has passed, is a jump: the packet is placed by its arrival. Frames are given out when
//! the newest one is a reorder window ahead, or nothing has come for as long. A packet that the first one has
//! overtaken on its way moves the beginning back, as long as nothing has been given out.
//!
//! ```text
//! frames:   0 ... next ......... ready ............ end/160 ...... next + HELD_FRAMES
//!           given out | to be given |  held, reordering  |  room
//! ```
//! `put` takes a packet; then `take` gives out frames until `None`. A packet far ahead is taken at the second
//! try, when the frames before it have been given out (`Verdict::TakeFirst`).

use core::net::{IpAddr, SocketAddr};

use crate::base::limits::server::{
    FAST_CLOCK_PART, HELD_FRAMES, MAX_AHEAD, MAX_FILL_FRAMES, REORDER_FRAMES, REORDER_WINDOW,
    START_BACKLOG,
};
use crate::base::limits::{FRAME_SAMPLES, MAX_PAYLOAD, SAMPLE_NANOS};
use crate::base::time::{Duration, Instant};
use crate::proto::record_server::sequence::{Order, Sequence};
use crate::wire::g711::Law;
use crate::wire::rtp::{Error, Packet, HEADER_BYTES};

const FRAME: u64 = FRAME_SAMPLES as u64;

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Verdict {
    /// Its audio is in the recording.
    Audio,
    /// Its time had been given out.
    Late,
    /// It came twice.
    Duplicate,
    /// Not from the phone's address, or not from the port its first packet came from.
    Stranger,
    /// Another SSRC than that of the first packet.
    OtherSource,
    /// RTCP on the audio's port.
    Rtcp,
    /// Neither RTP nor RTCP.
    NotRtp,
    /// Not in the recording's codec.
    UnknownPayload,
    /// Without audio.
    Empty,
    /// With more audio than a packet has, or longer than a datagram we read.
    Oversize,
    /// A sequence number far off, which the next packet did not confirm.
    OddSequence,
    /// More audio than time has passed.
    Excess,
    /// Not yet: take the frames that wait, then put it again.
    TakeFirst,
}

/// The verdicts' names, in their order.
pub const VERDICTS: [&str; Verdict::TakeFirst as usize] = [
    "audio",
    "late",
    "duplicate",
    "stranger",
    "other_source",
    "rtcp",
    "not_rtp",
    "unknown_payload",
    "empty",
    "oversize",
    "odd_sequence",
    "excess",
];

/// What is given out.
#[derive(Debug, PartialEq, Eq)]
pub enum Output<'a> {
    /// A frame's number, its RTP header, its codes.
    Frame(u64, [u8; HEADER_BYTES], &'a [u8; FRAME_SAMPLES]),
    /// So many frames from this one on of which nothing has come.
    Silence(u64, u64),
}

/// A received stream.
#[derive(Debug)]
pub struct Stream {
    law: Law,
    peer: IpAddr,
    cut_pauses: bool,
    began_at: Instant,
    /// Samples granted beyond the clock, for what the phone had recorded when we began.
    backlog: u64,
    source: Option<Source>,
    /// The next frame to be given out, and behind the last one that may be.
    next: u64,
    ready: u64,
    /// The frames from `next` on, each in its place modulo `HELD_FRAMES`; a bit for each that holds audio.
    held: Box<[[u8; FRAME_SAMPLES]; HELD_FRAMES]>,
    touched: u32,
    counts: [u64; VERDICTS.len()],
    silence: u64,
}

/// What the first packet fixes, and where its stream stands.
#[derive(Debug)]
struct Source {
    address: SocketAddr,
    ssrc: u32,
    origin: (u16, u32),
    sequence: Sequence,
    /// Behind the newest sample, as a place and as a timestamp; when it came.
    end: u64,
    end_timestamp: u32,
    arrival: Instant,
    in_step: bool,
}

impl Stream {
    /// A stream that may come from `peer`. `cut_pauses`: a pause leaves nothing in the recording.
    pub fn new(law: Law, peer: IpAddr, cut_pauses: bool, now: Instant) -> Self {
        Self {
            law,
            peer,
            cut_pauses,
            began_at: now,
            backlog: 0,
            source: None,
            next: 0,
            ready: 0,
            held: Box::new([[0; FRAME_SAMPLES]; HELD_FRAMES]),
            touched: 0,
            counts: [0; VERDICTS.len()],
            silence: 0,
        }
    }

    /// Takes a datagram, and counts it. `None`: it was longer than any that is read.
    pub fn put(&mut self, now: Instant, from: SocketAddr, datagram: Option<&[u8]>) -> Verdict {
        let verdict = self.judge(now, from, datagram);
        if let Some(count) = self.counts.get_mut(verdict as usize) {
            *count += 1;
        }
        verdict
    }

    /// Nothing more has come up to now: what waits only for a packet out of order is given out.
    pub fn handle_drained(&mut self, now: Instant) {
        if let Some(source) = self
            .source
            .as_ref()
            .filter(|source| now.since(source.arrival) >= REORDER_WINDOW)
        {
            self.ready = self.ready.max(source.end / FRAME);
        }
    }

    /// Nothing more will come: all there is is given out.
    pub fn finish(&mut self) {
        self.ready = self
            .source
            .as_ref()
            .map_or(0, |source| source.end.div_ceil(FRAME));
    }

    /// Frames that have been taken.
    pub fn taken(&self) -> u64 {
        self.next
    }

    /// Frames wait to be taken.
    pub fn is_waiting(&self) -> bool {
        self.next < self.ready
    }

    /// The next of at most `most` frames: one with audio, or a run of silence of at most `silence` frames. `None`: none
    /// waits, or only silence does and there may be none.
    pub fn take(&mut self, most: u64, silence: u64) -> Option<Output<'_>> {
        let waiting = self.ready.saturating_sub(self.next).min(most);
        if waiting == 0 {
            return None;
        }
        let first = self.next;
        let place = first as usize % HELD_FRAMES;
        if self.touched & 1 << place != 0 {
            self.touched &= !(1 << place);
            self.next += 1;
            return Some(Output::Frame(first, self.header(first), &self.held[place]));
        }
        let held = self.touched.rotate_right(place as u32);
        let run = if held == 0 {
            waiting
        } else {
            waiting.min(held.trailing_zeros().into())
        };
        let run = run.min(silence);
        if run == 0 {
            return None;
        }
        self.next += run;
        self.silence += run;
        Some(Output::Silence(first, run))
    }

    /// The RTP header of a stored frame: sequence and timestamp run on from those of the first packet.
    pub fn header(&self, frame: u64) -> [u8; HEADER_BYTES] {
        let (ssrc, (sequence, timestamp)) = self
            .source
            .as_ref()
            .map_or((0, (0, 0)), |s| (s.ssrc, s.origin));
        let packet = Packet {
            marker: false,
            payload_type: self.law.payload_type(),
            sequence: sequence.wrapping_add(frame as u16),
            timestamp: timestamp.wrapping_add((frame * FRAME) as u32),
            ssrc,
            payload: &[],
        };
        packet.emit_header()
    }

    /// The codec.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Datagrams by verdict, in the order of `VERDICTS`.
    pub fn counts(&self) -> &[u64; VERDICTS.len()] {
        &self.counts
    }

    /// Packets that never came, by their sequence numbers.
    pub fn lost(&self) -> u64 {
        self.source
            .as_ref()
            .map_or(0, |source| source.sequence.lost())
    }

    /// Frames of which nothing came.
    pub fn silence(&self) -> u64 {
        self.silence
    }

    fn judge(&mut self, now: Instant, from: SocketAddr, datagram: Option<&[u8]>) -> Verdict {
        let known = self.source.as_ref();
        if from.ip() != self.peer || known.is_some_and(|source| source.address != from) {
            return Verdict::Stranger;
        }
        let packet = match datagram.map(Packet::parse) {
            Some(Ok(packet)) => packet,
            Some(Err(Error::Rtcp)) => return Verdict::Rtcp,
            Some(Err(_)) => return Verdict::NotRtp,
            None => return Verdict::Oversize,
        };
        if known.is_some_and(|source| source.ssrc != packet.ssrc) {
            return Verdict::OtherSource;
        }
        match packet.payload.len() {
            _ if packet.payload_type != self.law.payload_type() => Verdict::UnknownPayload,
            0 => Verdict::Empty,
            len if len > MAX_PAYLOAD => Verdict::Oversize,
            _ => self.audio(now, from, &packet),
        }
    }

    fn audio(&mut self, now: Instant, from: SocketAddr, packet: &Packet) -> Verdict {
        let (mut limit, len) = (self.limit(now), packet.payload.len() as u64);
        let source = self
            .source
            .get_or_insert_with(|| Source::new(now, from, packet));
        let order = source.sequence.order(packet.sequence);
        if let Some(end) = source.end_in_step(packet, order) {
            // A phone records from its user's request on, and sends what it has when we have said yes.
            let granted = end
                .saturating_sub(limit)
                .min(samples(START_BACKLOG) - self.backlog);
            self.backlog += granted;
            limit += granted;
        }
        if let (Order::Older, 0) = (order, self.ready) {
            let frames = source.begin_earlier(packet, limit);
            self.held.rotate_right(frames);
            self.touched = self.touched.rotate_left(frames as u32);
        }
        let place = match order {
            Order::Duplicate => return Verdict::Duplicate,
            Order::Odd => {
                source.sequence.expect_after(packet.sequence);
                return Verdict::OddSequence;
            }
            Order::Older => match source.older_place(packet.timestamp) {
                Some(place) if place >= self.next * FRAME && place + len <= source.end => place,
                _ => {
                    source.sequence.note(packet.sequence, order);
                    return Verdict::Late;
                }
            },
            Order::Newer(_) | Order::Restarted => {
                source.newer_place(now, packet, order, limit, self.cut_pauses)
            }
        };
        let last_frame = (place + len - 1) / FRAME;
        if last_frame >= self.next + HELD_FRAMES as u64 {
            self.ready = self
                .ready
                .max((place / FRAME).saturating_sub(REORDER_FRAMES));
            return Verdict::TakeFirst;
        }
        source.sequence.note(packet.sequence, order);
        if place + len > limit {
            return Verdict::Excess;
        }
        if order != Order::Older {
            source.end = place + len;
            source.end_timestamp = packet.timestamp.wrapping_add(len as u32);
            source.arrival = now;
            self.ready = self
                .ready
                .max((source.end / FRAME).saturating_sub(REORDER_FRAMES));
        }
        self.hold(place, packet.payload);
        Verdict::Audio
    }

    /// Lays codes into the frames they belong to.
    fn hold(&mut self, place: u64, mut codes: &[u8]) {
        let mut at = place;
        while !codes.is_empty() {
            let (slot, into) = ((at / FRAME) as usize % HELD_FRAMES, (at % FRAME) as usize);
            let (now, rest) = codes.split_at(codes.len().min(FRAME_SAMPLES - into));
            if self.touched & 1 << slot == 0 {
                self.touched |= 1 << slot;
                self.held[slot] = [self.law.silence(); FRAME_SAMPLES];
            }
            self.held[slot][into..into + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            codes = rest;
        }
    }

    /// Samples that there may be by now.
    fn limit(&self, now: Instant) -> u64 {
        let passed = now.since(self.began_at);
        samples(passed) + samples(MAX_AHEAD) + samples(passed) / FAST_CLOCK_PART + self.backlog
    }
}

impl Source {
    fn new(now: Instant, address: SocketAddr, packet: &Packet) -> Self {
        Self {
            address,
            ssrc: packet.ssrc,
            origin: (packet.sequence, packet.timestamp),
            sequence: Sequence::new(packet.sequence),
            end: 0,
            end_timestamp: packet.timestamp,
            arrival: now,
            in_step: true,
        }
    }

    /// Behind a new packet, if sequence and timestamps have run in step from the first one on, so that no timestamp
    /// has jumped, and if it is not far ahead: silence alone is not granted.
    fn end_in_step(&mut self, packet: &Packet, order: Order) -> Option<u64> {
        let Order::Newer(ahead) = order else {
            return None;
        };
        let (gap, len) = (
            packet.timestamp.wrapping_sub(self.end_timestamp),
            packet.payload.len() as u64,
        );
        self.in_step &= u64::from(gap) == u64::from(ahead - 1) * len;
        let near = u64::from(gap) <= REORDER_FRAMES * FRAME;
        (self.in_step && near).then_some(self.end + u64::from(gap) + len)
    }

    /// A packet from before the first one is the first one now. Says by how many frames everything moves: none, if it
    /// is not from before, or if there is no room for so many.
    fn begin_earlier(&mut self, packet: &Packet, limit: u64) -> usize {
        let back = u64::from(self.end_timestamp.wrapping_sub(packet.timestamp));
        let frames = back.saturating_sub(self.end).div_ceil(FRAME);
        let end = self.end + frames * FRAME;
        if frames == 0 || end > limit || end > (HELD_FRAMES as u64) * FRAME {
            return 0;
        }
        self.origin.0 = self.origin.0.wrapping_sub(frames as u16);
        self.origin.1 = self.origin.1.wrapping_sub((frames * FRAME) as u32);
        self.end = end;
        self.sequence.begin_earlier(packet.sequence);
        frames as usize
    }

    /// Where a packet belongs that came out of order.
    fn older_place(&self, timestamp: u32) -> Option<u64> {
        let back = self.end_timestamp.wrapping_sub(timestamp);
        self.end.checked_sub(back.into())
    }

    /// Where the newest packet belongs.
    fn newer_place(
        &self,
        now: Instant,
        packet: &Packet,
        order: Order,
        limit: u64,
        cut_pauses: bool,
    ) -> u64 {
        let ahead = packet.timestamp.wrapping_sub(self.end_timestamp);
        let place = self.end + u64::from(ahead);
        let pause = ahead > 0 && order == Order::Newer(1);
        let jump = ahead > i32::MAX as u32 || place + packet.payload.len() as u64 > limit;
        if ahead == 0
            || !jump && !cut_pauses
            || !jump && !pause && u64::from(ahead) <= MAX_FILL_FRAMES * FRAME
        {
            return place;
        }
        // A jump, or a pause to be cut. Frames begin where they did.
        let gap =
            Some(now.since(self.arrival)).filter(|gap| *gap > MAX_AHEAD && jump && !cut_pauses);
        let by_arrival = self.end + gap.map_or(0, samples);
        by_arrival
            .min(limit.saturating_sub(packet.payload.len() as u64))
            .max(self.end)
            .next_multiple_of(FRAME)
    }
}

fn samples(length: Duration) -> u64 {
    length.nanos() / SAMPLE_NANOS
}

#[cfg(test)]
mod tests;
