//! A connection to a server, plain or with TLS. Neither ever blocks.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpStream;

use crate::io::stream::Connection;
use crate::outgoing::tls::{TlsServer, TlsStream};

/// Where a server is, and how it is spoken to.
#[derive(Clone)]
pub struct ServerAddress {
    /// Its address and port.
    pub address: SocketAddr,
    /// `None`: in the clear.
    pub tls: Option<TlsServer>,
}

/// The connection.
pub enum Transport {
    /// In the clear.
    Plain(Connection),
    /// With TLS.
    Tls(Box<TlsStream>),
}

impl Transport {
    /// Begins to connect. The poll reports the connection as writable when the attempt is over.
    pub fn open(server: &ServerAddress) -> io::Result<Self> {
        let connection = Connection::open(server.address)?;
        Ok(match &server.tls {
            None => Self::Plain(connection),
            Some(tls) => Self::Tls(Box::new(TlsStream::new(tls, connection)?)),
        })
    }

    /// For the poll's registry.
    pub fn source(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(connection) => connection.source(),
            Self::Tls(stream) => stream.source(),
        }
    }

    /// Goes on with connecting, after the poll has reported it as writable; `false`: the handshake
    /// of TLS needs more from the server.
    pub fn establish(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(connection) => match connection.peer()? {
                Some(_) => Ok(true),
                None => Err(io::ErrorKind::NotConnected.into()),
            },
            Self::Tls(stream) => stream.establish(),
        }
    }

    /// It was not established in time, which is logged where the handshake is to blame.
    pub fn handle_timeout(&self) {
        match self {
            Self::Plain(_) => {}
            Self::Tls(stream) => stream.handle_timeout(),
        }
    }

    /// Reads some bytes: 0 at the end of the stream, `None` when none are available.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(connection) => connection.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Writes some bytes; `None` when none can be written now.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        match self {
            Self::Plain(connection) => connection.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }

    /// Sends what was written and is held back here, as far as the network takes it. To be called
    /// after each event.
    pub fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(stream) => stream.flush().map(|_| ()),
        }
    }
}
