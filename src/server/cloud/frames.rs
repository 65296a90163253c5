//! What a channel sends: server-sent events.

use axum::body::Bytes;

use crate::server::cloud::outgoing::Outgoing;

/// The device is logged in.
pub(super) fn online() -> Bytes {
    Bytes::from_static(b"data: {\"Name\":\"Online\"}\n\n")
}

/// Another channel of the device has been opened.
pub(super) fn replaced() -> Bytes {
    Bytes::from_static(b"data: {\"Name\":\"OffLine\",\"Message\":\"replaced\"}\n\n")
}

/// The device's tokens were revoked.
pub(super) fn revoked() -> Bytes {
    Bytes::from_static(b"data: {\"Name\":\"OffLine\",\"Message\":\"revoked\"}\n\n")
}

/// Says that the channel lives.
pub(super) fn comment() -> Bytes {
    Bytes::from_static(b": \n\n")
}

/// A message; base64 needs no escapes.
pub(super) fn message(id: u64, message: &Outgoing) -> Bytes {
    let (text, from, flag) = (&message.message, message.from, message.flag);
    Bytes::from(format!(
        "id: {id}\ndata: {{\"Name\":\"PopMessage\",\"Message\":\"{text}\",\"SrcID\":{from},\"Flag\":{flag}}}\n\n"
    ))
}
