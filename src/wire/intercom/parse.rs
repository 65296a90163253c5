//! Bytes to messages: tolerant, without a heap.

use crate::wire::ascii;
use crate::wire::control::Text;
use crate::wire::intercom::message::{cut, text, Message, Party, Reason, Sid, CODES, MAX_NESTING};
use crate::wire::json::Object;

/// Why a frame is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMessage {
    /// It is no JSON object, or nested too deeply.
    NoObject,
    /// It has no `name`.
    NoName,
}

/// Parses a frame that is not empty.
pub fn parse(frame: &[u8]) -> Result<Message, NoMessage> {
    if nesting(frame) > MAX_NESTING {
        return Err(NoMessage::NoObject);
    }
    let envelope = Object::parse(frame).map_err(|_| NoMessage::NoObject)?;
    let name: Text<32> = envelope.text("name");
    if name.is_empty() {
        return Err(NoMessage::NoName);
    }
    // Peers leave `values` out, or send an empty list; what else is no object makes no sense.
    let values = envelope.raw("values").unwrap_or(b"{}");
    let is_nothing = matches!(values, b"null" | b"\"\"") || is_empty_list(values);
    let values = match Object::parse(values) {
        Ok(values) => Values(Some(values)),
        Err(_) if is_nothing => Values(None),
        Err(_) => return Ok(Message::Unknown),
    };
    // A name that is not UTF-8 is not known. Matching strings takes less code than matching bytes.
    let name = core::str::from_utf8(&name).unwrap_or_default();
    Ok(message(name, &values))
}

fn is_empty_list(value: &[u8]) -> bool {
    let inside = value
        .strip_prefix(b"[")
        .and_then(|rest| rest.strip_suffix(b"]"));
    inside.is_some_and(|inside| ascii::trim(inside).is_empty())
}

fn message(name: &str, values: &Values) -> Message {
    let sid = values.text("sid");
    match name {
        "call_req" | "call_in" | "call_out" => values.call_req(sid),
        "call_accept" => Message::CallAccept {
            sid,
            by: values.within("src").text("id"),
        },
        "call_reject" => Message::CallReject {
            sid,
            reason: values.reason(),
        },
        "call_end" => Message::CallEnd {
            sid,
            reason: values.reason(),
        },
        "call_keep" => Message::CallKeep { sid },
        // A number that is none must not open door 0.
        "open_door" if !values.is_number("door") => Message::Unknown,
        "open_door" => Message::OpenDoor {
            sid,
            door: values.number("door"),
            ack: values.flag("ack"),
        },
        "open_door_result" => Message::OpenDoorResult {
            sid,
            door: values.number("door"),
            ok: values.flag("ok"),
            reason: values.reason(),
        },
        "join_family" => Message::JoinFamily {
            token: values.text("token"),
            id: values.text("id"),
            device_type: values.number("type"),
        },
        "join_accept" => Message::JoinAccept {
            room_id: values.text("room_id"),
        },
        "join_reject" => Message::JoinReject {
            reason: values.reason(),
        },
        _ => alarm_message(name, values),
    }
}

fn alarm_message(name: &str, values: &Values) -> Message {
    match name {
        "seczone_emergency" | "emergency" => Message::Emergency {
            alarm: values.text("alarm"),
            port: values.number("port"),
            name: values.text("name"),
            message: values.text("message"),
        },
        "seczone_ack" => Message::SeczoneAck {
            alarm: values.text("alarm"),
            by: values.text("by"),
        },
        "seczone_clear" => Message::SeczoneClear {
            alarm: values.text("alarm"),
            port: values.number("port"),
            reason: values.reason(),
        },
        _ => Message::Unknown,
    }
}

/// The values of a message; `None` if they are not an object.
struct Values<'a>(Option<Object<'a>>);

