//! Writes replies as datagrams. The payload is already in place, after the header, when `finish` is
//! called.

use crate::proto::fsp::server::pending::CommandOutcome;
use crate::wire::fsp::{Command, DirEntry, FspHeader, Toward, HEADER_BYTES};

/// Seals a reply with `data` bytes of data, followed by `extra` bytes of extra data.
pub(super) fn finish(
    head: FspHeader,
    data: usize,
    extra: usize,
    reply: &mut [u8],
) -> CommandOutcome {
    let length = HEADER_BYTES + data + extra;
    let Some(datagram) = reply.get_mut(..length) else {
        return CommandOutcome::Silence;
    };
    head.seal(datagram, extra, Toward::Client);
    CommandOutcome::Reply(length)
}

/// Writes a reply with this payload, of which the last `extra` bytes are extra data.
pub(super) fn send(
    head: FspHeader,
    payload: &[u8],
    extra: usize,
    reply: &mut [u8],
) -> CommandOutcome {
    if let Some(place) = reply.get_mut(HEADER_BYTES..HEADER_BYTES + payload.len()) {
        place.copy_from_slice(payload);
    }
    finish(head, payload.len() - extra, extra, reply)
}

/// Writes an error reply with a text for people. The position is still the request's, since clients
/// check it before they look at the command.
pub(super) fn refuse(head: FspHeader, text: &str, reply: &mut [u8]) -> CommandOutcome {
    let end = HEADER_BYTES + text.len();
    if let Some(place) = reply.get_mut(HEADER_BYTES..end) {
        place.copy_from_slice(text.as_bytes());
    }
    if let Some(nul) = reply.get_mut(end) {
        *nul = 0;
    }
    let head = FspHeader {
        command: Command::ERROR,
        ..head
    };
    finish(head, text.len() + 1, 0, reply)
}

/// Writes the reply to STAT.
pub(super) fn describe(head: FspHeader, entry: DirEntry, reply: &mut [u8]) -> CommandOutcome {
    send(head, &entry.head(), 0, reply)
}
