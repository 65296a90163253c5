//! In place of `tls` in a build without TLS: there is no such server, so no code is left of it.

use std::io;

use mio::net::TcpStream;

use crate::io::stream::Connection;

/// There is none.
#[derive(Clone)]
pub enum TlsServer {}

/// There is none.
pub enum TlsStream {}

#[allow(missing_docs)] // as in `tls`
impl TlsStream {
    pub fn new(server: &TlsServer, _connection: Connection) -> io::Result<Self> {
        match *server {}
    }

    pub fn source(&mut self) -> &mut TcpStream {
        match *self {}
    }

    pub fn establish(&mut self) -> io::Result<bool> {
        match *self {}
    }

    pub fn handle_timeout(&self) {
        match *self {}
    }

    pub fn read(&mut self, _buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match *self {}
    }

    pub fn write(&mut self, _bytes: &[u8]) -> io::Result<Option<usize>> {
        match *self {}
    }

    pub fn flush(&mut self) -> io::Result<bool> {
        match *self {}
    }
}

/// What TLS is spoken with.
#[cfg(feature = "cloud")]
#[derive(Clone)]
pub struct Tls;

#[cfg(feature = "cloud")]
#[allow(missing_docs)] // as in `tls`
impl Tls {
    pub fn of(_config: &crate::config::CloudConfig) -> Result<Option<Self>, String> {
        Ok(None)
    }

    pub fn server(
        &self,
        _authority: &crate::proto::cloud::phone::settings::Authority,
    ) -> Option<TlsServer> {
        None
    }
}
