//! The recording server's side of the recording protocol (spec, rules 13 to 20): control
//! connections and received RTP streams. It is the counterpart of `record_client`, and knows
//! neither sockets nor files.

mod control;
mod sequence;
mod stream;

pub use control::{
    CloseReason, ControlEvent, ControlSession, Id, PeerKind, StartRefusal, StartRequest,
    StopRequest,
};
pub use stream::{FramesPending, PacketOutcome, Stream, StreamOutput, PACKET_OUTCOMES};
