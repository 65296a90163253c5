//! The head of a response: its status, and how its body ends.

use super::{head_len, trim_end, BadHead, Body, HEAD_BYTES, MAX_FIELDS};
use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 200, 404 and the like.
    pub status: u16,
    /// How its body ends.
    pub body: Body,
}

impl ResponseHead {
    /// The head at the beginning, and its length; `None`: more bytes are needed.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, BadHead> {
        let begins_well = bytes.iter().zip(b"HTTP/1.").all(|(a, b)| a == b);
        let Some(len) = head_len(bytes) else {
            let is_long = bytes.len() >= HEAD_BYTES;
            return if is_long || !begins_well {
                Err(BadHead)
            } else {
                Ok(None)
            };
        };
        let mut lines = bytes[..len].split(|byte| *byte == b'\n').map(trim_end);
        let first = lines.next().unwrap_or_default();
        // `HTTP/1.1 200 OK`
        let status = first.get(9..12).filter(|_| begins_well && first[8] == b' ');
        let status = status.and_then(parse_decimal).ok_or(BadHead)?;
        let status = u16::try_from(status).map_err(|_| BadHead)?;
        let mut body = Body::UntilClosed;
        for line in lines.take_while(|line| !line.is_empty()).take(MAX_FIELDS) {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                return Err(BadHead);
            };
            let (name, value) = (&line[..colon], ascii::trim(&line[colon + 1..]));
            if ascii::is_same(name, b"transfer-encoding") {
                if !ascii::is_same(value, b"chunked") {
                    return Err(BadHead);
                }
                body = Body::Chunked;
            } else if ascii::is_same(name, b"content-length") && body != Body::Chunked {
                body = Body::Length(parse_decimal(value).ok_or(BadHead)?);
            }
        }
        Ok(Some((Self { status, body }, len)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_says_how_its_body_ends() {
        for (head, status, body) in [
            ("HTTP/1.1 200 OK\r\n\r\n", 200, Body::UntilClosed),
            (
                "HTTP/1.0 404 Not Found\r\nContent-Length: 3\r\n\r\n",
                404,
                Body::Length(3),
            ),
            (
                "HTTP/1.1 200\nTransfer-Encoding: Chunked\nContent-Length: 3\n\n",
                200,
                Body::Chunked,
            ),
        ] {
            let expected = ResponseHead { status, body };
            let whole = [head.as_bytes(), b"FLV"].concat();
            assert_eq!(
                ResponseHead::parse(&whole),
                Ok(Some((expected, head.len())))
            );
            for len in 0..head.len() {
                assert_eq!(ResponseHead::parse(&whole[..len]), Ok(None), "{len}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let long = [b"HTTP/1.1 200 OK\r\nX: ".as_slice(), &[b'x'; HEAD_BYTES]].concat();
        for bad in [
            &b"FLV\x01"[..],
            b"HTTP/2 200\r\n\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            &long,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nx\r\n\r\n",
        ] {
            assert_eq!(ResponseHead::parse(bad), Err(BadHead), "{bad:?}");
        }
    }
}
