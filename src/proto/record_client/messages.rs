//! The messages of the server protocol that the phone writes and parses.

use crate::base::limits::{ID_BYTES, MESSAGE_BYTES, TEXT_BYTES};
use crate::base::ring::Ring;
use crate::proto::media::leg_monitor::Heard;
use crate::proto::recording::setup::{Host, Setup};
use crate::wire::ascii;
use crate::wire::control::{Message, Text, Writer};

/// The meaning of a server message for this recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub(super) enum ServerMessage {
    /// The server accepts RTP at this host, which may be empty, and port; port 0: none was given.
    Accepted(Host, u16),
    /// The server refuses to record, for this reason.
    Refused(Text<TEXT_BYTES>),
    /// A response to the start request that cannot be interpreted.
    Unclear,
    /// The server stops the recording, for this reason.
    Stop(Text<TEXT_BYTES>),
    /// The server confirms our stop request.
    Stopped,
}

/// A message with a command and an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The id of a stop request, which is answered even if it is not ours.
    pub(super) stops: Option<Text<ID_BYTES>>,
    /// Its meaning, if it is for this recording.
    pub(super) meaning: Option<ServerMessage>,
}

/// Parses a message; `None` if it has no command or no valid id.
pub(super) fn parse(message: &[u8], id: u32) -> Option<Incoming> {
    let message = Message::parse(message).ok()?;
    let text = message.text::<ID_BYTES>("id").ok()?;
    if text.is_empty() {
        return None;
    }
    let meaning = match message.name() {
        _ if message.number::<u32>("id") != Some(Ok(id)) => None,
        "RecordStartResponse" => Some(answer(&message)),
        "RecordStopRequest" => Some(ServerMessage::Stop(reason_text(&message))),
        "RecordStopResponse" => Some(ServerMessage::Stopped),
        _ => None,
    };
    let stops = (message.command() == b"RecordStopRequest").then_some(text);
    Some(Incoming { stops, meaning })
}

fn answer(message: &Message) -> ServerMessage {
    match message.raw("result").map(ascii::word) {
        Some("success") => {
            let host = message
                .text("server")
                .ok()
                .and_then(|text| Host::from_utf8(text).ok());
            let port = message.number("port").and_then(Result::ok).unwrap_or(0);
            host.map_or(ServerMessage::Unclear, |host| {
                ServerMessage::Accepted(host, port)
            })
        }
        Some("failed") => ServerMessage::Refused(reason_text(message)),
        _ => ServerMessage::Unclear,
    }
}

/// A reason that is too long is truncated: its beginning is better than nothing.
fn reason_text(message: &Message) -> Text<TEXT_BYTES> {
    message.text_cut("reason")
}

/// Writes the start request: all keys in the order of the specification, even those without a
/// value.
pub(super) fn write_start(out: &mut Ring, setup: &Setup) {
    if setup.server.is_none() {
        return;
    }
    let call = &setup.call;
    write(out, setup, "RecordStartRequest", |writer| {
        writer.pair("id", setup.id).pair("device", &setup.device);
        for (key, value, _) in call.parties() {
            writer.bytes(key, value);
        }
        let dir = call
            .incoming
            .map_or("", |incoming| if incoming { "in" } else { "out" });
        writer.pair("dir", dir).pair("codec", setup.law.name());
        if let Some(intercom) = &call.intercom {
            writer
                .pair("kind", intercom.kind())
                .bytes("sid", &intercom.sid);
        }
    });
}

/// Writes the stop request with the values that have changed since the start, and which parties
/// were heard unless all were.
pub(super) fn write_stop(out: &mut Ring, setup: &Setup) {
    write(out, setup, "RecordStopRequest", |writer| {
        writer.pair("id", setup.id);
        for (key, value, changed) in setup.call.parties() {
            if changed {
                writer.bytes(key, value);
            }
        }
        if !setup.call.stop_reason.is_empty() {
            writer.bytes("reason", &setup.call.stop_reason);
        }
        if let Some(heard) = setup.call.heard.filter(|heard| *heard != Heard::Both) {
            writer.pair("heard", heard.name());
        }
    });
}

/// Writes the response to a stop request.
pub(super) fn write_stopped(out: &mut Ring, id: &[u8], setup: &Setup) {
    write(out, setup, "RecordStopResponse", |writer| {
        writer.bytes("id", id).pair("result", "success");
    });
}

/// Queues a message and its terminator as a whole. It is dropped if it does not fit, which happens
/// only if the server does not read.
fn write(out: &mut Ring, setup: &Setup, command: &str, fill: impl FnOnce(&mut Writer)) {
    let mut buffer = [0; MESSAGE_BYTES];
    let mut writer = Writer::new(&mut buffer, command);
    fill(&mut writer);
    let end = setup
        .server
        .as_ref()
        .map_or(&b""[..], |server| server.message_end);
    if let Some(len) = writer.finish().filter(|len| len + end.len() <= out.room()) {
        let _ = out.push(&buffer[..len]) && out.push(end);
    }
}
