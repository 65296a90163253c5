//! The source of a received stream: what its first packet fixes, and where its newest sample is.

use core::net::SocketAddr;

use crate::base::limits::server::{HELD_FRAMES, MAX_AHEAD, MAX_FILL_FRAMES, REORDER_FRAMES};
use crate::base::limits::{FRAME_SAMPLES, SAMPLE_NANOS};
use crate::base::time::{Duration, Instant};
use crate::proto::record_server::sequence::{Sequence, SequenceOrder};
use crate::wire::rtp::Packet;

/// Samples of a frame.
pub(super) const FRAME: u64 = FRAME_SAMPLES as u64;

/// Where the first packet came from, and the stream's position since then.
#[derive(Debug)]
pub(super) struct StreamSource {
    pub(super) address: SocketAddr,
    pub(super) ssrc: u32,
    /// Sequence number and timestamp of frame 0.
    pub(super) origin: (u16, u32),
    pub(super) sequence: Sequence,
    /// The position after the newest sample, counted from the first packet's first sample.
    pub(super) end: u64,
    /// The same position as a timestamp.
    end_timestamp: u32,
    /// When the newest packet arrived.
    pub(super) arrival: Instant,
    /// No timestamp has jumped so far: all have followed from the sequence numbers.
    in_step: bool,
}

impl StreamSource {
    pub(super) fn new(now: Instant, address: SocketAddr, packet: &Packet) -> Self {
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

    /// The position after this new packet, if all timestamps so far have followed from the sequence
    /// numbers and the gap before it is short. `None`: the packet justifies no backlog, since a gap
    /// alone must not extend the recording.
    pub(super) fn end_in_step(&mut self, packet: &Packet, order: SequenceOrder) -> Option<u64> {
        let SequenceOrder::Newer(ahead) = order else {
            return None;
        };
        let gap = packet.timestamp.wrapping_sub(self.end_timestamp);
        let len = packet.payload.len() as u64;
        self.in_step &= u64::from(gap) == u64::from(ahead - 1) * len;
        let near = u64::from(gap) <= REORDER_FRAMES * FRAME;
        (self.in_step && near).then_some(self.end + u64::from(gap) + len)
    }

    /// Makes a packet from before the first one the new beginning. Returns by how many frames the
    /// held ones move: 0 if the packet is not from before the beginning, or if there is no room for
    /// so many frames.
    pub(super) fn begin_earlier(&mut self, packet: &Packet, limit: u64) -> usize {
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

    /// The position of a packet that arrived out of order; `None`: before the beginning.
    pub(super) fn older_position(&self, timestamp: u32) -> Option<u64> {
        let back = self.end_timestamp.wrapping_sub(timestamp);
        self.end.checked_sub(back.into())
    }

    /// The packet that ends at this position is now the newest one.
    pub(super) fn advance(&mut self, now: Instant, packet: &Packet, end: u64) {
        self.end = end;
        self.end_timestamp = packet.timestamp.wrapping_add(packet.payload.len() as u32);
        self.arrival = now;
    }

    /// The position of the newest packet: where its timestamp says, unless that is a jump or a
    /// pause to be cut. `limit`: the samples that time allows.
    pub(super) fn newer_position(
        &self,
        now: Instant,
        packet: &Packet,
        order: SequenceOrder,
        limit: u64,
        cut_pauses: bool,
    ) -> u64 {
        let ahead = packet.timestamp.wrapping_sub(self.end_timestamp);
        let position = self.end + u64::from(ahead);
        let len = packet.payload.len() as u64;
        let pause = ahead > 0 && order == SequenceOrder::Newer(1);
        let jump = ahead > i32::MAX as u32 || position + len > limit;
        let is_short_loss = !pause && u64::from(ahead) <= MAX_FILL_FRAMES * FRAME;
        if ahead == 0 || !jump && (!cut_pauses || is_short_loss) {
            return position;
        }
        // After a jump the arrival time tells the length of the gap; a cut pause leaves none.
        let gap = now.since(self.arrival);
        let fill = if jump && !cut_pauses && gap > MAX_AHEAD {
            samples(gap)
        } else {
            0
        };
        let latest = limit.saturating_sub(len);
        let by_arrival = (self.end + fill).min(latest).max(self.end);
        // Packets begin where frames do, as before the gap.
        by_arrival.next_multiple_of(FRAME)
    }
}

/// Samples in a length of time.
pub(super) fn samples(length: Duration) -> u64 {
    length.nanos() / SAMPLE_NANOS
}
