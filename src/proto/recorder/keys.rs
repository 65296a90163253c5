//! Validation of keys that several control messages have in common.

use crate::proto::recorder::reason::{bad_request, Reason};
use crate::wire::control::{Message, Text};

/// A text of at most `N` bytes; empty if it is missing.
pub(in crate::proto) fn text<const N: usize>(
    message: &Message,
    key: &str,
) -> Result<Text<N>, Reason> {
    let text = message.text(key);
    text.map_err(|_| bad_request(format_args!("{key} is longer than {N} bytes")))
}

/// The number of a recording or player.
pub(in crate::proto) fn id(message: &Message) -> Result<u32, Reason> {
    match message.number::<u32>("id") {
        None => Err(bad_request(format_args!("id is missing"))),
        Some(Ok(id)) => Ok(id),
        Some(Err(())) => Err(bad_request(format_args!("id must be a decimal number"))),
    }
}
