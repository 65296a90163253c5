//! The syntax of control messages: `cmd=Name&key=value&...` (board/README.md).
//!
//! In values, `%`, `&`, `=` and control bytes are escaped as `%XX`; all other bytes, including
//! blanks and UTF-8, are not. The reader trims blanks around keys and values, ignores unknown keys,
//! uses the first value of a repeated key, and keeps invalid escapes unchanged.

use core::fmt::{self, Write};

use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;

/// A name, number or other value, unescaped. Bytes, not `str`: phones send GBK as well as UTF-8.
pub type Text<const N: usize> = heapless::Vec<u8, N>;

/// A message that has a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    body: &'a [u8],
    command: &'a [u8],
}

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There are only blanks.
    Empty,
    /// The key `cmd` is missing or empty.
    NoCommand,
}

/// A value is too long for its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl<'a> Message<'a> {
    /// Parses one message, without its line end.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let body = ascii::trim(bytes);
        if body.is_empty() {
            return Err(Error::Empty);
        }
        let command = pairs(body)
            .find(|(key, _)| *key == b"cmd")
            .map(|(_, value)| value);
        match command {
            Some(command) if !command.is_empty() => Ok(Self { body, command }),
            _ => Err(Error::NoCommand),
        }
    }

    /// The value of `cmd`, still escaped.
    pub fn command(&self) -> &'a [u8] {
        self.command
    }

    /// The same as text, since matching strings takes less code than matching bytes; empty if it is
    /// not UTF-8.
    pub fn name(&self) -> &'a str {
        core::str::from_utf8(self.command).unwrap_or_default()
    }

    /// The first value of `key`, trimmed, still escaped; `None` also if it is empty.
    pub fn raw(&self, key: &str) -> Option<&'a [u8]> {
        pairs(self.body)
            .find(|(k, _)| *k == key.as_bytes())
            .map(|(_, value)| value)
            .filter(|v| !v.is_empty())
    }

    /// The first value of `key`, unescaped; empty if there is none.
    pub fn text<const N: usize>(&self, key: &str) -> Result<Text<N>, TooLong> {
        let mut buffer = [0; N];
        let len = self.copy_text(key, &mut buffer).ok_or(TooLong)?;
        Ok(Text::from_slice(&buffer[..len]).unwrap_or_default())
    }

    /// Writes what `text` returns to the beginning of `place`; returns its length, `None` if it is
    /// too long.
    fn copy_text(&self, key: &str, place: &mut [u8]) -> Option<usize> {
        let mut len = 0;
        for byte in unescape(self.raw(key).unwrap_or_default()) {
            *place.get_mut(len)? = byte;
            len += 1;
        }
        Some(len)
    }

    /// The first value of `key`, unescaped, cut if it is too long.
    pub fn text_cut<const N: usize>(&self, key: &str) -> Text<N> {
        unescape(self.raw(key).unwrap_or_default())
            .take(N)
            .collect()
    }

    /// The first value of `key` as a decimal number; `Some(Err)` if it is not a number of this
    /// type.
    pub fn number<T: TryFrom<u64>>(&self, key: &str) -> Option<Result<T, ()>> {
        let number = parse_decimal(self.raw(key)?);
        Some(number.and_then(|number| T::try_from(number).ok()).ok_or(()))
    }
}

impl<'a> Message<'a> {
    /// All keys with their values, trimmed, still escaped, in the order of the message.
    pub fn pairs(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone {
        pairs(self.body)
    }
}

/// Every `%` of a value is followed by two hex digits.
pub fn is_well_escaped(value: &[u8]) -> bool {
    let mut parts = value.split(|byte| *byte == b'%');
    let is_escape =
        |part: &[u8]| matches!(part, [high, low, ..] if hex(*high).and(hex(*low)).is_some());
    parts.next();
    parts.all(is_escape)
}

fn pairs(body: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> + Clone {
    body.split(|b| *b == b'&').filter_map(|pair| {
        let equals = pair.iter().position(|b| *b == b'=')?;
        Some((
            ascii::trim(&pair[..equals]),
            ascii::trim(&pair[equals + 1..]),
        ))
    })
}

fn unescape(raw: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = raw;
    core::iter::from_fn(move || {
        let (first, tail) = rest.split_first()?;
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        let (byte, used) = escaped.map_or((*first, 1), |(high, low)| (high << 4 | low, 3));
        rest = &rest[used..];
        Some(byte)
    })
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|d| u8::try_from(d).ok())
}

/// Writes a message into a buffer and escapes the values. A message that does not fit is an error
/// at `finish`.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    overflow: bool,
}

impl<'a> Writer<'a> {
    /// Begins with `cmd=command`.
    pub fn new(buffer: &'a mut [u8], command: &str) -> Self {
        let mut writer = Self {
            buffer,
            len: 0,
            overflow: false,
        };
        writer.plain(b"cmd=");
        writer.escaped(command.as_bytes());
        writer
    }

    /// Adds `&key=value`.
    pub fn pair(&mut self, key: &str, value: impl fmt::Display) -> &mut Self {
        self.display(key, &value);
        self
    }

