//! Where a recording stands, and what others hear of its changes.

use crate::base::time::Instant;
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recording::file_writer::DiskError;

/// Where a recording stands.
///
/// ```text
/// Free -> Binding -> Opening -> Running -> Draining -> Closing -> Disconnecting -> Free
///         ports      file, or   mix        read what   write what  the server's
///                    server                has come    is mixed    connection ends
/// ```
/// A start is answered when the file is open or the server has accepted, a stop when the file is closed or the server has
/// confirmed. A failure of the stick leads from anywhere to `Free`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The place is unused.
    Free,
    /// Its ports are to be bound for a start.
    Binding {
        /// Who wants it.
        client: ClientId,
        /// Ports for legs; the local stream has one more.
        legs: usize,
    },
    /// Its file is being created, or its server is asked.
    Opening {
        /// Who wants it.
        client: ClientId,
        /// When its ports were bound.
        bound_at: Instant,
    },
    /// It records, or is paused.
    Running,
    /// It ends at `until`; packets that came before are still being read.
    Draining {
        /// What comes later is not recorded.
        until: Instant,
        /// Who has stopped it.
        client: Option<ClientId>,
    },
    /// Its last frames are on their way to the stick or the server.
    Closing {
        /// Who has stopped it.
        client: Option<ClientId>,
    },
    /// It has ended for everyone; the connection to the server is still being closed.
    Disconnecting,
}

impl State {
    /// Who waits for a stop's response.
    pub(super) fn stopped_by(self) -> Option<ClientId> {
        match self {
            Self::Draining { client, .. } | Self::Closing { client } => client,
            _ => None,
        }
    }
}

/// A change that others must hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// The file is open, or the server waits for frames: the start can be answered.
    Started(ClientId),
    /// The next part is open, or the first one of a recording that the server does not take any more.
    Rolled,
    /// Everything has been written or confirmed: the stop can be answered.
    Stopped(Option<ClientId>),
    /// The recording could not begin.
    Refused(ClientId, Failure),
    /// The recording ended by itself. Whoever waits for an answer gets a failure.
    Failed(Option<ClientId>, Failure),
}

/// What has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The stick.
    Stick(DiskError),
    /// The server: `Recording::why` has the words.
    Server,
}
