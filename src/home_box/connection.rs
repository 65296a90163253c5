//! One connection of the box: bytes in, messages out, and an end that lets the peer read the last
//! message.

use std::io;
use std::net::Shutdown;

use mio::net::TcpStream;

use crate::base::limits::home_box::OUTBOX_BYTES;
use crate::base::time::Instant;
use crate::io::stream;
use crate::proto::intercom::message_reader::{MessageReader, Received};
use crate::wire::intercom::{emit, Message, FRAME_BYTES};

/// Whether a connection is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It was asked for, and is being made.
    Connecting,
    Open,
    /// It is closed once what was sent to it has been read, at the latest then.
    Closing(Instant),
}

/// One connection.
pub(super) struct Connection {
    stream: stream::Connection,
    reader: MessageReader,
    outbox: Vec<u8>,
    /// Messages sent so far.
    serial: u32,
    /// Events are edge-triggered: it may have bytes until a read would block.
    pub(super) is_readable: bool,
    is_shut_down: bool,
    pub(super) stage: Stage,
}

/// What reading has come to.
#[allow(clippy::large_enum_variant)] // lives on the stack for one turn
pub(super) enum Read {
    Received(Received),
    /// Nothing is there.
    Blocked,
    /// The peer has closed it, or it broke.
    Closed,
}

impl Connection {
    pub(super) fn new(stream: stream::Connection, stage: Stage) -> Self {
        Self {
            stream,
            reader: MessageReader::new(),
            outbox: vec![],
            serial: 0,
            is_readable: stage == Stage::Open,
            is_shut_down: false,
            stage,
        }
    }

    /// For the poll's registry.
    pub(super) fn source(&mut self) -> &mut TcpStream {
        self.stream.source()
    }

    /// The peer's address once the connection is made.
    pub(super) fn peer(&self) -> io::Result<Option<std::net::SocketAddr>> {
        self.stream.peer()
    }

    /// The next message, or why there is none.
    pub(super) fn read(&mut self, now: Instant) -> Read {
        loop {
            match self.reader.next_message(now) {
                Received::Nothing => {}
                received => return Read::Received(received),
            }
            if !self.is_readable {
                return Read::Blocked;
            }
            match self.stream.read(self.reader.space()) {
                Ok(None) => self.is_readable = false,
                Ok(Some(0)) | Err(_) => return Read::Closed,
                Ok(Some(count)) => self.reader.advance(count),
            }
        }
    }

    /// Reads on without looking: a connection that is closed with unread bytes is reset, and its
    /// peer may lose the last message. `false`: the peer has closed it, too.
    pub(super) fn discard(&mut self) -> bool {
        while self.is_readable {
            self.reader.clear();
            match self.stream.read(self.reader.space()) {
                Ok(None) => self.is_readable = false,
                Ok(Some(0)) | Err(_) => return false,
                Ok(Some(_)) => {}
            }
        }
        true
    }

    /// Queues a message; `false`: the peer has not read for long.
    #[must_use]
    pub(super) fn send(&mut self, message: &Message) -> bool {
        let mut buffer = [0; FRAME_BYTES + 1];
        self.serial = self.serial.wrapping_add(1);
        let Some(len) = emit(message, self.serial, &mut buffer) else {
            return false;
        };
        self.outbox.extend_from_slice(&buffer[..len]);
        self.outbox.len() <= OUTBOX_BYTES
    }

    /// Writes what can be written; `false`: the connection is broken.
    #[must_use]
    pub(super) fn flush(&mut self) -> bool {
        if self.stage == Stage::Connecting {
            return true;
        }
        while !self.outbox.is_empty() {
            match self.stream.write(&self.outbox) {
                Ok(None) => return true,
                Ok(Some(count)) => drop(self.outbox.drain(..count)),
                Err(_) => return false,
            }
        }
        // Each call would raise an event again.
        if matches!(self.stage, Stage::Closing(_)) && !self.is_shut_down {
            self.is_shut_down = true;
            let _ = self.stream.source().shutdown(Shutdown::Write);
        }
        true
    }
}
