//! The tags of a stream that comes in pieces.

use std::sync::Arc;

use super::{parse_header, Error, Tag};

/// What comes next.
pub enum Piece {
    /// The header, once.
    Header(Arc<[u8]>),
    /// A whole tag.
    Tag(Arc<[u8]>),
}

/// The bytes that are not whole yet.
#[derive(Debug, Default)]
pub struct TagReader {
    buffer: Vec<u8>,
    used: usize,
    has_header: bool,
}

impl TagReader {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.used);
        self.used = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next piece; `None`: more bytes are needed.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Error> {
        let rest = &self.buffer[self.used..];
        let found: Option<Arc<[u8]>> = if self.has_header {
            Tag::parse(rest)?.map(|tag| tag.bytes().into())
        } else {
            parse_header(rest)?.map(Into::into)
        };
        let Some(bytes) = found else {
            return Ok(None);
        };
        self.used += bytes.len();
        if std::mem::replace(&mut self.has_header, true) {
            Ok(Some(Piece::Tag(bytes)))
        } else {
            Ok(Some(Piece::Header(bytes)))
        }
    }
}
