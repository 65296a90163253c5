//! What a received datagram was, and how it is counted.

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum PacketOutcome {
    /// Its audio is in the recording.
    Audio,
    /// It came after the frames of its time had been given out.
    Late,
    /// It has been received before.
    Duplicate,
    /// Not from the phone's address, or not from the port of its first packet.
    Stranger,
    /// An SSRC other than that of the first packet.
    OtherSource,
    /// RTCP on the audio port.
    Rtcp,
    /// Neither RTP nor RTCP.
    NotRtp,
    /// Not in the recording's codec.
    UnknownPayload,
    /// Without a payload.
    Empty,
    /// A payload of more than `MAX_PAYLOAD`, or a datagram longer than the receive buffer.
    Oversize,
    /// A sequence number far off, which the next packet did not confirm.
    OddSequence,
    /// More audio than time has passed.
    Excess,
}

/// The outcomes' names in metrics and sidecars, in their order.
pub const PACKET_OUTCOMES: [&str; PacketOutcome::Excess as usize + 1] = [
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

/// The packet is too far ahead to be taken now: poll the frames that are ready, then pass it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramesPending;
