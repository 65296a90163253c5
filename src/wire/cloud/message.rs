//! Messages of a call: JSON texts of at most 256 bytes that the cloud carries from the application
//! server to a device.
//!
//! Only `call` has a URL. Members that are not known are ignored; a message whose known ones make
//! no sense is refused.

use core::fmt::Write;

use crate::wire::control::Text;
use crate::wire::json::{quote, Object};

/// The longest message, before it becomes base64.
pub const MESSAGE_BYTES: usize = 256;
/// Digits of a call's id.
pub const SID_DIGITS: usize = 16;

/// The id of a call.
pub type Sid = [u8; SID_DIGITS];
/// The URL of a call.
pub type Url = Text<MESSAGE_BYTES>;
/// Why a call ended.
pub type Reason = Text<64>;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the words of `KINDS`
pub enum Kind {
    Call,
    Ringing,
    Accept,
    Decline,
    Busy,
    Cancel,
    End,
    Keep,
    OpenDoor,
    OpenDoorResult,
}

const KINDS: [(&str, Kind); 10] = [
    ("call", Kind::Call),
    ("ringing", Kind::Ringing),
    ("accept", Kind::Accept),
    ("decline", Kind::Decline),
    ("busy", Kind::Busy),
    ("cancel", Kind::Cancel),
    ("end", Kind::End),
    ("keep", Kind::Keep),
    ("open_door", Kind::OpenDoor),
    ("open_door_result", Kind::OpenDoorResult),
];

impl Kind {
    /// The kind of this name.
    pub fn of(word: &[u8]) -> Option<Self> {
        let mut kinds = KINDS.iter();
        kinds
            .find(|(name, _)| name.as_bytes() == word)
            .map(|(_, kind)| *kind)
    }

    /// Its name.
    pub fn word(self) -> &'static str {
        let mut kinds = KINDS.iter();
        kinds
            .find(|(_, kind)| *kind == self)
            .map_or("", |(name, _)| name)
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallMessage {
    /// What it is.
    pub kind: Kind,
    /// The call.
    pub sid: Sid,
    /// The device that did it.
    pub from: u32,
    /// When the call was made, in Unix seconds; only in `call`, and not of every sender.
    pub at: Option<u64>,
    /// Where the caller's stream is; empty but in `call`.
    pub url: Url,
    /// Empty if there is none.
    pub reason: Reason,
}

/// The bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMessage;

impl CallMessage {
    /// A message without URL and reason.
    pub fn new(kind: Kind, sid: Sid, from: u32) -> Self {
        Self {
            kind,
            sid,
            from,
            at: None,
            url: Url::new(),
            reason: Reason::new(),
        }
    }

    /// Reads a message.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoMessage> {
        if bytes.len() > MESSAGE_BYTES || core::str::from_utf8(bytes).is_err() {
            return Err(NoMessage);
        }
        let object = Object::parse(bytes).map_err(|_| NoMessage)?;
        let kind = Kind::of(&object.text::<32>("t")).ok_or(NoMessage)?;
        let sid = parse_sid(&object.text::<32>("sid")).ok_or(NoMessage)?;
        let from = object
            .number("from")
            .and_then(|cid| u32::try_from(cid).ok());
        let mut message = Self::new(kind, sid, from.ok_or(NoMessage)?);
        if kind == Kind::Call {
            message.at = object.number("at");
            message.url = object.text("url");
            if message.url.is_empty() {
                return Err(NoMessage);
            }
        }
        message.reason = object.text("reason");
        Ok(message)
    }

