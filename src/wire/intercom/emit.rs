//! Messages to bytes: one form of each, without a heap.

use core::fmt::{self, Display, Write};

use crate::wire::intercom::message::{Message, Party, CODES};
use crate::wire::json::quote;

/// Writes a message and its NUL; returns the number of bytes, `None` if they do not fit. `serial` is
/// the number of the message on its connection, for people who read along.
pub fn emit(message: &Message, serial: u32, buffer: &mut [u8]) -> Option<usize> {
    let mut out = Bytes { buffer, len: 0 };
    write_message(message, serial, &mut out).ok()?;
    out.write_str("\0").ok()?;
    Some(out.len)
}

/// A buffer that is written to from its beginning.
struct Bytes<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        let place = self.buffer.get_mut(self.len..end).ok_or(fmt::Error)?;
        place.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The members of an object, separated by commas.
struct Members<'a> {
    out: &'a mut dyn Write,
    is_first: bool,
}

impl<'a> Members<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            is_first: true,
        }
    }

    fn key(&mut self, key: &str) -> fmt::Result {
        let comma = if self.is_first { "" } else { "," };
        self.is_first = false;
        write!(self.out, "{comma}\"{key}\":")
    }

    fn text(&mut self, key: &str, value: &[u8]) -> fmt::Result {
        self.key(key)?;
        quote(self.out, value)
    }

    fn plain(&mut self, key: &str, value: &dyn Display) -> fmt::Result {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    fn party(&mut self, key: &str, party: &Party) -> fmt::Result {
        self.key(key)?;
        self.out.write_str("{")?;
        let mut members = Members::new(self.out);
        members.text("id", &party.id)?;
        members.plain("type", &party.peer_type)?;
        members.text("ip", &party.ip)?;
        members.plain("port", &party.port)?;
        members.text("audio_stream_id", &party.audio)?;
        members.text("video_stream_id", &party.video)?;
        self.out.write_str("}")
    }

    /// The reason as a word, and as a number where deployed peers have one.
    fn reason(&mut self, reason: &[u8]) -> fmt::Result {
        self.text("reason", reason)?;
        let known = CODES.iter().find(|(word, _)| word.as_bytes() == reason);
        self.plain("code", &known.map_or(0, |(_, code)| *code))?;
        self.text("message", reason)
    }
}

fn write_message(message: &Message, serial: u32, out: &mut dyn Write) -> fmt::Result {
    let name = name_of(message);
    write!(
        out,
        "{{\"id\":\"{serial}\",\"name\":\"{name}\",\"values\":{{"
    )?;
    write_values(message, &mut Members::new(out))?;
    out.write_str("}}")
}

fn name_of(message: &Message) -> &'static str {
    match message {
        Message::CallReq { .. } => "call_req",
        Message::CallAccept { .. } => "call_accept",
        Message::CallReject { .. } => "call_reject",
        Message::CallEnd { .. } => "call_end",
        Message::CallKeep { .. } => "call_keep",
        Message::OpenDoor { .. } => "open_door",
        Message::OpenDoorResult { .. } => "open_door_result",
        Message::JoinFamily { .. } => "join_family",
        Message::JoinAccept { .. } => "join_accept",
        Message::JoinReject { .. } => "join_reject",
        Message::Emergency { .. } => "seczone_emergency",
        Message::SeczoneAck { .. } => "seczone_ack",
        Message::SeczoneClear { .. } => "seczone_clear",
        Message::BadCallReq { .. } | Message::Unknown => "unknown",
    }
}

fn write_values(message: &Message, values: &mut Members) -> fmt::Result {
    if let Some(sid) = message.sid() {
        values.text("sid", sid)?;
    }
    match message {
        Message::CallReq { src, dest, .. } => {
            values.party("src", src)?;
            values.party("dest", dest)
        }
        Message::CallAccept { by, .. } if !by.is_empty() => {
            values.key("src")?;
            values.out.write_str("{\"id\":")?;
            quote(values.out, by)?;
            values.out.write_str("}")
        }
        Message::CallReject { reason, .. } | Message::CallEnd { reason, .. } => {
            values.reason(reason)
        }
        Message::OpenDoor { door, ack, .. } => {
            values.plain("door", door)?;
            values.plain("ack", ack)
        }
        Message::OpenDoorResult {
            door, ok, reason, ..
        } => {
            values.plain("door", door)?;
            values.plain("ok", ok)?;
            values.text("reason", reason)
        }
        Message::CallAccept { .. }
        | Message::BadCallReq { .. }
        | Message::CallKeep { .. }
        | Message::Unknown => Ok(()),
        _ => write_home_values(message, values),
    }
}

/// Messages between a box and its screens that belong to no call.
fn write_home_values(message: &Message, values: &mut Members) -> fmt::Result {
    match message {
        Message::JoinFamily {
            token,
            id,
            device_type,
        } => {
            values.text("token", token)?;
            values.text("id", id)?;
            values.plain("type", device_type)
        }
        Message::JoinAccept { room_id } => values.text("room_id", room_id),
        Message::JoinReject { reason } => values.text("reason", reason),
        Message::Emergency {
            alarm,
            port,
            name,
            message,
        } => {
            values.text("alarm", alarm)?;
            // A string, as the source document has it.
            values.plain("port", &format_args!("\"{port}\""))?;
            values.text("name", name)?;
            values.text("message", message)
        }
        Message::SeczoneAck { alarm, by } => {
            values.text("alarm", alarm)?;
            values.text("by", by)
        }
        Message::SeczoneClear {
            alarm,
            port,
            reason,
        } => {
            values.text("alarm", alarm)?;
            values.plain("port", &format_args!("\"{port}\""))?;
            values.text("reason", reason)
        }
        _ => Ok(()),
    }
}
