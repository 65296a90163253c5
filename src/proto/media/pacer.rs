//! One RTP stream sent in real time. Each packet is scheduled relative to the one before it, so
//! that no error accumulates over hours.
//!
//! The SSRC is random, the sequence number increases by 1 with each packet, and the timestamp
//! advances in real time across interruptions. The first packet after an interruption has the
//! marker bit.

use crate::base::limits::play::MAX_PLAY_LATE;
use crate::base::limits::{DATAGRAM_BYTES, SAMPLE_NANOS};
use crate::base::time::{Duration, Instant};
use crate::wire::rtp::{Packet, HEADER_BYTES};

/// The stream, positioned at its next packet.
pub struct Paced {
    /// When the next packet is due.
    pub next_at: Instant,
    /// The schedule restarts with the next packet.
    fresh: bool,
    /// Audio is missing before the next packet.
    gap: bool,
    packet: Packet<'static>,
}

impl Paced {
    /// An unused stream.
    pub const fn new() -> Self {
        let packet = Packet {
            marker: false,
            payload_type: 0,
            sequence: 0,
            timestamp: 0,
            ssrc: 0,
            payload: &[],
        };
        Self {
            next_at: Instant::NEVER,
            fresh: true,
            gap: true,
            packet,
        }
    }

    /// Begins a new stream: SSRC, first sequence number and first timestamp are random.
    pub fn begin(&mut self, now: Instant, payload_type: u8, random: [u32; 2]) {
        let [ssrc, rest] = random;
        *self = Self::new();
        self.next_at = now;
        self.packet = Packet {
            payload_type,
            ssrc,
            sequence: rest as u16,
            timestamp: rest.rotate_left(16),
            ..self.packet
        };
    }

    /// The schedule has not started: the next packet may be sent at any time.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// The stream was interrupted: the next packet is not late.
    pub fn interrupt(&mut self) {
        self.fresh = true;
    }

    /// Builds the packet that is due from this audio, which lasts `increment` samples. `None` if
    /// there is no audio; its time passes nevertheless.
    pub fn emit(
        &mut self,
        now: Instant,
        audio: &[u8],
        increment: u32,
        out: &mut [u8; DATAGRAM_BYTES],
    ) -> Option<usize> {
        let late = now.since(self.next_at);
        if self.fresh || late > MAX_PLAY_LATE {
            // This packet is sent now, and the following ones are shifted by the same time: time
            // has passed for the receiver, too.
            self.pass((late.nanos() / SAMPLE_NANOS) as u32);
            self.fresh = false;
            self.gap = true;
        }
        let packet = Packet {
            marker: self.gap,
            ..self.packet
        };
        let header = packet.emit_header();
        self.pass(increment);
        self.gap = audio.is_empty();
        let len = HEADER_BYTES + audio.len();
        let place = out.get_mut(..len).filter(|_| !audio.is_empty())?;
        let (head, payload) = place.split_at_mut(HEADER_BYTES);
        head.copy_from_slice(&header);
        payload.copy_from_slice(audio);
        self.packet.sequence = self.packet.sequence.wrapping_add(1);
        Some(len)
    }

    fn pass(&mut self, samples: u32) {
        self.next_at = self.next_at + Duration::from_nanos(u64::from(samples) * SAMPLE_NANOS);
        self.packet.timestamp = self.packet.timestamp.wrapping_add(samples);
    }
}

impl Default for Paced {
    fn default() -> Self {
        Self::new()
    }
}