    /// Writes the message; `None`: it is longer than 256 bytes.
    pub fn emit(&self) -> Option<Text<MESSAGE_BYTES>> {
        let mut out = heapless::String::<MESSAGE_BYTES>::new();
        let sid = core::str::from_utf8(&self.sid).ok()?;
        write!(
            out,
            "{{\"t\":\"{}\",\"sid\":\"{sid}\",\"from\":{}",
            self.kind.word(),
            self.from
        )
        .ok()?;
        if let Some(at) = self.at {
            write!(out, ",\"at\":{at}").ok()?;
        }
        for (key, text) in [("url", &self.url[..]), ("reason", &self.reason[..])] {
            if !text.is_empty() {
                write!(out, ",\"{key}\":").ok()?;
                quote(&mut out, text).ok()?;
            }
        }
        out.write_str("}").ok()?;
        Some(out.into_bytes())
    }
}

/// 16 lower-case hexadecimal digits.
pub fn parse_sid(text: &[u8]) -> Option<Sid> {
    let sid = Sid::try_from(text).ok()?;
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    sid.iter().all(is_digit).then_some(sid)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &Sid = b"0123456789abcdef";

    fn text(message: &CallMessage) -> String {
        String::from_utf8(message.emit().unwrap().to_vec()).unwrap()
    }

    #[test]
    fn messages_are_written_and_read() {
        let mut call = CallMessage::new(Kind::Call, *SID, 1_003_469);
        call.at = Some(1_493_478_000);
        call.url =
            Url::from_slice(b"topvdn://203.195.157.248:80?protocolType=1&token=1_2_3_x").unwrap();
        let expected = r#"{"t":"call","sid":"0123456789abcdef","from":1003469,"at":1493478000,"url":"topvdn://203.195.157.248:80?protocolType=1&token=1_2_3_x"}"#;
        assert_eq!(text(&call), expected);
        assert_eq!(CallMessage::parse(expected.as_bytes()), Ok(call));
        let mut cancel = CallMessage::new(Kind::Cancel, *SID, 7);
        cancel.reason = Reason::from_slice(b"answered_elsewhere").unwrap();
        let expected =
            r#"{"t":"cancel","sid":"0123456789abcdef","from":7,"reason":"answered_elsewhere"}"#;
        assert_eq!(text(&cancel), expected);
        assert_eq!(CallMessage::parse(expected.as_bytes()), Ok(cancel));
        for (word, kind) in KINDS {
            assert_eq!((Kind::of(word.as_bytes()), kind.word()), (Some(kind), word));
        }
    }

    #[test]
    fn the_longest_url_that_is_made_fits() {
        let mut call = CallMessage::new(Kind::Call, *SID, u32::MAX);
        call.at = Some(u64::from(u32::MAX));
        let url = format!(
            "http://{}:65535/stream/0123456789abcdef-4294967295",
            "x".repeat(52)
        );
        call.url = Url::from_slice(url.as_bytes()).unwrap();
        assert!(call.emit().is_some());
        call.url = Url::from_slice(&[b'x'; 200]).unwrap();
        assert_eq!(call.emit(), None);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "{}",
            r#"{"t":"call","sid":"0123456789abcdef","from":1}"#,
            r#"{"t":"hello","sid":"0123456789abcdef","from":1}"#,
            r#"{"t":"end","sid":"0123456789ABCDEF","from":1}"#,
            r#"{"t":"end","sid":"0123456789abcde","from":1}"#,
            r#"{"t":"end","sid":"0123456789abcdef0","from":1}"#,
            r#"{"t":"end","sid":"0123456789abcdef"}"#,
            r#"{"t":"end","sid":"0123456789abcdef","from":4294967296}"#,
            r#"{"t":"end","sid":"0123456789abcdef","from":"1""#,
        ] {
            assert_eq!(
                CallMessage::parse(text.as_bytes()),
                Err(NoMessage),
                "{text}"
            );
        }
        let long = format!(
            "{{\"t\":\"end\",\"sid\":\"0123456789abcdef\",\"from\":1,\"x\":\"{}\"}}",
            "x".repeat(256)
        );
        assert_eq!(CallMessage::parse(long.as_bytes()), Err(NoMessage));
    }
}
