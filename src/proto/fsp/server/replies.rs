//! Replies as datagrams. The payload stands behind the header's place when one of these is called.

use crate::proto::fsp::server::Next;
use crate::wire::fsp::{Command, Entry, Head, Toward, HEADER_BYTES};

/// Seals a reply of so many bytes of data, and of extra data behind them.
pub(super) fn finish(head: Head, data: usize, extra: usize, reply: &mut [u8]) -> Next {
    let length = HEADER_BYTES + data + extra;
    let Some(datagram) = reply.get_mut(..length) else {
        return Next::Silence;
    };
    head.seal(datagram, extra, Toward::Client);
    Next::Reply(length)
}

/// A reply of these bytes; `extra` of them, at the end, are extra data.
pub(super) fn send(head: Head, payload: &[u8], extra: usize, reply: &mut [u8]) -> Next {
    if let Some(place) = reply.get_mut(HEADER_BYTES..HEADER_BYTES + payload.len()) {
        place.copy_from_slice(payload);
    }
    finish(head, payload.len() - extra, extra, reply)
}

/// An error's text for people. The position stays the request's: clients look at it first.
pub(super) fn refuse(head: Head, text: &str, reply: &mut [u8]) -> Next {
    if let Some(end) = reply.get_mut(HEADER_BYTES + text.len()) {
        *end = 0;
    }
    send(
        Head {
            command: Command::ERROR,
            ..head
        },
        text.as_bytes(),
        0,
        reply,
    );
    finish(
        Head {
            command: Command::ERROR,
            ..head
        },
        text.len() + 1,
        0,
        reply,
    )
}

/// The answer to STAT.
pub(super) fn describe(head: Head, entry: Entry, reply: &mut [u8]) -> Next {
    send(head, &entry.head(), 0, reply)
}
