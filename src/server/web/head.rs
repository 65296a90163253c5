//! How a request says that its body ends. What two programs could read differently is refused, so
//! that nobody hides a request behind another one's body (RFC 9112, 11.2).

use crate::wire::http::Body;

/// Header fields of a request.
const MAX_FIELDS: usize = 100;

/// What is known of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// More bytes are needed.
    Partial,
    /// A head that is taken.
    Whole {
        /// Its bytes.
        len: usize,
        /// How its body ends.
        body: Body,
        /// It publishes a stream: its body has no end that could be awaited.
        is_stream: bool,
    },
    /// It is refused with this status.
    Refused(u16),
}

/// Judges the head at the beginning of these bytes.
pub(super) fn judge(bytes: &[u8]) -> Head {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    let len = match request.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(httparse::Error::TooManyHeaders) => return Head::Refused(431),
        Err(_) => return Head::Refused(400),
    };
    let mut lengths = request.headers.iter().filter(|it| is(it, "content-length"));
    let mut codings = request
        .headers
        .iter()
        .filter(|it| is(it, "transfer-encoding"));
    let body = match (lengths.next(), codings.next()) {
        (None, None) => Body::None,
        (Some(length), None) => match decimal(length.value) {
            Some(length) => Body::Length(length),
            None => return Head::Refused(400),
        },
        (None, Some(coding)) if coding.value.trim_ascii().eq_ignore_ascii_case(b"chunked") => {
            Body::Chunked
        }
        _ => return Head::Refused(400),
    };
    if lengths.next().is_some() || codings.next().is_some() {
        return Head::Refused(400);
    }
    if body == Body::Chunked && request.version == Some(0) {
        return Head::Refused(400);
    }
    let path = request.path.unwrap_or_default();
    Head::Whole {
        len,
        body,
        is_stream: path.starts_with("/stream/") || path.starts_with("/streaming/"),
    }
}

fn is(field: &httparse::Header, name: &str) -> bool {
    field.name.eq_ignore_ascii_case(name)
}

fn decimal(value: &[u8]) -> Option<u64> {
    crate::wire::decimal::parse_decimal(value.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(fields: &str) -> Head {
        judge(format!("POST /v2/x HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes())
    }

    fn body(fields: &str) -> Option<Body> {
        match of(fields) {
            Head::Whole { body, .. } => Some(body),
            _ => None,
        }
    }

    #[test]
    fn bodies_that_end_in_one_way_are_taken() {
        assert_eq!(body(""), Some(Body::None));
        assert_eq!(body("Content-Length: 7\r\n"), Some(Body::Length(7)));
        assert_eq!(
            body("transfer-encoding:  Chunked \r\n"),
            Some(Body::Chunked)
        );
        assert_eq!(judge(b"GET / HTTP/1.1\r\nHost"), Head::Partial);
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        for fields in [
            "Content-Length: 7\r\nContent-Length: 7\r\n",
            "Content-Length: 7\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: chunked\r\nContent-Length: 7\r\n",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            "Transfer-Encoding: gzip, chunked\r\n",
            "Transfer-Encoding: identity\r\n",
            "Content-Length: -1\r\n",
            "Content-Length: 7, 7\r\n",
            "Content-Length : 7\r\n",
            "Content-Length\r\n",
        ] {
            assert_eq!(of(fields), Head::Refused(400), "{fields}");
        }
        let many = "a: b\r\n".repeat(MAX_FIELDS);
        assert_eq!(of(&many), Head::Refused(431));
        let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_eq!(judge(old), Head::Refused(400));
    }
}
