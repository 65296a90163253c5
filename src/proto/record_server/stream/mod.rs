//! One received stream: RTP packets in, in any order; frames of 20 ms out, in order.
//!
//! A packet's position follows from its timestamp, counted in samples from the first packet. `end`
//! is the position after the newest sample. A packet in sequence belongs at `end`, or after a gap
//! that its timestamp names: loss, a pause of the phone, or a silent talker; the gap becomes
//! silence. A timestamp that goes back, or names a gap longer than time has passed, is a jump: the
//! packet is placed by its arrival. Frames are given out once the newest one is a reorder window
//! ahead, or nothing has been received for as long. A packet that was overtaken by the first one
//! moves the beginning back as long as no frame has been given out.
//!
//! ```text
//! frames:   0 ... next ......... ready ............ end/160 ...... next + HELD_FRAMES
//!           given out | ready to be |  held, may still |  room
//!                     | given out   |  be reordered    |
//! ```
//! `handle_packet` takes a packet, then `poll_output` gives out frames until `None`. A packet far
//! ahead is taken at the second try, once the frames before it have been given out
//! (`FramesPending`).

use core::net::{IpAddr, SocketAddr};

use crate::base::limits::server::{
    FAST_CLOCK_PART, HELD_FRAMES, MAX_AHEAD, REORDER_FRAMES, REORDER_WINDOW, START_BACKLOG,
};
use crate::base::limits::{FRAME_SAMPLES, MAX_PAYLOAD};
use crate::base::time::Instant;
use crate::proto::record_server::sequence::SequenceOrder;
use crate::wire::g711::Law;
use crate::wire::rtp::{Error, Packet, HEADER_BYTES};

use source::{samples, StreamSource, FRAME};

pub use outcome::{FramesPending, PacketOutcome, PACKET_OUTCOMES};

mod outcome;
mod source;

/// What a stream gives out.
#[derive(Debug, PartialEq, Eq)]
pub enum StreamOutput<'a> {
    /// A frame's number, its RTP header, its codes.
    Frame(u64, [u8; HEADER_BYTES], &'a [u8; FRAME_SAMPLES]),
    /// The first of a run of frames for which nothing was received, and their count.
    Silence(u64, u64),
}

/// A received stream.
#[derive(Debug)]
pub struct Stream {
    law: Law,
    peer: IpAddr,
    cut_pauses: bool,
    began_at: Instant,
    /// Samples granted beyond the clock: what the phone had recorded before the server accepted the
    /// recording.
    backlog: u64,
    source: Option<StreamSource>,
    /// The next frame to be given out.
    next: u64,
    /// The end of the frames that may be given out.
    ready: u64,
    /// The frames from `next` on, each at its number modulo `HELD_FRAMES`.
    held: Box<[[u8; FRAME_SAMPLES]; HELD_FRAMES]>,
    /// A bit for each element of `held` that contains audio.
    filled: u32,
    counts: [u64; PACKET_OUTCOMES.len()],
    silence: u64,
}

