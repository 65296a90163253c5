//! The server protocol's messages, as the phone writes and understands them.

use crate::base::limits::{ID_BYTES, MESSAGE_BYTES, TEXT_BYTES};
use crate::base::ring::Ring;
use crate::proto::recording::setup::{Host, Setup};
use crate::wire::control::{Message, Text, Writer};

/// What a message of the server means for this recording.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant)] // one at a time, on the stack
pub(super) enum ServerMessage {
    /// RTP is wanted at this host, which may be empty, and port; 0: none was given.
    Accepted(Host, u16),
    /// The server does not record, for this reason.
    Refused(Text<TEXT_BYTES>),
    /// An answer to the start, but which?
    Unclear,
    /// The server stops, for this reason.
    Stop(Text<TEXT_BYTES>),
    /// Our stop was heard.
    Stopped,
}

/// A message with a command and an id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Incoming {
    /// The id of a stop, to be answered whosever it is.
    pub(super) stops: Option<Text<ID_BYTES>>,
    /// What it means, if it is for this recording.
    pub(super) meaning: Option<ServerMessage>,
}

/// `None` for what has no command, or no id that could be one.
pub(super) fn understand(message: &[u8], id: u32) -> Option<Incoming> {
    let message = Message::parse(message).ok()?;
    let text = message
        .text::<ID_BYTES>("id")
        .ok()
        .filter(|text| !text.is_empty())?;
    let meaning = match message.name() {
        _ if message.number::<u32>("id") != Some(Ok(id)) => None,
        "RecordStartResponse" => Some(answer(&message)),
        "RecordStopRequest" => Some(ServerMessage::Stop(words(&message))),
        "RecordStopResponse" => Some(ServerMessage::Stopped),
        _ => None,
    };
    let stops = (message.command() == b"RecordStopRequest").then_some(text);
    Some(Incoming { stops, meaning })
}

fn answer(message: &Message) -> ServerMessage {
    match message.raw("result") {
        Some(b"success") => {
            let host = message
                .text("server")
                .ok()
                .and_then(|text| Host::from_utf8(text).ok());
            let port = message.number("port").and_then(Result::ok).unwrap_or(0);
            host.map_or(ServerMessage::Unclear, |host| {
                ServerMessage::Accepted(host, port)
            })
        }
        Some(b"failed") => ServerMessage::Refused(words(message)),
        _ => ServerMessage::Unclear,
    }
}

/// A reason that is too long is cut: its beginning says more than none.
fn words(message: &Message) -> Text<TEXT_BYTES> {
    message.text_cut("reason")
}

/// Asks for the recording: all keys of the document in its order, also those without a value.
pub(super) fn write_start(out: &mut Ring, setup: &Setup) {
    let Some(server) = &setup.server else { return };
    let call = &setup.call;
    write(out, setup, "RecordStartRequest", |writer| {
        writer.pair("id", setup.id).pair("device", &server.device);
        for (key, value, _) in call.parties() {
            writer.bytes(key, value);
        }
        let dir = call
            .incoming
            .map_or("", |incoming| if incoming { "in" } else { "out" });
        writer.pair("dir", dir).pair("codec", setup.law.name());
    });
}

/// Stops it; what has changed since the start goes with it.
pub(super) fn write_stop(out: &mut Ring, setup: &Setup) {
    write(out, setup, "RecordStopRequest", |writer| {
        writer.pair("id", setup.id);
        for (key, value, _) in setup
            .call
            .parties()
            .into_iter()
            .filter(|(.., changed)| *changed)
        {
            writer.bytes(key, value);
        }
        if !setup.call.stop_reason.is_empty() {
            writer.bytes("reason", &setup.call.stop_reason);
        }
    });
}

/// Answers a stop.
pub(super) fn write_stopped(out: &mut Ring, id: &[u8], setup: &Setup) {
    write(out, setup, "RecordStopResponse", |writer| {
        writer.bytes("id", id).pair("result", "success");
    });
}

/// A message and its end, in one piece. What does not fit is for a server that does not read.
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
