//! Input and output of a jitter buffer.

use crate::base::limits::{FRAME_SAMPLES, SNAP};
use crate::wire::g711::Law;

/// Samples of a frame, as a distance on a time axis.
pub(super) const FRAME: i64 = FRAME_SAMPLES as i64;

/// The form of one source's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Codes of this law, as received.
    Codes(Law),
    /// Samples: the frame was decoded or modified.
    Samples,
}

/// Output buffers, to avoid copies.
#[derive(Debug)]
pub struct FrameBuffers<'a> {
    /// For `FrameKind::Codes`.
    pub codes: &'a mut [u8; FRAME_SAMPLES],
    /// For `FrameKind::Samples`.
    pub samples: &'a mut [i16; FRAME_SAMPLES],
}

/// How a payload is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// G.711: one byte per sample.
    G711(Law),
    /// G.722: one byte per sample of the lower band; decoded in order when it is mixed.
    G722,
    /// 16-bit linear samples in network byte order, 8 kHz; encoded before it is stored.
    L16,
    /// The same at 16 kHz; every second sample remains.
    L16Wideband,
}

impl Format {
    /// Samples at 8 kHz in a payload of this length.
    #[inline(always)] // for each packet
    pub fn samples(self, bytes: usize) -> usize {
        match self {
            Self::G711(_) | Self::G722 => bytes,
            Self::L16 => bytes / 2,
            Self::L16Wideband => bytes / 4,
        }
    }

    /// Bytes of payload for each tick of the RTP clock.
    #[inline(always)] // for each packet
    pub fn bytes_per_tick(self) -> i64 {
        match self {
            Self::G711(_) | Self::G722 => 1,
            Self::L16 | Self::L16Wideband => 2,
        }
    }

    /// 16-bit linear samples.
    #[inline(always)] // for each packet
    pub fn is_linear(self) -> bool {
        matches!(self, Self::L16 | Self::L16Wideband)
    }
}

/// When a packet arrived and how far mixing has progressed, both in samples since the recording
/// began.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The packet's arrival.
    pub at: i64,
    /// The first sample not yet mixed.
    pub clock: i64,
    /// `at` was measured; otherwise it was inferred by `JitterBuffer::expects`.
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
    /// The codec of the payload.
    pub format: Format,
}

impl Audio<'_> {
    /// Its length at 8 kHz.
    #[inline]
    pub fn samples(&self) -> usize {
        self.format.samples(self.payload.len())
    }
}

/// The nearest frame boundary if it is within `SNAP`, otherwise the position itself.
#[inline(always)] // for each packet
pub(super) fn snap(at: i64) -> i64 {
    match at.rem_euclid(FRAME) {
        past if past <= SNAP => at - past,
        past if past >= FRAME - SNAP => at + FRAME - past,
        _ => at,
    }
}
