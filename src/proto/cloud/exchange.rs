//! One request of HTTP/1.1 and its response, on a connection of its own. Redirects are responses
//! like any other: none is followed.

use crate::wire::http::date::date_of;
use crate::wire::http::response::ResponseHead;
use crate::wire::http::{BadBody, BodyReader, HEAD_BYTES};

/// The most of a response's body that is kept: answers of ours are far shorter.
pub const BODY_BYTES: usize = 2048;

/// The other end does not speak HTTP/1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// What a response's head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// 200, 404 and the like.
    pub status: u16,
    /// The server's time in Unix seconds.
    pub date: Option<u64>,
}

/// Reads a response.
#[derive(Debug, Default)]
pub struct ResponseReader {
    head: heapless::Vec<u8, HEAD_BYTES>,
    answered: Option<Answered>,
    body: Option<BodyReader>,
    is_over: bool,
}

impl ResponseReader {
    /// The head, once it is there.
    pub fn answered(&self) -> Option<Answered> {
        self.answered
    }

    /// The whole response is there.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// The connection has ended. `true`: the response is whole.
    #[must_use]
    pub fn handle_end(&mut self) -> bool {
        // The only body that ends so has no length; a shorter one would be missed, but its text
        // would be no JSON object.
        self.is_over || self.answered.is_some()
    }

    /// Takes bytes; returns a piece of the body and how many were used.
    pub fn next<'a>(&mut self, bytes: &'a [u8]) -> Result<(&'a [u8], usize), Malformed> {
        let Some(body) = &mut self.body else {
            return self.take_head(bytes).map(|used| (&[][..], used));
        };
        let (content, used) = body.next(bytes).map_err(|BadBody| Malformed)?;
        self.is_over = body.is_over();
        Ok((content, used))
    }

    fn take_head(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let before = self.head.len();
        let added = bytes.len().min(HEAD_BYTES - before);
        let _ = self.head.extend_from_slice(&bytes[..added]);
        let parsed = ResponseHead::parse(&self.head).map_err(|_| Malformed)?;
        let Some((head, len)) = parsed else {
            return Ok(added);
        };
        if head.status >= 200 {
            let date = date_of(&self.head[..len]);
            self.answered = Some(Answered {
                status: head.status,
                date,
            });
            let body = BodyReader::new(head.body);
            self.is_over = body.is_over();
            self.body = Some(body);
        }
        self.head.clear();
        Ok(len.saturating_sub(before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(response: &[u8], step: usize) -> Result<(Option<Answered>, Vec<u8>, bool), Malformed> {
        let mut reader = ResponseReader::default();
        let mut body = vec![];
        for mut chunk in response.chunks(step) {
            while !chunk.is_empty() && !reader.is_over() {
                let (content, used) = reader.next(chunk)?;
                body.extend(content);
                chunk = &chunk[used..];
            }
        }
        Ok((reader.answered(), body, reader.is_over()))
    }

    #[test]
    fn a_response_comes_in_any_portions() {
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
        let plain = format!("HTTP/1.1 201 Created\r\n{date}Content-Length: 5\r\n\r\nhello");
        let chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n\
                       5\r\nhello\r\n0\r\n\r\n";
        for step in 1..chunked.len() {
            let (answered, body, is_over) = read(plain.as_bytes(), step).unwrap();
            let expected = Answered {
                status: 201,
                date: Some(784_111_777),
            };
            assert_eq!(
                (answered, &body[..], is_over),
                (Some(expected), &b"hello"[..], true)
            );
            let (answered, body, is_over) = read(chunked.as_bytes(), step).unwrap();
            let expected = Answered {
                status: 409,
                date: None,
            };
            assert_eq!(
                (answered, &body[..], is_over),
                (Some(expected), &b"hello"[..], true)
            );
        }
        assert_eq!(read(b"SSH-2.0-OpenSSH\r\n", 100), Err(Malformed));
    }
}
