//! As much of HTTP/1.1 (RFC 9112) as the intercom's streams need: the head of a request, and a body
//! in chunks. Nothing is allocated.

use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;

#[cfg(feature = "cloud")]
pub mod date;
#[cfg(any(feature = "intercom", feature = "sim"))]
pub mod response;
#[cfg(any(feature = "intercom", feature = "sim"))]
pub mod url;

/// The longest head of a request.
pub const HEAD_BYTES: usize = 4096;
/// Header fields of a request.
const MAX_FIELDS: usize = 64;

/// The head of a request is malformed, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHead;

/// How the body of a request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    None,
    /// After so many bytes.
    Length(u64),
    /// With the last chunk.
    Chunked,
    /// With the connection: as HTTP/1.0 clients send it.
    UntilClosed,
}

/// The head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'a> {
    /// `GET`, `POST` and the like.
    pub method: &'a [u8],
    /// With its query.
    pub path: &'a [u8],
    /// HTTP/1.1 or later in its line.
    pub is_http_1_1: bool,
    /// How its body ends.
    pub body: Body,
    /// It waits for `100 Continue` before it sends its body.
    pub expects_continue: bool,
}

impl<'a> Head<'a> {
    /// The head at the beginning, and its length; `None`: more bytes are needed.
    pub fn parse(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let Some(len) = head_len(bytes) else {
            return if bytes.len() >= HEAD_BYTES {
                Err(BadHead)
            } else {
                Ok(None)
            };
        };
        let mut lines = bytes[..len].split(|byte| *byte == b'\n').map(trim_end);
        let head = Self::parse_line(lines.next().unwrap_or_default())?;
        let mut body = None;
        let mut expects_continue = false;
        for line in lines.take_while(|line| !line.is_empty()).take(MAX_FIELDS) {
            let colon = line.iter().position(|byte| *byte == b':');
            let (name, value) = line.split_at(colon.ok_or(BadHead)?);
            let value = ascii::trim(&value[1..]);
            if ascii::is_same(name, b"content-length") {
                let length = parse_decimal(value).ok_or(BadHead)?;
                // Chunks are stronger than a length (RFC 9112, 6.3).
                body = body.or(Some(Body::Length(length)));
            } else if ascii::is_same(name, b"transfer-encoding") {
                let is_chunked = ascii::is_same(value, b"chunked");
                body = Some(if is_chunked {
                    Body::Chunked
                } else {
                    return Err(BadHead);
                });
            } else if ascii::is_same(name, b"expect") {
                expects_continue = ascii::is_same(value, b"100-continue");
            }
        }
        let sends = head.method == b"POST" || head.method == b"PUT";
        let unsaid = if sends { Body::UntilClosed } else { Body::None };
        let head = Self {
            body: body.unwrap_or(unsaid),
            expects_continue,
            ..head
        };
        Ok(Some((head, len)))
    }

    /// `GET /path HTTP/1.1`
    fn parse_line(line: &'a [u8]) -> Result<Self, BadHead> {
        let mut words = line.split(|byte| *byte == b' ');
        let mut word = || words.next().filter(|word| !word.is_empty()).ok_or(BadHead);
        let (method, path, version) = (word()?, word()?, word()?);
        let is_http_1_1 = match ascii::word(version) {
            "HTTP/1.1" => true,
            "HTTP/1.0" => false,
            _ => return Err(BadHead),
        };
        if words.next().is_some() || !path.starts_with(b"/") {
            return Err(BadHead);
        }
        Ok(Self {
            method,
            path,
            is_http_1_1,
            body: Body::None,
            expects_continue: false,
        })
    }
}

/// The length of a head with the empty line that ends it.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let searched = &bytes[..bytes.len().min(HEAD_BYTES)];
    let ends = searched.windows(2).enumerate();
    let mut found = ends.filter_map(|(at, pair)| match pair {
        b"\n\n" => Some(at + 2),
        b"\n\r" if searched.get(at + 2) == Some(&b'\n') => Some(at + 3),
        _ => None,
    });
    found.next()
}

fn trim_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// A body is malformed: the length of a chunk is no number, or no line end follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadBody;

/// Takes the bytes of a body apart, in whatever pieces they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyReader {
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of the body follow.
    Length(u64),
    UntilClosed,
    /// The length of the next chunk: what is known of it, and its digits so far.
    ChunkLength(u64, u32),
    /// The rest of that line: extensions are ignored. Its length so far.
    ChunkLine(u64, u32),
    /// So many bytes of the chunk follow.
    Chunk(u64),
    /// The line end after a chunk.
    ChunkEnd,
    Over,
}

/// The longest line with the length of a chunk.
const CHUNK_LINE_BYTES: u32 = 256;

impl BodyReader {
    /// A body begins.
    pub fn new(body: Body) -> Self {
        let state = match body {
            Body::None | Body::Length(0) => State::Over,
            Body::Length(length) => State::Length(length),
            Body::Chunked => State::ChunkLength(0, 0),
            Body::UntilClosed => State::UntilClosed,
        };
        Self { state }
    }

