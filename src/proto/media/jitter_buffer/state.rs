//! The parts of a jitter buffer's state.

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

/// The newest packet: the positions of the following packets are relative to it.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    /// Its position on the source axis.
    pub(super) place: i64,
    /// Its length in samples.
    pub(super) length: i32,
}

/// The content of the ring; positions on the source axis.
#[derive(Debug)]
pub(super) struct Stored {
    /// The end of the last sample that was stored.
    pub(super) end: i64,
    /// There are no holes between the reader and this position, so that frames before it need not
    /// be searched.
    pub(super) whole_to: i64,
    /// Everything before this has been wiped from the ring.
    pub(super) wiped: i64,
}

/// The position that is mixed next.
#[derive(Debug)]
pub(super) struct Reader {
    /// Offset from the recording axis to the source axis.
    pub(super) drift: i64,
    pub(super) clock_drift: ClockDrift,
    pub(super) gap: Gap,
}

/// Arrivals of packets; positions on the recording axis.
#[derive(Debug)]
pub(super) struct Arrivals {
    pub(super) last_at: i64,
    /// Samples received since the last measured arrival.
    pub(super) unmeasured: i64,
}

impl Codec {
    /// The law of the codes; `None` if they must be decoded first.
    pub(super) fn law(&self) -> Option<Law> {
        match self {
            Self::G711(law) => Some(*law),
            Self::G722(_) => None,
        }
    }
}
