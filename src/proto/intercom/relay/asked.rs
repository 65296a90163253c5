//! Requests that are not for streams: those of the page for trying, which the program answers that has
//! this relay.

use core::fmt::Write;
use std::sync::Arc;

use crate::proto::intercom::relay::connection::State;
use crate::proto::intercom::relay::events::{Asked, AskedFor, ConnectionId};
use crate::proto::intercom::relay::Relay;
use crate::wire::ascii;
use crate::wire::http::Head;

/// The home's box has the page; in a phone its code would take 1 500 bytes that nobody uses.
pub(super) const HAS_PAGE: bool = cfg!(feature = "box");

/// `None`: it is no request of the page.
pub(super) fn asked(id: ConnectionId, head: &Head, bytes: &[u8]) -> Option<Asked> {
    let what = match (head.method, head.path) {
        (b"GET", b"/") => AskedFor::Page,
        (b"GET", b"/try.js") => AskedFor::Script,
        (b"GET", b"/try.css") => AskedFor::Style,
        (b"GET", b"/status") => AskedFor::Status,
        (b"POST", b"/open") => AskedFor::Open(bearer(bytes)),
        _ => return None,
    };
    Some(Asked { id, what })
}

/// The token of a request; empty if it has none. A page of another origin cannot send this header.
fn bearer(head: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"authorization:";
    let lines = head.split(|byte| *byte == b'\n');
    let mut values = lines.filter_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        let value = ascii::trim(value);
        let is_it = ascii::is_same(name, NAME);
        is_it.then(|| value.strip_prefix(b"Bearer "))?
    });
    values.next().unwrap_or_default().to_vec()
}

impl Relay {
    /// Connections of this side may ask for the page, and hear any stream as a WAV.
    pub fn set_page_side(&mut self, side: &'static str) {
        self.page_side = Some(side);
    }

    /// The next request for the page; `reply` follows.
    pub fn poll_asked(&mut self) -> Option<Asked> {
        self.asked.pop_front()
    }

    /// Replies to a request, and closes the connection after it.
    pub fn reply(&mut self, id: ConnectionId, status: &str, kind: &str, body: &str) {
        let mut text = String::new();
        let length = body.len();
        let _ = write!(
            text,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {length}\r\n\
             Content-Security-Policy: default-src 'none'; style-src 'self'; script-src 'self'; \
             connect-src 'self'; frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
        );
        if let Some(connection) = self.connections.get_mut(id) {
            connection.outgoing.push(Arc::from(text.as_bytes()));
            connection.state = State::Over;
        }
    }

    pub(super) fn is_for_page(&self, id: ConnectionId) -> bool {
        let side = self.connections.get(id).map(|connection| connection.side);
        HAS_PAGE && side.is_some() && side == self.page_side
    }

    pub(super) fn set_asked(&mut self, id: ConnectionId, asked: Asked) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.state = State::Asked;
            self.asked.push_back(asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_in_a_header() {
        for (head, token) in [
            (
                "POST /open HTTP/1.1\r\nHost: x\r\nauthorization: Bearer abc \r\n\r\n",
                "abc",
            ),
            (
                "POST /open HTTP/1.1\r\nAuthorization: Basic abc\r\n\r\n",
                "",
            ),
            ("POST /open HTTP/1.1\r\n\r\n", ""),
        ] {
            assert_eq!(bearer(head.as_bytes()), token.as_bytes(), "{head}");
        }
    }
}