impl<'a> Values<'a> {
    /// The object that is the value of `key`, or nothing.
    fn within(&self, key: &str) -> Values<'a> {
        let raw = self.0.and_then(|object| object.raw(key));
        Values(raw.and_then(|raw| Object::parse(raw).ok()))
    }

    /// A string, or a number as it is written; empty if there is none.
    fn text<const N: usize>(&self, key: &str) -> Text<N> {
        let mut buffer = [0; N];
        let len = self.copy_text(key, &mut buffer);
        cut(&buffer[..len])
    }

    /// Writes what `text` returns to the beginning of `place`; returns its length.
    fn copy_text(&self, key: &str, place: &mut [u8]) -> usize {
        let Some(object) = self.0 else {
            return 0;
        };
        match object.raw(key) {
            Some([b'"', ..]) => object.copy_text(key, place),
            Some([b'{' | b'[', ..]) | Some(b"null") | None => 0,
            Some(word) => {
                let len = word.len().min(place.len());
                place[..len].copy_from_slice(&word[..len]);
                len
            }
        }
    }

    /// The first of these keys that has a value.
    fn first<const N: usize>(&self, keys: &[&str]) -> Text<N> {
        let mut values = keys.iter().map(|key| self.text(key));
        values.find(|value| !value.is_empty()).unwrap_or_default()
    }

    /// A number, or a string of digits; 0 if it is neither or out of range.
    fn number<T: TryFrom<u64> + Default>(&self, key: &str) -> T {
        let digits: Text<20> = self.text(key);
        let number = crate::wire::decimal::parse_decimal(&digits);
        let number = number.and_then(|number| T::try_from(number).ok());
        number.unwrap_or_default()
    }

    /// The value is a number of one byte, or there is none.
    fn is_number(&self, key: &str) -> bool {
        let digits: Text<20> = self.text(key);
        let number = crate::wire::decimal::parse_decimal(&digits);
        let is_absent = self
            .0
            .and_then(|object| object.raw(key))
            .is_none_or(|raw| raw == b"null");
        is_absent || digits.is_empty() && self.is_string(key) || number.is_some_and(|it| it < 256)
    }

    fn is_string(&self, key: &str) -> bool {
        let raw = self.0.and_then(|object| object.raw(key));
        raw.is_some_and(|raw| raw.starts_with(b"\""))
    }

    /// The value is longer than its place of `N` bytes.
    fn is_longer_than<const N: usize>(&self, key: &str) -> bool {
        let raw = self.0.and_then(|object| object.raw(key));
        // A string has two quotes; escapes only make it shorter.
        let may_be = raw.is_some_and(|raw| raw.len() > N + 2);
        may_be && self.text::<N>(key).len() + 4 > N
    }

    /// `true`, 1, or one of these as a string.
    fn flag(&self, key: &str) -> bool {
        matches!(&self.text::<8>(key)[..], b"true" | b"1")
    }

    /// `reason`, else the word for `code`; empty if there is neither.
    fn reason(&self) -> Reason {
        let reason: Reason = self.text("reason");
        if !reason.is_empty() {
            return reason;
        }
        let code: Text<4> = self.text("code");
        let known = |&&(_, number): &&(&str, u8)| code[..] == [b'0' + number];
        let word = CODES.iter().find(known);
        word.map_or(Reason::new(), |(word, _)| text(word))
    }

    fn call_req(&self, sid: Sid) -> Message {
        let mut src = self.within("src").party();
        let mut dest = self.within("dest").party();
        // Protocol 0.2 has the called address and id, and the caller's stream, beside each other.
        if src.audio.is_empty() {
            src.audio = self.first(&["audio_stream_url", "stream_audio_url"]);
        }
        if dest.ip.is_empty() {
            dest.ip = self.text("dest");
        }
        if dest.id.is_empty() {
            dest.id = self.text("dest_id");
        }
        let nobody = Party::default();
        let is_empty = src == nobody && dest == nobody;
        let streams = [self.within("src"), self.within("dest")];
        let is_cut = self.is_longer_than::<64>("sid")
            || streams.iter().any(|party| {
                party.is_longer_than::<192>("audio_stream_id")
                    || party.is_longer_than::<192>("video_stream_id")
            });
        if is_empty || is_cut {
            return Message::BadCallReq { sid };
        }
        Message::CallReq { sid, src, dest }
    }

    fn party(&self) -> Party {
        Party {
            id: self.text("id"),
            peer_type: self.number("type"),
            ip: self.text("ip"),
            port: self.number("port"),
            // The documents lost underscores and letters when they were converted.
            audio: self.first(&[
                "audio_stream_id",
                "audiostreamid",
                "audio_tream_id",
                "audio_stream_url",
                "stream_audio_url",
            ]),
            video: self.first(&["video_stream_id", "videostreamid", "video_stream_url"]),
        }
    }
}

/// The deepest nesting of brackets outside of strings.
fn nesting(frame: &[u8]) -> usize {
    let mut depth: usize = 0;
    let mut deepest = 0;
    let mut in_string = false;
    let mut is_escaped = false;
    for byte in frame {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests;
