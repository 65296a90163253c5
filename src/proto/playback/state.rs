//! The states of a player, the calls that it requests, and the events that it causes.

use core::net::SocketAddr;

use crate::base::limits::TEXT_BYTES;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Text;

/// A start request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlayRequest {
    /// The name of a file in the stick's folder.
    pub file: Text<TEXT_BYTES>,
    /// The destination of its packets.
    pub to: SocketAddr,
    /// The position at which it begins.
    pub position_ms: u32,
}

/// The state of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerState {
    /// The slot is free; the value tells how the last player ended.
    Free(End),
    /// Its file is being opened for the start request of this client.
    Opening(ClientId),
    /// Its further parts are being searched.
    Linking(ClientId),
    /// It sends packets.
    Playing,
    /// It is paused at its position.
    Paused,
}

/// How a player ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was stopped by a client or by the shutdown of the daemon.
    Stopped,
    /// All of it has been played.
    Finished,
    /// The stick failed.
    Failed,
}

impl PlayerState {
    /// The name of the state in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Playing => "playing",
            Self::Paused => "paused",
            Self::Free(End::Finished) => "finished",
            Self::Free(End::Failed) => "failed",
            _ => "stopped",
        }
    }
}

/// A change that must be announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayerEvent {
    /// It is playing: the start can be acknowledged.
    Started(ClientId),
    /// The start was refused.
    Refused(ClientId, PlayError),
    /// All of it has been played.
    Finished,
    /// The stick failed before the end.
    Failed(DiskError),
}

/// Why a recording cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayError {
    /// There is no such file.
    NoFile,
    /// It is a folder, a link, a device, or not a recording.
    NoRecording,
    /// Its frames are too long for a packet, too short to be sent in real time, or do not have the
    /// length that the header states.
    Unplayable,
    /// The start position is beyond its end.
    TooShort,
    /// The stick failed.
    Stick(DiskError),
    /// Nothing can be sent to the destination.
    NoWay,
}

/// The next call to make for a player.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayerCall<'a> {
    /// Open this file and read its beginning: `handle_head`.
    Head(&'a [u8], SocketAddr),
    /// Check the next file that may be a part: `handle_candidate`, or `handle_last_candidate` after
    /// the last one.
    Link(&'a [u8]),
    /// Open this part, and close the open file: `handle_part`.
    Part(&'a [u8]),
    /// Read at this offset of the open file: `handle_read`.
    Read(u64, &'a mut [u8]),
}
