//! One connection with TLS.

use std::io::{self, ErrorKind, Read, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use mio::net::TcpStream;
use rustls::ClientConnection;

use super::problem;
use super::server::TlsServer;
use crate::io::stream::Connection;

/// The most that waits to be sent: a record of TLS.
const UNSENT_BYTES: usize = 16 * 1024;
/// Reads of the socket, 4 KiB each, that may pass without a byte for us. A record has 16 KiB, a
/// chain of certificates seldom more; who sends more keeps the loop from its other work.
const MAX_READS: usize = 32;

/// The connection.
pub struct TlsStream {
    connection: Connection,
    session: ClientConnection,
    server: TlsServer,
}

/// What the socket had.
enum Received {
    /// Nothing, for now.
    Nothing,
    Bytes,
    End,
}

impl TlsStream {
    /// Wraps a connection that is being made.
    pub fn new(server: &TlsServer, connection: Connection) -> io::Result<Self> {
        let session = ClientConnection::new(server.config.clone(), server.name.clone());
        let mut session = session.map_err(io::Error::other)?;
        session.set_buffer_limit(Some(UNSENT_BYTES));
        Ok(Self {
            connection,
            session,
            server: server.clone(),
        })
    }

    /// For the poll's registry.
    pub fn source(&mut self) -> &mut TcpStream {
        self.connection.source()
    }

    /// Goes on with the handshake; `true`: it is over, and the server is who it should be.
    pub fn establish(&mut self) -> io::Result<bool> {
        if self.connection.peer()?.is_none() {
            return Ok(false);
        }
        let handshake = self.handshake();
        if let Err(error) = &handshake {
            // A server that closes without reading what we have said resets the connection.
            let closed = [
                ErrorKind::UnexpectedEof,
                ErrorKind::ConnectionReset,
                ErrorKind::BrokenPipe,
            ];
            if closed.contains(&error.kind()) {
                self.server.warn(problem::CLOSED);
            }
        }
        handshake
    }

    fn handshake(&mut self) -> io::Result<bool> {
        self.flush()?;
        for _ in 0..MAX_READS {
            if !self.session.is_handshaking() {
                self.server.handle_success();
                return Ok(true);
            }
            match self.receive()? {
                Received::Bytes => {}
                Received::Nothing => return Ok(false),
                Received::End => return Err(ErrorKind::UnexpectedEof.into()),
            }
        }
        Err(self.refuse_flood())
    }

    /// The time for the handshake is over.
    pub fn handle_timeout(&self) {
        if let Ok(Some(_)) = self.connection.peer() {
            self.server.warn(problem::TIMED_OUT);
        }
    }

    /// Reads some bytes: 0 at the end of the stream, `None` when none are available. An end without
    /// TLS's own farewell is an error: somebody may have cut the stream.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        for _ in 0..MAX_READS {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read.map(Some),
            }
            if let Received::Nothing = self.receive()? {
                return Ok(None);
            }
        }
        Err(self.refuse_flood())
    }

    /// Writes some bytes; `None` when none can be written now.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        if !self.flush()? {
            return Ok(None);
        }
        let count = self.session.writer().write(bytes)?;
        self.flush()?;
        Ok(Some(count))
    }

    /// Sends what waits; `false`: the network does not take it now, and the poll will report it.
    pub fn flush(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(self.connection.source()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn receive(&mut self) -> io::Result<Received> {
        let count = match self.session.read_tls(self.connection.source()) {
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(Received::Bytes),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) => return Err(error),
        };
        if let Err(error) = self.session.process_new_packets() {
            // The server is told why (an alert), as far as that is possible.
            let _ = self.flush();
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let now = now.map_or(0, |since| since.as_secs());
            self.server.warn(&problem::words(&error, now));
            return Err(io::Error::other(error));
        }
        self.flush()?;
        Ok(match count {
            0 => Received::End,
            _ => Received::Bytes,
        })
    }

    fn refuse_flood(&self) -> io::Error {
        self.server.warn(problem::FLOOD);
        ErrorKind::InvalidData.into()
    }
}

impl Drop for TlsStream {
    fn drop(&mut self) {
        self.session.send_close_notify();
        // It is a courtesy: without it the server counts a connection that broke.
        let _ = self.flush();
    }
}
