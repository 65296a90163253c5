//! What a jitter buffer keeps, by what it is about.

use crate::proto::media::clock_drift::ClockDrift;
use crate::proto::media::plc::Gap;
use crate::wire::g711::Law;
use crate::wire::g722::Decoder;

/// How the codes in the ring become samples.
#[derive(Debug)]
pub(super) enum Codec {
    G711(Law),
    /// Decoded when it is mixed, in order.
    G722(Decoder),
}

/// The newest packet: what follows is placed by it.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// On the leg axis.
    pub(super) place: i64,
    /// Its samples.
    pub(super) length: i32,
}

/// What is in the ring; positions on the leg axis.
#[derive(Debug)]
pub(super) struct Stored {
    /// After the last sample stored.
    pub(super) end: i64,
    /// From the reader to here there is no hole: nothing has to be looked for.
    pub(super) whole_to: i64,
    /// Everything before this has been wiped from the ring.
    pub(super) wiped: i64,
}

/// What is mixed next.
#[derive(Debug)]
pub(super) struct Reader {
    /// From the recording axis to the leg axis.
    pub(super) drift: i64,
    pub(super) clock_drift: ClockDrift,
    pub(super) gap: Gap,
}

/// When packets came; positions on the recording axis.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) last_at: i64,
    /// Samples of audio since the last measured arrival.
    pub(super) unmeasured: i64,
}

impl Codec {
    /// `None`: the codes have to be decoded.
    pub(super) fn law(&self) -> Option<Law> {
        match self {
            Self::G711(law) => Some(*law),
            Self::G722(_) => None,
        }
    }
}
