//! A reader of flat JSON objects (RFC 8259), such as sidecars: small, tolerant and without a heap.
//! `quote` writes strings.
//!
//! The reader accepts superfluous commas, control characters in strings and invalid escapes. Nested
//! lists and objects are skipped. Bytes that end before the object does are refused; bytes after
//! the object are ignored.

use core::fmt::{self, Write};

use crate::wire::ascii;
use crate::wire::control::Text;
use crate::wire::decimal::parse_decimal;

/// The deepest nesting that is skipped; sidecars have two levels.
const MAX_DEPTH: u32 = 8;

/// A JSON object whose syntax has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The bytes after the opening brace.
    body: &'a [u8],
}

/// The bytes are not a JSON object, end before it does, or are nested too deeply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoObject;

impl<'a> Object<'a> {
    /// Checks the object at the beginning of `bytes`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, NoObject> {
        let body = bytes
            .trim_ascii_start()
            .strip_prefix(b"{")
            .ok_or(NoObject)?;
        let mut members = Members {
            rest: body,
            ended: false,
        };
        members.by_ref().for_each(drop);
        members.ended.then_some(Self { body }).ok_or(NoObject)
    }

    /// The members in their order: the key still escaped, and the value with its quotes or
    /// brackets.
    pub fn members(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        Members {
            rest: self.body,
            ended: false,
        }
    }

    /// The first value of `key`, with its quotes or brackets.
    pub fn raw(&self, key: &str) -> Option<&'a [u8]> {
        self.members()
            .find(|(k, _)| *k == key.as_bytes())
            .map(|(_, value)| value)
    }

    /// The text of a string, which is UTF-8 if the file is; it is cut if it is too long, and empty
    /// if there is none.
    pub fn text<const N: usize>(&self, key: &str) -> Text<N> {
        let mut buffer = [0; N];
        let len = self.copy_text(key, &mut buffer);
        Text::from_slice(&buffer[..len]).unwrap_or_default()
    }

    /// Writes what `text` returns to the beginning of `place`; returns its length.
    pub fn copy_text(&self, key: &str, place: &mut [u8]) -> usize {
        let raw = self
            .raw(key)
            .and_then(|value| value.strip_prefix(b"\"")?.strip_suffix(b"\""));
        unescape(raw.unwrap_or_default(), place)
    }

    /// A non-negative integer.
    pub fn number(&self, key: &str) -> Option<u64> {
        parse_decimal(self.raw(key)?)
    }

    /// `true` or `false`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match ascii::word(self.raw(key)?) {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The numbers of a list of pairs. The nesting is not checked.
    pub fn pairs(&self, key: &str) -> impl Iterator<Item = [u64; 2]> + 'a {
        let list = self
            .raw(key)
            .filter(|list| list.starts_with(b"["))
            .unwrap_or_default();
        let mut numbers = list
            .split(|b| !b.is_ascii_digit())
            .filter_map(parse_decimal);
        core::iter::from_fn(move || Some([numbers.next()?, numbers.next()?]))
    }

    /// 32 bytes in hexadecimal.
    pub fn digest(&self, key: &str) -> Option<[u8; 32]> {
        let text = self.text::<65>(key);
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks(2)) {
            *byte = u8::try_from(hex(pair)?).ok()?;
        }
        (text.len() == 64).then_some(digest)
    }
}

/// Writes a JSON string. Characters that control a terminal are escaped, too; invalid UTF-8 becomes
/// U+FFFD.
pub fn quote(out: &mut dyn Write, text: &[u8]) -> fmt::Result {
    out.write_str("\"")?;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\\' => write!(out, "\\{c}")?,
                c if steers(c) => write!(out, "\\u{:04x}", u32::from(c))?,
                c => out.write_char(c)?,
            }
        }
        if !chunk.invalid().is_empty() {
            out.write_str("\u{FFFD}")?;
        }
    }
    out.write_str("\"")
}

/// Control characters, line and paragraph separators, and the marks of bidirectional text.
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

struct Members<'a> {
    rest: &'a [u8],
    /// The closing brace was reached.
    ended: bool,
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        // Superfluous and missing commas are accepted.
        self.rest = self.rest.trim_ascii_start();
        self.rest = self
            .rest
            .strip_prefix(b",")
            .unwrap_or(self.rest)
            .trim_ascii_start();
        if self.rest.first() == Some(&b'}') {
            self.ended = true;
            return None;
        }
        let (key, behind) = self.rest.split_at(string_len(self.rest)?);
        let value = behind
            .trim_ascii_start()
            .strip_prefix(b":")?
            .trim_ascii_start();
        let (value, rest) = value.split_at(value_len(value)?);
        self.rest = rest;
        Some((&key[1..key.len() - 1], value))
    }
}