    /// The body has ended.
    pub fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// The next bytes of the body at the beginning of `bytes`, and how many bytes were used;
    /// nothing is used when more bytes are needed or the body is over.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<(&'a [u8], usize), BadBody> {
        let mut used = 0;
        while let Some(byte) = bytes.get(used) {
            let limit = match self.state {
                State::Over => break,
                State::UntilClosed => u64::MAX,
                State::Length(left) | State::Chunk(left) => left,
                _ => {
                    self.take_framing(*byte)?;
                    used += 1;
                    continue;
                }
            };
            let rest = &bytes[used..];
            let count = usize::try_from(limit).map_or(rest.len(), |limit| limit.min(rest.len()));
            self.take_content(count as u64);
            return Ok((&rest[..count], used + count));
        }
        Ok((&[], used))
    }

    fn take_content(&mut self, count: u64) {
        self.state = match self.state {
            State::Length(left) if left == count => State::Over,
            State::Length(left) => State::Length(left - count),
            State::Chunk(left) if left == count => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - count),
            state => state,
        };
    }

    fn take_framing(&mut self, byte: u8) -> Result<(), BadBody> {
        self.state = match (self.state, byte) {
            (State::ChunkLength(length, digits @ 1..), b'\r' | b';' | b' ') => {
                State::ChunkLine(length, digits)
            }
            (State::ChunkLength(length, 1..) | State::ChunkLine(length, _), b'\n') => {
                match length {
                    0 => State::Over,
                    length => State::Chunk(length),
                }
            }
            (State::ChunkLength(length, digits @ ..15), byte) => {
                let digit = char::from(byte).to_digit(16).ok_or(BadBody)?;
                State::ChunkLength(length << 4 | u64::from(digit), digits + 1)
            }
            (State::ChunkLine(length, count @ ..CHUNK_LINE_BYTES), _) => {
                State::ChunkLine(length, count + 1)
            }
            (State::ChunkEnd, b'\r') => State::ChunkEnd,
            (State::ChunkEnd, b'\n') => State::ChunkLength(0, 0),
            _ => return Err(BadBody),
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_parsed_when_they_are_whole() {
        let bytes = b"POST /stream/b1?x=1 HTTP/1.1\r\nHost: box\r\nTransfer-Encoding: chunked\r\n\
            Content-Length: 7\r\nExpect: 100-continue\r\n\r\nbody";
        for len in 0..bytes.len() - 4 {
            assert_eq!(Head::parse(&bytes[..len]), Ok(None), "{len}");
        }
        let (head, len) = Head::parse(bytes).unwrap().unwrap();
        assert_eq!(&bytes[len..], b"body");
        assert_eq!(
            (head.method, head.path),
            (&b"POST"[..], &b"/stream/b1?x=1"[..])
        );
        assert_eq!(head.body, Body::Chunked);
        assert!(head.expects_continue && head.is_http_1_1);
        let (head, _) = Head::parse(b"GET / HTTP/1.0\n\n").unwrap().unwrap();
        assert_eq!((head.body, head.is_http_1_1), (Body::None, false));
    }

    #[test]
    fn bad_heads_are_refused() {
        for bytes in [
            "GET /\r\n\r\n",
            "GET / HTTP/2\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "GET x HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1 \r\n\r\n",
            "GET / HTTP/1.1\r\nno colon\r\n\r\n",
            "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
        ] {
            assert_eq!(Head::parse(bytes.as_bytes()), Err(BadHead), "{bytes}");
        }
        assert_eq!(Head::parse(&[b'x'; HEAD_BYTES]), Err(BadHead));
    }

    /// The content of a body that comes in pieces.
    fn content(body: Body, bytes: &[u8], step: usize) -> Result<(Vec<u8>, bool), BadBody> {
        let mut reader = BodyReader::new(body);
        let mut found = vec![];
        for piece in bytes.chunks(step) {
            let mut rest = piece;
            loop {
                let (content, used) = reader.next(rest)?;
                found.extend_from_slice(content);
                rest = &rest[used..];
                if used == 0 {
                    break;
                }
            }
        }
        Ok((found, reader.is_over()))
    }

    #[test]
    fn bodies_are_the_same_however_they_are_cut() {
        let chunked = b"5\r\nhello\r\n1;x=y\r\n \r\nA\r\n0123456789\r\n0\r\n\r\nmore";
        for step in 1..=chunked.len() {
            let found = content(Body::Chunked, chunked, step).unwrap();
            assert_eq!(found, (b"hello 0123456789".to_vec(), true), "{step}");
            let found = content(Body::Length(4), chunked, step).unwrap();
            assert_eq!(found, (b"5\r\nh".to_vec(), true));
            let found = content(Body::UntilClosed, chunked, step).unwrap();
            assert_eq!(found, (chunked.to_vec(), false));
        }
        for bad in [&b"x"[..], b"\r\n", b"5\r\nhelloX", b"1111111111111111\r\n"] {
            assert_eq!(content(Body::Chunked, bad, 1), Err(BadBody), "{bad:?}");
        }
    }
}
