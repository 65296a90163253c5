//! The receive-only local RTP stream: mixed frames get their RTP header here. The same packets are
//! stored in the file and sent to a server.

use crate::base::limits::{FRAME_SAMPLES, RTP_FRAME_BYTES};
use crate::wire::g711::Law;
use crate::wire::rtp::Packet;

/// Sequence number, timestamp and SSRC of one recording; they continue across its parts.
#[derive(Clone, Copy, Debug)]
pub struct RtpStream {
    law: Law,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    with_header: bool,
    marker: bool,
}

impl RtpStream {
    /// A stream that begins at random values, as RFC 3550 requires. `with_header`:
    /// `recordRtpHeader`.
    pub fn new(law: Law, ssrc: u32, sequence: u16, timestamp: u32, with_header: bool) -> Self {
        Self {
            law,
            ssrc,
            sequence,
            timestamp,
            with_header,
            marker: false,
        }
    }

    /// The codec.
    pub fn law(&self) -> Law {
        self.law
    }

    /// Bytes of one stored frame (`rtpLen`).
    pub fn frame_bytes(&self) -> usize {
        if self.with_header {
            RTP_FRAME_BYTES
        } else {
            FRAME_SAMPLES
        }
    }

    /// Builds the next frame around the codes at the end of `frame`; returns the bytes to store.
    pub fn frame<'a>(&mut self, frame: &'a mut [u8; RTP_FRAME_BYTES]) -> &'a [u8] {
        let header = Packet {
            marker: core::mem::take(&mut self.marker),
            payload_type: self.law.payload_type(),
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            payload: &[],
        };
        frame[..RTP_FRAME_BYTES - FRAME_SAMPLES].copy_from_slice(&header.emit_header());
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        &frame[RTP_FRAME_BYTES - self.frame_bytes()..]
    }

    /// Skips the time of a frame: the next one is marked as the first of a talkspurt (RFC 3551).
    pub fn skip(&mut self) {
        self.timestamp = self.timestamp.wrapping_add(FRAME_SAMPLES as u32);
        self.marker = true;
    }

    /// The stream as it was `frames` frames ago, if none was skipped since; with or without RTP
    /// headers.
    pub fn rewound(&self, frames: u32, with_header: bool) -> Self {
        Self {
            sequence: self.sequence.wrapping_sub(frames as u16),
            timestamp: self
                .timestamp
                .wrapping_sub(frames.wrapping_mul(FRAME_SAMPLES as u32)),
            with_header,
            marker: false,
            ..*self
        }
    }
}