impl Stream {
    /// A stream that is accepted from `peer`. `cut_pauses`: a pause leaves nothing in the
    /// recording.
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
            filled: 0,
            counts: [0; PACKET_OUTCOMES.len()],
            silence: 0,
        }
    }

    /// Takes a datagram and counts it. `None`: it was longer than the receive buffer.
    pub fn handle_packet(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: Option<&[u8]>,
    ) -> Result<PacketOutcome, FramesPending> {
        let outcome = self.take(now, from, datagram)?;
        self.counts[outcome as usize] += 1;
        Ok(outcome)
    }

    /// The socket is empty. If nothing has been received for a reorder window, no earlier packet is
    /// expected any more: all whole frames may be given out.
    pub fn handle_drained(&mut self, now: Instant) {
        if let Some(source) = &self.source {
            if now.since(source.arrival) >= REORDER_WINDOW {
                self.ready = self.ready.max(source.end / FRAME);
            }
        }
    }

    /// The stream has ended: all frames may be given out.
    pub fn handle_end(&mut self) {
        let end = self.source.as_ref().map_or(0, |source| source.end);
        self.ready = end.div_ceil(FRAME);
    }

    /// Frames given out so far.
    pub fn frames_out(&self) -> u64 {
        self.next
    }

    /// There are frames to be given out.
    pub fn has_output(&self) -> bool {
        self.next < self.ready
    }

    /// The next of at most `most` frames: one with audio, or a run of at most `silence` silent
    /// frames. `None`: no frame is ready, or only silence is and `silence` is 0.
    pub fn poll_output(&mut self, most: u64, silence: u64) -> Option<StreamOutput<'_>> {
        let waiting = self.ready.saturating_sub(self.next).min(most);
        if waiting == 0 {
            return None;
        }
        let first = self.next;
        let slot = first as usize % HELD_FRAMES;
        if self.filled & 1 << slot != 0 {
            self.filled &= !(1 << slot);
            self.next += 1;
            let header = self.header(first);
            return Some(StreamOutput::Frame(first, header, &self.held[slot]));
        }
        let filled_from_slot = self.filled.rotate_right(slot as u32);
        let run = if filled_from_slot == 0 {
            waiting
        } else {
            waiting.min(filled_from_slot.trailing_zeros().into())
        };
        let run = run.min(silence);
        if run == 0 {
            return None;
        }
        self.next += run;
        self.silence += run;
        Some(StreamOutput::Silence(first, run))
    }

    /// The RTP header of a stored frame: sequence number and timestamp count on from those of the
    /// first packet.
    pub fn header(&self, frame: u64) -> [u8; HEADER_BYTES] {
        let source = self.source.as_ref();
        let (sequence, timestamp) = source.map_or((0, 0), |source| source.origin);
        let packet = Packet {
            marker: false,
            payload_type: self.law.payload_type(),
            sequence: sequence.wrapping_add(frame as u16),
            timestamp: timestamp.wrapping_add((frame * FRAME) as u32),
            ssrc: source.map_or(0, |source| source.ssrc),
            payload: &[],
        };
        packet.emit_header()
    }

    /// The codec.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Datagrams by outcome, in the order of `PACKET_OUTCOMES`.
    pub fn counts(&self) -> &[u64; PACKET_OUTCOMES.len()] {
        &self.counts
    }

    /// Packets that were never received, by their sequence numbers.
    pub fn lost(&self) -> u64 {
        let source = self.source.as_ref();
        source.map_or(0, |source| source.sequence.lost())
    }

    /// Frames given out for which nothing was received.
    pub fn silence(&self) -> u64 {
        self.silence
    }

    fn take(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: Option<&[u8]>,
    ) -> Result<PacketOutcome, FramesPending> {
        let known = self.source.as_ref();
        if from.ip() != self.peer || known.is_some_and(|source| source.address != from) {
            return Ok(PacketOutcome::Stranger);
        }
        let packet = match datagram.map(Packet::parse) {
            Some(Ok(packet)) => packet,
            Some(Err(Error::Rtcp)) => return Ok(PacketOutcome::Rtcp),
            Some(Err(_)) => return Ok(PacketOutcome::NotRtp),
            None => return Ok(PacketOutcome::Oversize),
        };
        if known.is_some_and(|source| source.ssrc != packet.ssrc) {
            return Ok(PacketOutcome::OtherSource);
        }
        match packet.payload.len() {
            _ if packet.payload_type != self.law.payload_type() => {
                Ok(PacketOutcome::UnknownPayload)
            }
            0 => Ok(PacketOutcome::Empty),
            len if len > MAX_PAYLOAD => Ok(PacketOutcome::Oversize),
            _ => self.take_audio(now, from, &packet),
        }
    }

    fn take_audio(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &Packet,
    ) -> Result<PacketOutcome, FramesPending> {
        let mut limit = self.limit(now);
        let len = packet.payload.len() as u64;
        let new_source = || StreamSource::new(now, from, packet);
        let source = self.source.get_or_insert_with(new_source);
        let order = source.sequence.order(packet.sequence);
        if let Some(end) = source.end_in_step(packet, order) {
            // A phone records from its user's request on, and sends what it has once the server has
            // accepted.
            let left = samples(START_BACKLOG) - self.backlog;
            let granted = end.saturating_sub(limit).min(left);
            self.backlog += granted;
            limit += granted;
        }
        if order == SequenceOrder::Older && self.ready == 0 {
            let frames = source.begin_earlier(packet, limit);
            self.held.rotate_right(frames);
            self.filled = self.filled.rotate_left(frames as u32);
        }
        let position = match order {
            SequenceOrder::Duplicate => return Ok(PacketOutcome::Duplicate),
            SequenceOrder::Odd => {
                source.sequence.expect_after(packet.sequence);
                return Ok(PacketOutcome::OddSequence);
            }
            SequenceOrder::Older => match source.older_position(packet.timestamp) {
                Some(at) if at >= self.next * FRAME && at + len <= source.end => at,
                _ => {
                    source.sequence.note(packet.sequence, order);
                    return Ok(PacketOutcome::Late);
                }
            },
            SequenceOrder::Newer(_) | SequenceOrder::Restarted => {
                source.newer_position(now, packet, order, limit, self.cut_pauses)
            }
        };
        let last_frame = (position + len - 1) / FRAME;
        if last_frame >= self.next + HELD_FRAMES as u64 {
            let ready = (position / FRAME).saturating_sub(REORDER_FRAMES);
            self.ready = self.ready.max(ready);
            return Err(FramesPending);
        }
        source.sequence.note(packet.sequence, order);
        if position + len > limit {
            return Ok(PacketOutcome::Excess);
        }
        if order != SequenceOrder::Older {
            source.advance(now, packet, position + len);
            let ready = (source.end / FRAME).saturating_sub(REORDER_FRAMES);
            self.ready = self.ready.max(ready);
        }
        self.hold(position, packet.payload);
        Ok(PacketOutcome::Audio)
    }

    /// Copies codes into the frames they belong to.
    fn hold(&mut self, position: u64, mut codes: &[u8]) {
        let mut at = position;
        while !codes.is_empty() {
            let slot = (at / FRAME) as usize % HELD_FRAMES;
            let offset = (at % FRAME) as usize;
            let (part, rest) = codes.split_at(codes.len().min(FRAME_SAMPLES - offset));
            if self.filled & 1 << slot == 0 {
                self.filled |= 1 << slot;
                self.held[slot] = [self.law.silence(); FRAME_SAMPLES];
            }
            self.held[slot][offset..offset + part.len()].copy_from_slice(part);
            at += part.len() as u64;
            codes = rest;
        }
    }

    /// The most samples that the recording may have by now.
    fn limit(&self, now: Instant) -> u64 {
        let passed = samples(now.since(self.began_at));
        passed + passed / FAST_CLOCK_PART + samples(MAX_AHEAD) + self.backlog
    }
}

#[cfg(test)]
mod tests;
