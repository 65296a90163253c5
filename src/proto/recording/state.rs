//! The states of a recording, and the events that its changes cause.

use crate::base::time::Instant;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;

/// The state of a recording.
///
/// ```text
/// Free -> Binding -> Opening -> Running -> Draining -> Closing -> Disconnecting -> Free
///         bind       create     mix        read what   write the  close the
///         ports      the file,  frames     has         last       connection to
///                    or ask                arrived     frames     the server
///                    the server
/// ```
/// A start is acknowledged when the file is open or the server has accepted, a stop when the file
/// is closed or the server has confirmed. A failure of the stick leads to `Free` from any state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The slot is unused.
    Free,
    /// The ports for a start request are being bound.
    Binding {
        /// Who wants it.
        client: ClientId,
        /// Ports for legs; the local stream has one more.
        legs: usize,
    },
    /// The file is being created, or the server is being contacted.
    Opening {
        /// Who wants it.
        client: ClientId,
        /// When the ports were bound.
        bound_at: Instant,
    },
    /// It records, or is paused.
    Running,
    /// It ends at `until`; packets that arrived before are still being read.
    Draining {
        /// Later packets are not recorded.
        until: Instant,
        /// Who has stopped it.
        client: Option<ClientId>,
    },
    /// The last frames are being written to the stick or sent to the server.
    Closing {
        /// Who has stopped it.
        client: Option<ClientId>,
    },
    /// The recording has ended; only the connection to the server is still being closed.
    Disconnecting,
}

impl State {
    /// The client that waits for the response to its stop request.
    pub(super) fn stopped_by(self) -> Option<ClientId> {
        match self {
            Self::Draining { client, .. } | Self::Closing { client } => client,
            _ => None,
        }
    }
}

/// A change that must be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// The file is open, or the server is ready for frames: the start can be acknowledged.
    Started(ClientId),
    /// The next part is open, or the first part after the server has failed.
    Rolled,
    /// Everything has been written or confirmed: the stop can be acknowledged.
    Stopped(Option<ClientId>),
    /// The recording could not begin.
    Refused(ClientId, Failure),
    /// The recording ended because of a failure. A client that waits for a response is told of the
    /// failure.
    Failed(Option<ClientId>, Failure),
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stick.
    Stick(DiskError),
    /// The server; `Recording::why` has the description.
    Server,
}
