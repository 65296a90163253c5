//! One player: its connection, and what has come.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::TcpStream;

use crate::sim::http_stream::HttpStream;
use crate::sim::relay_load::film::Film;
use crate::wire::flv::tag_reader::{Piece, TagReader};
use crate::wire::http::url::StreamUrl;

const PATIENCE: Duration = Duration::from_secs(10);

/// A player.
pub(super) struct Player {
    pub(super) stream: TcpStream,
    response: HttpStream,
    /// Bytes of the film that have come.
    pub(super) received: usize,
    /// They are those of the film.
    is_equal: bool,
    /// The server has closed the connection.
    is_closed: bool,
    /// The tags are counted where bytes may be missing.
    reader: Option<TagReader>,
    pub(super) tags: usize,
}

impl Player {
    /// Asks for the stream. `may_stall`: its tags are counted.
    pub(super) fn connect(url: &str, may_stall: bool) -> Result<Self, String> {
        let StreamUrl {
            server, host, path, ..
        } = StreamUrl::parse(url.as_bytes()).ok_or_else(|| format!("{url}: no URL of a stream"))?;
        let problem = |error: std::io::Error| format!("playing from {server}: {error}");
        let mut stream =
            std::net::TcpStream::connect_timeout(&server, PATIENCE).map_err(problem)?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").map_err(problem)?;
        stream.set_nonblocking(true).map_err(problem)?;
        Ok(Self {
            stream: TcpStream::from_std(stream),
            response: HttpStream::default(),
            received: 0,
            is_equal: true,
            is_closed: false,
            reader: may_stall.then(TagReader::default),
            tags: 0,
        })
    }

    /// Reads until nothing is left.
    pub(super) fn read(&mut self, film: &Film, buffer: &mut [u8]) -> Result<(), String> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => {
                    self.is_closed = true;
                    return Ok(());
                }
                Ok(count) => self.take(&buffer[..count], film)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(format!("a player: {error}")),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], film: &Film) -> Result<(), String> {
        let (received, is_equal, reader) =
            (&mut self.received, &mut self.is_equal, &mut self.reader);
        let taken = self.response.take(bytes, |content| {
            let expected = film.bytes.get(*received..*received + content.len());
            *is_equal &= expected == Some(content);
            *received += content.len();
            if let Some(reader) = reader {
                reader.push(content);
            }
        });
        if taken.is_none() {
            let reply = String::from_utf8_lossy(bytes);
            let line = reply.lines().next().unwrap_or_default();
            return Err(format!("a player was refused: {line}"));
        }
        if let Some(reader) = &mut self.reader {
            let broken = |_| "a player got what is no FLV".to_owned();
            while let Some(piece) = reader.next_piece().map_err(broken)? {
                self.tags += usize::from(matches!(piece, Piece::Tag(_)));
            }
        }
        Ok(())
    }

    /// The film has come, byte for byte.
    pub(super) fn has_all(&self, film: &Film) -> bool {
        self.is_equal && self.received == film.bytes.len()
    }

    pub(super) fn is_done(&self, film: &Film) -> bool {
        self.is_closed || self.has_all(film)
    }
}
