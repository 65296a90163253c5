//! What goes into the conversation with a server, and what comes out of it.

use core::net::SocketAddr;

use crate::proto::record_client::messages::ServerMessage;

/// What the loop is to do for the conversation, one thing at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// Look for the address of this name, with this port: `Input::Resolved` comes.
    Find(&'a str, u16),
    /// Begin to connect: `Input::Connected` or `Input::Lost` comes.
    Connect(SocketAddr),
    /// Open the UDP socket that sends there.
    Media(SocketAddr),
    /// Write some of these bytes to the connection.
    Write(&'a [u8]),
    /// Send this datagram; its outcome goes to `frame_done`.
    Frame(&'a [u8]),
    /// Close both sockets, forget the lookup.
    Close,
}

/// How it went; otherwise there is an errno.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// It is done, or has begun.
    Yes,
    /// Bytes written.
    Wrote(usize),
    /// Nothing can be written before `Input::Writable`.
    Blocked,
}

/// What comes from the server's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input<'a> {
    /// A name's address, if it has one.
    Resolved(Option<SocketAddr>),
    /// The connection stands; with the address of its other end.
    Connected(SocketAddr),
    /// The connection takes bytes again.
    Writable,
    /// Bytes from the connection.
    Bytes(&'a [u8]),
    /// The connection has ended (0), or failed with this errno.
    Lost(i32),
    /// Time passes.
    Tick,
}

/// What the recording must know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The server waits for frames.
    Accepted,
    /// It is over, as it should be: either side has stopped, the other one knows.
    Stopped,
    /// It is over, but our stop was not answered: what the server has is not known.
    Unanswered,
    /// It is over before anyone stopped it; `why` says more.
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

/// An operation that waits to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pending {
    Find(u16),
    Connect(SocketAddr),
    Media(SocketAddr),
}
