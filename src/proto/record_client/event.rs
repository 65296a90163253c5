//! Inputs and outputs of the record client.

use core::net::SocketAddr;

use crate::proto::record_client::messages::ServerMessage;

/// The next operation that the caller must execute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Resolve this name, for this port: answered by `Input::Resolved`.
    Find(&'a str, u16),
    /// Begin to connect: answered by `Input::Connected` or `Input::Lost`.
    Connect(SocketAddr),
    /// Open a UDP socket that sends to this address.
    Media(SocketAddr),
    /// Write some of these bytes to the connection.
    Write(&'a [u8]),
    /// Send this datagram; its outcome goes to `frame_done`.
    Frame(&'a [u8]),
    /// Close both sockets, and cancel the name lookup.
    Close,
}

/// The outcome of an operation that did not fail with an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The operation has been executed or started.
    Yes,
    /// Bytes written.
    Wrote(usize),
    /// Nothing can be written until `Input::Writable`.
    Blocked,
}

/// Input from the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// The address of the name, if it has one.
    Resolved(Option<SocketAddr>),
    /// The connection is established, with this peer address.
    Connected(SocketAddr),
    /// The connection is writable again.
    Writable,
    /// Bytes from the connection.
    Bytes(&'a [u8]),
    /// The connection has ended (0), or failed with this errno.
    Lost(i32),
    /// Time has passed.
    Tick,
}

/// An event for the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server is ready for frames.
    Accepted,
    /// The recording has ended regularly: one side has stopped it, and the other one has confirmed.
    Stopped,
    /// The recording has ended, but the server did not respond to the stop request: it is unknown
    /// what the server has.
    Unanswered,
    /// The recording has failed before it was stopped; `why` has the reason.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    Resolving,
    Connecting,
    Asked,
    Locating(u16),
    Opening,
    Sending,
    Stopping,
    Closing,
}

#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub(super) enum Event {
    Resolved(Option<SocketAddr>),
    Connected(SocketAddr),
    ServerMessage(ServerMessage),
    Media(Result<(), i32>),
    Stop,
    Lost(i32),
    Overlong,
    SendingFails(i32),
    Expired,
}

/// An operation that has not been taken yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Find(u16),
    Connect(SocketAddr),
    Media(SocketAddr),
}