    /// The part of `pair` that does not depend on the type: it is in the program once.
    fn display(&mut self, key: &str, value: &dyn fmt::Display) {
        self.key(key);
        if write!(Escaping(self), "{value}").is_err() {
            self.overflow = true;
        }
    }

    /// Adds `&key=value` with a value that may not be UTF-8.
    pub fn bytes(&mut self, key: &str, value: &[u8]) -> &mut Self {
        self.key(key);
        self.escaped(value);
        self
    }

    /// The bytes that are left in the buffer.
    pub fn room(&self) -> usize {
        self.buffer.len() - self.len
    }

    /// The length of the message, or `None` if it does not fit.
    pub fn finish(&self) -> Option<usize> {
        (!self.overflow).then_some(self.len)
    }

    fn key(&mut self, key: &str) {
        self.plain(b"&");
        self.plain(key.as_bytes());
        self.plain(b"=");
    }

    fn escaped(&mut self, value: &[u8]) {
        const HEX: &[u8; 16] = b"0123456789ABCDEF";
        for &byte in value {
            match byte {
                b'%' | b'&' | b'=' | 0..=0x1F | 0x7F => {
                    self.plain(&[
                        b'%',
                        HEX[usize::from(byte >> 4)],
                        HEX[usize::from(byte & 15)],
                    ]);
                }
                _ => self.plain(&[byte]),
            }
        }
    }

    fn plain(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.overflow = true,
        }
    }
}

struct Escaping<'b, 'a>(&'b mut Writer<'a>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.escaped(text.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(message: &Message, key: &str) -> String {
        String::from_utf8(message.text::<128>(key).unwrap().to_vec()).unwrap()
    }

    #[test]
    fn parses_the_message_of_the_source_document() {
        // The document itself prints "port =xxx".
        let message = Message::parse(
            b"cmd=RecordStartResponse&id=17&result=success&reason=&server=10.0.0.9&port =40000&port=1\r\n",
        )
        .unwrap();
        assert_eq!(message.command(), b"RecordStartResponse");
        assert_eq!(message.number::<u16>("port"), Some(Ok(40000)));
        assert_eq!(message.raw("reason"), None);
        assert_eq!(text(&message, "server"), "10.0.0.9");
    }

    #[test]
    fn escapes_and_unescapes() {
        let mut buffer = [0; 200];
        let value = "a&cmd=x%y\u{1}\u{7f} Müller+1\n";
        let mut writer = Writer::new(&mut buffer, "RecordEvent");
        let len = writer
            .pair("remote_name", value)
            .pair("id", 7)
            .finish()
            .unwrap();
        assert_eq!(
            &buffer[..len],
            "cmd=RecordEvent&remote_name=a%26cmd%3Dx%25y%01%7F Müller+1%0A&id=7".as_bytes()
        );
        let message = Message::parse(&buffer[..len]).unwrap();
        assert_eq!(text(&message, "remote_name"), value);
        assert_eq!(message.command(), b"RecordEvent");
    }

    #[test]
    fn keeps_invalid_escapes() {
        let message = Message::parse(b"cmd=A&x=100%&y=%zz&z=%4&w=%41%4a").unwrap();
        assert_eq!(
            ["x", "y", "z", "w"].map(|key| text(&message, key)),
            ["100%", "%zz", "%4", "AJ"]
        );
    }

    #[test]
    fn finds_broken_escapes() {
        for value in ["", "a", "%41", "a%4Ab%20"] {
            assert!(is_well_escaped(value.as_bytes()), "{value}");
        }
        for value in ["%", "50% off", "%4", "%zz", "%41%", "%%41"] {
            assert!(!is_well_escaped(value.as_bytes()), "{value}");
        }
    }

    #[test]
    fn needs_a_command() {
        assert_eq!(Message::parse(b" \r\n"), Err(Error::Empty));
        for bytes in [
            "id=1",
            "cmd=",
            "cmd",
            "&&&",
            "=cmd",
            "cmd= &cmd=Late",
            "xcmd=A",
        ] {
            assert_eq!(
                Message::parse(bytes.as_bytes()),
                Err(Error::NoCommand),
                "{bytes}"
            );
        }
        assert_eq!(
            Message::parse(b" id = 1 & cmd = Stop ").unwrap().command(),
            b"Stop"
        );
    }

    #[test]
    fn numbers_are_digits_only() {
        let message = Message::parse(b"cmd=A&a=12&b=-1&c=+1&d=1e3&e=99999999999&f=").unwrap();
        assert_eq!(message.number::<u32>("a"), Some(Ok(12)));
        for key in ["b", "c", "d", "e"] {
            assert_eq!(message.number::<u32>(key), Some(Err(())), "{key}");
        }
        assert_eq!(message.number::<u32>("f"), None);
    }

    #[test]
    fn a_message_or_value_that_does_not_fit_is_an_error() {
        let mut buffer = [0; 12];
        assert_eq!(
            Writer::new(&mut buffer, "A").pair("id", 1234).finish(),
            None
        );
        assert_eq!(
            Writer::new(&mut buffer, "A").pair("id", 123).finish(),
            Some(12)
        );
        let message = Message::parse(b"cmd=A&name=12345").unwrap();
        assert_eq!(message.text::<4>("name"), Err(TooLong));
        assert_eq!(message.text_cut::<4>("name"), b"1234");
    }
}
