//! One RTP stream sent in real time: each packet a period behind the one before it, so that nothing adds up over hours.
//!
//! The source is random, the sequence goes on by 1 from packet to packet, and the timestamp runs on in real time over
//! interruptions; the first packet behind one has the marker bit.

use crate::base::limits::play::MAX_PLAY_LATE;
use crate::base::limits::{DATAGRAM_BYTES, SAMPLE_NANOS};
use crate::base::time::{Duration, Instant};
use crate::wire::rtp::{Packet, HEADER_BYTES};

/// The stream, at its next packet.
pub struct Paced {
    /// When the next packet is due.
    pub next_at: Instant,
    /// Times are counted from the next packet anew.
    fresh: bool,
    /// Something is missing before the next packet.
    gap: bool,
    packet: Packet<'static>,
}

impl Paced {
    /// A stream of nobody.
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

    /// Begins anew: source, first sequence number and first timestamp are random.
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

    /// The next packet may come at any time.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// It was interrupted: the next packet is not late.
    pub fn interrupt(&mut self) {
        self.fresh = true;
    }

    /// Makes the packet that is due of this audio, which lasts `increment` samples. `None` if there is none in it; its
    /// time passes all the same.
    pub fn emit(
        &mut self,
        now: Instant,
        audio: &[u8],
        increment: u32,
        out: &mut [u8; DATAGRAM_BYTES],
    ) -> Option<usize> {
        let late = now.since(self.next_at);
        if self.fresh || late > MAX_PLAY_LATE {
            // It is sent now, those behind it as much later: time has passed for the receiver, too.
            self.pass((late.nanos() / SAMPLE_NANOS) as u32);
            (self.fresh, self.gap) = (false, true);
        }
        let header = Packet {
            marker: self.gap,
            ..self.packet
        }
        .emit_header();
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