/// The length of the string at the beginning, with its quotes.
fn string_len(bytes: &[u8]) -> Option<usize> {
    bytes.first().filter(|b| **b == b'"')?;
    let mut at = 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The length of the value at the beginning. Brackets are counted, whatever their kind.
fn value_len(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0);
    loop {
        match bytes.get(at)? {
            b'"' => at += string_len(&bytes[at..])?,
            b'{' | b'[' => {
                at += 1;
                depth += 1;
                if depth > MAX_DEPTH {
                    return None;
                }
            }
            b'}' | b']' if depth > 0 => {
                at += 1;
                depth -= 1;
            }
            _ if depth > 0 => at += 1,
            _ => {
                let word = bytes[at..].iter().position(|b| b",}] \t\r\n".contains(b))?;
                return (word > 0).then_some(at + word);
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// Replaces the escapes of a string's content, as far as it fits into `place`; returns the bytes
/// written.
fn unescape(mut raw: &[u8], place: &mut [u8]) -> usize {
    let mut len = 0;
    while let Some((first, tail)) = raw.split_first() {
        let mut utf8 = [0; 4];
        let (bytes, rest): (&[u8], _) = match (first, tail) {
            (b'\\', [b'u', digits @ ..]) => {
                let (c, rest) = unescape_unit(digits);
                (c.encode_utf8(&mut utf8).as_bytes(), rest)
            }
            (b'\\', [letter, rest @ ..]) => {
                let at = b"nrtbf".iter().position(|l| l == letter);
                utf8[0] = at.map_or(*letter, |at| b"\n\r\t\x08\x0C"[at]);
                (&utf8[..1], rest)
            }
            _ => {
                let width = match first {
                    0xC2..=0xDF => 2,
                    0xE0..=0xEF => 3,
                    0xF0..=0xF4 => 4,
                    _ => 1,
                };
                raw.split_at(width.min(raw.len()))
            }
        };
        let Some(space) = place.get_mut(len..len + bytes.len()) else {
            break;
        };
        space.copy_from_slice(bytes);
        len += bytes.len();
        raw = rest;
    }
    len
}

/// The character whose UTF-16 follows `\u`, and the bytes after it. An unpaired surrogate becomes
/// U+FFFD.
fn unescape_unit(digits: &[u8]) -> (char, &[u8]) {
    let lost = char::REPLACEMENT_CHARACTER;
    let Some((high, rest)) = unit(digits) else {
        return (lost, digits);
    };
    if let Some(c) = char::from_u32(high) {
        return (c, rest);
    }
    let low = rest.strip_prefix(b"\\u").and_then(unit);
    match low {
        Some((low @ 0xDC00..=0xDFFF, behind)) if high < 0xDC00 => (
            char::from_u32(0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00))).unwrap_or(lost),
            behind,
        ),
        _ => (lost, rest),
    }
}

fn unit(digits: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = digits.split_at_checked(4)?;
    Some((hex(digits)?, rest))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |value, digit| {
        Some(value << 4 | char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, key: &str) -> String {
        String::from_utf8(
            Object::parse(json.as_bytes())
                .unwrap()
                .text::<64>(key)
                .to_vec(),
        )
        .unwrap()
    }

    #[test]
    fn parses_objects_in_any_layout() {
        let json =
            b" { \"n\" : 12 ,\"deep\":{\"n\":[1,\"}\\\"\",{}]},\"t\":true,\"f\":false,\"z\":null,\"n\":13,} trailing";
        let object = Object::parse(json).unwrap();
        assert_eq!(
            (object.number("n"), object.flag("t"), object.flag("f")),
            (Some(12), Some(true), Some(false))
        );
        assert_eq!(
            (object.number("deep"), object.flag("z"), object.raw("z")),
            (None, None, Some(&b"null"[..]))
        );
        assert_eq!(object.members().count(), 6);
        assert_eq!(
            Object::parse(object.raw("deep").unwrap()).unwrap().raw("n"),
            Some(&b"[1,\"}\\\"\",{}]"[..])
        );
    }

    #[test]
    fn numbers_are_whole_and_not_negative() {
        let object =
            Object::parse(br#"{"a":-1,"b":1.5,"c":1e3,"d":99999999999999999999,"e":"7","f":7}"#)
                .unwrap();
        assert_eq!(
            ["a", "b", "c", "d", "e", "f"].map(|key| object.number(key)),
            [None, None, None, None, None, Some(7)]
        );
    }

    #[test]
    fn unescapes() {
        let json = r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00","b":"\ud83d \udE00\ud83d\u0041","c":"\u12","d":"\uZZZZ\x"}"#;
        let first = json.split_once(",\"b\"").unwrap().0;
        let judge: serde_json::Value = serde_json::from_str(&format!("{first}}}")).unwrap();
        assert_eq!(text(json, "a"), judge["a"].as_str().unwrap());
        assert_eq!(
            ["b", "c", "d"].map(|key| text(json, key)),
            ["\u{FFFD} \u{FFFD}\u{FFFD}A", "\u{FFFD}12", "\u{FFFD}ZZZZx"]
        );
    }

    #[test]
    fn cuts_a_long_text_between_characters() {
        let object = Object::parse("{\"a\":\"12\u{20AC}\\u20ac\"}".as_bytes()).unwrap();
        assert_eq!(
            (&object.text::<4>("a")[..], &object.text::<7>("a")[..]),
            (&b"12"[..], "12\u{20AC}".as_bytes())
        );
        assert_eq!(object.text::<8>("a"), "12\u{20AC}\u{20AC}".as_bytes());
    }

    #[test]
    fn refuses_bytes_that_are_not_an_object() {
        for bytes in [
            "",
            "{",
            "[]",
            "null",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1",
            "{\"a\":\"}",
            "{a:1}",
            "{\"a\":[}",
            "{\"a\":\"\\",
        ] {
            assert_eq!(Object::parse(bytes.as_bytes()), Err(NoObject), "{bytes}");
        }
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(
            Object::parse(nested(8).as_bytes()).is_ok()
                && Object::parse(nested(9).as_bytes()).is_err()
        );
    }

    #[test]
    fn reads_pairs_and_digests() {
        let json = format!(
            r#"{{"p":[[1,2],[30,40],[5]],"n":3,"s":"{}","short":"0a"}}"#,
            "0aF".repeat(21) + "f"
        );
        let object = Object::parse(json.as_bytes()).unwrap();
        assert_eq!(object.pairs("p").collect::<Vec<_>>(), [[1, 2], [30, 40]]);
        assert_eq!(object.pairs("n").count(), 0);
        let sum = object.digest("s").unwrap();
        assert_eq!(
            (sum[0], sum[1], sum[31], object.digest("short")),
            (0x0A, 0xF0, 0xFF, None)
        );
    }
}
