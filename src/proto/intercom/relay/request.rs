//! Requests: who may do what, and how the others are refused.

use core::fmt::Write;
use std::sync::Arc;

use crate::base::time::Instant;
use crate::proto::intercom::relay::asked::asked;
use crate::proto::intercom::relay::connection::{Connection, Form, State};
use crate::proto::intercom::relay::{ConnectionId, Relay, REFUSED_READING};
use crate::wire::ascii;
use crate::wire::http::Head;

/// A reply with words for people, unless it has no body.
fn reply(status: u16, words: &str, has_body: bool) -> Arc<[u8]> {
    let reason = match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        413 => "Content Too Large",
        _ => "Service Unavailable",
    };
    let allow = if status == 405 {
        "Allow: GET, HEAD, POST, PUT\r\n"
    } else {
        ""
    };
    let mut text = format!("HTTP/1.1 {status} {reason}\r\n{allow}Connection: close\r\n");
    let _ = if has_body {
        let len = words.len() + 1;
        write!(
            text,
            "Content-Type: text/plain\r\nContent-Length: {len}\r\n\r\n{words}\n"
        )
    } else {
        write!(text, "\r\n")
    };
    text.as_bytes().into()
}

/// The id in a path: `/stream/ID[.flv]` or `/streaming/ID[.flv]`, without its query.
fn stream_of(path: &[u8]) -> Option<&[u8]> {
    let path = path.split(|byte| *byte == b'?').next()?;
    let id = path
        .strip_prefix(b"/stream/")
        .or_else(|| path.strip_prefix(b"/streaming/"))?;
    let id = id.strip_suffix(b".flv").unwrap_or(id);
    let is_id = !id.is_empty() && !id.contains(&b'/');
    is_id.then_some(id)
}

/// The stream of which a browser wants the sound: `/sound/ID.wav`.
fn sound_of(path: &[u8]) -> Option<&[u8]> {
    path.strip_prefix(b"/sound/")?.strip_suffix(b".wav")
}

impl Relay {
    /// More of a request has come.
    pub(super) fn handle_head(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else {
            return;
        };
        let State::Head { buffer, .. } = &mut connection.state else {
            return;
        };
        let bytes = std::mem::take(buffer);
        match Head::parse(&bytes) {
            Ok(None) => *buffer = bytes,
            Err(_) => self.refuse(now, id, 400, "this is no HTTP request"),
            Ok(Some((head, len))) => {
                let (head_bytes, rest) = bytes.split_at(len);
                self.handle_request(now, id, &head, (head_bytes, rest));
            }
        }
    }

    fn handle_request(
        &mut self,
        now: Instant,
        id: ConnectionId,
        head: &Head,
        (head_bytes, rest): (&[u8], &[u8]),
    ) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.is_head = head.method == b"HEAD";
        }
        if self.is_for_page(id) {
            if let Some(stream) = sound_of(head.path).filter(|it| self.permissions.has(it)) {
                let form = Form::Wav { has_begun: false };
                self.play(now, id, stream, form);
                return;
            }
            if let Some(asked) = asked(id, head, head_bytes) {
                self.set_asked(id, asked);
                return;
            }
        }
        let Some(stream) = stream_of(head.path) else {
            self.refuse(now, id, 404, "there are only /stream/ID and /streaming/ID");
            return;
        };
        let publishes = matches!(ascii::word(head.method), "POST" | "PUT");
        let may = |connection: &Connection| {
            let (side, address) = (connection.side, connection.address);
            let permissions = &self.permissions;
            let is_party = if publishes {
                permissions.may_publish(side, address)
            } else {
                permissions.knows(side, address)
            };
            is_party && permissions.has(stream)
        };
        let is_permitted = self.connections.get(id).is_some_and(may);
        match ascii::word(head.method) {
            "GET" | "HEAD" | "POST" | "PUT" if !is_permitted => {
                self.refuse(
                    now,
                    id,
                    403,
                    "no running call of this address has this stream",
                );
            }
            "POST" | "PUT" => {
                let side = self.connections.get(id).map_or("", |it| it.side);
                let kept = self.permissions.kept(side, stream).to_vec();
                self.publish(now, id, &kept, head, rest);
            }
            "GET" => self.play(now, id, stream, Form::Flv),
            "HEAD" => self.describe(now, id, stream),
            _ => self.refuse(now, id, 405, "GET plays, POST and PUT publish"),
        }
    }

    /// Replies with a status, and ends the connection after it.
    pub(super) fn refuse(&mut self, now: Instant, id: ConnectionId, status: u16, words: &str) {
        if status != 200 {
            self.counts.refused += 1;
        }
        if let Some(connection) = self.connections.get_mut(id) {
            let has_body = !connection.is_head;
            connection.outgoing.push(reply(status, words, has_body));
            let until = now + REFUSED_READING;
            connection.state = State::Refused { until };
        }
    }
}
