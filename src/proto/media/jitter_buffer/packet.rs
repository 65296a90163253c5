//! What goes into a jitter buffer, and what comes out.

use crate::base::limits::{FRAME_SAMPLES, SNAP};
use crate::wire::g711::Law;

/// Samples of a frame, as a distance on a time axis.
pub(super) const FRAME: i64 = FRAME_SAMPLES as i64;

/// What a source gives to one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKind {
    /// Codes of this law, as they came.
    Codes(Law),
    /// Samples: something had to be done to them.
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
    /// `at` was measured; else the buffer `expects` it.
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

/// The frame border close by, or the position itself.
pub(super) fn snap(at: i64) -> i64 {
    match at.rem_euclid(FRAME) {
        past if past <= SNAP => at - past,
        past if past >= FRAME - SNAP => at + FRAME - past,
        _ => at,
    }
}
