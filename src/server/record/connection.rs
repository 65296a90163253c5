//! A control connection: its socket, its protocol state, and the recordings that it carries.

use std::net::IpAddr;

use crate::base::limits::server::MAX_CALLS;
use crate::base::time::Instant;
use crate::io::stream::Connection;
use crate::proto::record_server::ControlSession;

/// A control connection.
pub(super) struct ControlConnection {
    pub(super) stream: Connection,
    pub(super) session: ControlSession,
    /// The phone's address; a proxy's until it has named the phone.
    pub(super) peer: IpAddr,
    /// The address that the phone has connected to.
    pub(super) local: IpAddr,
    /// The recordings' indices, by their slots on the connection.
    pub(super) recordings: [Option<usize>; MAX_CALLS],
    pub(super) input: InputState,
}

/// What can be read from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputState {
    /// The socket may contain data. Events are edge-triggered, so this is remembered until a read
    /// would block.
    Readable,
    /// The socket was empty at the last read.
    Drained,
    /// The phone has closed its side. It may still be sent the response to a stop.
    Ended,
}

impl ControlConnection {
    pub(super) fn new(
        stream: Connection,
        session: ControlSession,
        peer: IpAddr,
        local: IpAddr,
    ) -> Self {
        Self {
            stream,
            session,
            peer,
            local,
            recordings: [None; MAX_CALLS],
            input: InputState::Readable,
        }
    }

    /// Sends what the socket takes. An error is left to the next read, which reports it as well.
    pub(super) fn flush(&mut self) {
        while !self.session.unsent().is_empty() {
            match self.stream.write(self.session.unsent()) {
                Ok(Some(sent)) => self.session.handle_sent(sent),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// The phone has closed its side, and there is nothing left to be sent or finished.
    pub(super) fn is_over(&self) -> bool {
        self.input == InputState::Ended && self.session.is_idle()
    }

    /// When its session has a time-out to handle.
    pub(super) fn next_deadline(&self) -> Instant {
        self.session.next_deadline()
    }
}
