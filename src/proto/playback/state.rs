//! Where a player stands, what it wants next, and what others hear of it.

use core::net::SocketAddr;

use crate::base::limits::TEXT_BYTES;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::control::Text;

/// What is to be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// A file of the stick's folder.
    pub file: Text<TEXT_BYTES>,
    /// Where its packets go.
    pub to: SocketAddr,
    /// Where it begins.
    pub position_ms: u32,
}

/// Where a player stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayerState {
    /// Nobody's, or this became of the last one.
    Free(End),
    /// Its file is being opened for this client's start.
    Opening(ClientId),
    /// Its further parts are being looked for.
    Linking(ClientId),
    /// It sends.
    Playing,
    /// It keeps its place.
    Paused,
}

/// What became of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A client, or the daemon's end, has stopped it.
    Stopped,
    /// All of it has been played.
    Finished,
    /// The stick did not give it.
    Failed,
}

impl PlayerState {
    /// The word for it in messages.
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

/// A change that others must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlayerEvent {
    /// It plays: the start can be answered.
    Started(ClientId),
    /// It does not begin.
    Refused(ClientId, PlayError),
    /// All of it has been played.
    Finished,
    /// The stick does not give the rest.
    Failed(DiskError),
}

/// Why a recording cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlayError {
    /// There is no such file.
    NoFile,
    /// It is a folder, a link, a device, or no recording.
    NoRecording,
    /// Its frames are longer than a packet, shorter than any that are sent, or not as long as its header says.
    Unplayable,
    /// It ends before the place where it is to begin.
    TooShort,
    /// The stick failed.
    Stick(DiskError),
    /// Nothing can be sent there.
    NoWay,
}

/// The next call to make for a player.
#[derive(Debug, PartialEq, Eq)]
pub enum PlayerCall<'a> {
    /// Open this file and read its beginning: `handle_head`.
    Head(&'a [u8], SocketAddr),
    /// Look at the next file that may be a part: `handle_candidate`, or `handle_no_more` behind the last one.
    Link(&'a [u8]),
    /// Open this part in place of the file that is open: `handle_part`.
    Part(&'a [u8]),
    /// Read here in the open file: `handle_read`.
    Read(u64, &'a mut [u8]),
}
