//! Rendezvous messages, as the OM vendor's SDK writes them (`P2PNAT`, over UDP).
//!
//! ```text
//! P2PNAT00 REG\r\n        00 request, 01 response; REG CON FWD PING PONG NFY QRY, and BIND for our own relay
//! cid: ...\r\n            "name: value" lines; values have no control characters
//! mid: 00001516\r\n       the transaction's number: 8 lower-case hex digits, echoed by the response
//! data: <base64>\r\n      the attributes other than cid, mid, connid, code and emsg, sealed (`wire::rendezvous::cipher`)
//! ```
//! The SDK appends a NUL, which is not required. The same socket carries FSP datagrams, whose first
//! byte is never `P`, and, to the server only, keep-alives: `keep`, or the agent's own `ip:port`.

use core::net::SocketAddrV4;

use crate::base::limits::rendezvous::{RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::wire::ascii;
use crate::wire::decimal::parse_decimal;
use crate::wire::rendezvous::cipher::{Key, BLOCK_BYTES};

pub mod cipher;
mod syntax;
mod writer;

pub use syntax::{Class, Kind, KEEP};
pub use writer::{emit_address, Mark, Writer};

use syntax::{is_name, is_value, KINDS};

/// Why bytes cannot be parsed, or sealed attributes cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The bytes do not begin like a message.
    Foreign,
    /// The message is too long.
    TooLong,
    /// The message is neither request nor response, or has other lines than names and values.
    Malformed,
    /// The message has no sealed attributes.
    NotSealed,
    /// The sealed attributes are not base64, or this key does not open them.
    CannotOpen,
}

/// Whether a datagram is a rendezvous message; all others are FSP.
pub fn is_message(datagram: &[u8]) -> bool {
    datagram.starts_with(b"P2PNAT0")
}

/// A parsed message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request or response.
    pub class: Class,
    /// What it is about.
    pub kind: Kind,
    /// The attributes that are not sealed.
    pub clear: Attributes<'a>,
}

impl<'a> Message<'a> {
    /// Parses a datagram.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, Error> {
        if !is_message(datagram) {
            return Err(Error::Foreign);
        } else if datagram.len() > RENDEZVOUS_BYTES {
            return Err(Error::TooLong);
        }
        let text = without_nuls(datagram);
        let end = text
            .iter()
            .position(|b| *b == b'\n')
            .ok_or(Error::Malformed)?;
        let (class, name) = match text[..end].trim_ascii_end() {
            [_, _, _, _, _, _, _, b'0', b' ', name @ ..] => (Class::Request, name),
            [_, _, _, _, _, _, _, b'1', b' ', name @ ..] => (Class::Response, name),
            _ => return Err(Error::Malformed),
        };
        let known = KINDS.iter().find(|(known, _)| *known == name);
        let kind = known.map_or(Kind::Unknown, |(_, kind)| *kind);
        let clear = Attributes(&text[end + 1..]);
        if !clear.are_lines() {
            return Err(Error::Malformed);
        }
        Ok(Self { class, kind, clear })
    }
}

/// Attributes: lines of names and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The first value of an attribute; `None` also if it is empty.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        let mut pairs = self.0.split(|b| *b == b'\n').filter_map(pair);
        let (_, value) = pairs.find(|(known, _)| *known == name.as_bytes())?;
        Some(value).filter(|value| !value.is_empty())
    }

    /// The number of the transaction.
    pub fn mid(&self) -> Option<u32> {
        let digits = self.value("mid").filter(|digits| digits.len() == 8)?;
        digits.iter().try_fold(0, |number, digit| {
            Some(number << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    /// The code of a response: 200 and 201 are successes.
    pub fn code(&self) -> Option<u16> {
        let digits = self.value("code").filter(|digits| digits.len() == 3)?;
        u16::try_from(parse_decimal(digits)?).ok()
    }

    /// An address `ip:port` to which datagrams can be sent.
    pub fn address(&self, name: &str) -> Option<SocketAddrV4> {
        let address = parse_address(self.value(name)?)?;
        let ip = address.ip();
        let is_one_host = !(ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast());
        (is_one_host && address.port() != 0).then_some(address)
    }

    /// Opens the sealed attributes.
    pub fn open<'b>(
        &self,
        key: &Key,
        buffer: &'b mut [u8; SEALED_BYTES],
    ) -> Result<Attributes<'b>, Error> {
        let text = self.value("data").ok_or(Error::NotSealed)?;
        let len = cipher::decode(text, buffer)
            .filter(|len| len % BLOCK_BYTES == 0)
            .ok_or(Error::CannotOpen)?;
        key.decrypt(&mut buffer[..len]);
        let text = without_nuls(&buffer[..len]);
        let opened = Attributes(text);
        // The cipher has no authentication: only the syntax distinguishes the right key from a
        // wrong one, so the check is strict.
        if text.ends_with(b"\r\n") && opened.are_lines() {
            Ok(opened)
        } else {
            Err(Error::CannotOpen)
        }
    }

    fn are_lines(&self) -> bool {
        let line_is_good =
            |line| pair(line).is_some_and(|(name, value)| is_name(name) && is_value(value));
        let last = self.0.strip_suffix(b"\n").unwrap_or(self.0);
        last.is_empty() || last.split(|b| *b == b'\n').all(line_is_good)
    }
}

/// Parses `ip:port`.
pub fn parse_address(text: &[u8]) -> Option<SocketAddrV4> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    let last = bytes.iter().rposition(|b| *b != 0);
    &bytes[..last.map_or(0, |last| last + 1)]
}

fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.windows(2).position(|two| two == b": ");
    // `name:` with an empty value, if the blank after the colon was trimmed.
    let colon = colon.or_else(|| line.len().checked_sub(1).filter(|last| line[*last] == b':'))?;
    Some((&line[..colon], ascii::trim(&line[colon + 1..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn key() -> Key {
        Key::new(b"0123456789abcdefghijklmnopqrstuv").unwrap()
    }

    /// Sealed with openssl, see `wire::rendezvous::cipher`.
    pub(super) const REGISTRATION: &[u8] =
        b"P2PNAT00 REG\r\ncid: 0015651a2b3c\r\nmid: 00001516\r\n\
        data: lz6e42HhDtoz5FXpTcujxX4XX9JbY7kdw353VHQEaYA=\r\n";

    #[test]
    fn parses_a_sealed_registration() {
        for tail in ["", "\0", "\0\0"] {
            let datagram = [REGISTRATION, tail.as_bytes()].concat();
            let message = Message::parse(&datagram).unwrap();
            assert_eq!(
                (message.class, message.kind),
                (Class::Request, Kind::Register)
            );
            assert_eq!(
                (message.clear.value("cid"), message.clear.mid()),
                (Some(&b"0015651a2b3c"[..]), Some(0x1516))
            );
            let mut buffer = [0; SEALED_BYTES];
            let opened = message.clear.open(&key(), &mut buffer).unwrap();
            assert_eq!(opened.value("service"), Some(&b"FSP"[..]));
            assert_eq!(
                (opened.value("oid"), opened.value("ic")),
                (Some(&b"default"[..]), None)
            );
            assert_eq!(
                message.clear.open(&key().swapped(), &mut buffer),
                Err(Error::CannotOpen)
            );
        }
    }

    #[test]
    fn other_datagrams_and_malformed_messages_are_refused() {
        let parse = |text: &str| Message::parse(text.as_bytes()).map(|message| message.kind);
        assert_eq!(parse("P2PNAT00 REG\r\n"), Ok(Kind::Register));
        assert_eq!(parse("P2PNAT01 BYE\r\ncid:\r\n"), Ok(Kind::Unknown));
        for foreign in ["", "keep", "P2PNAT", "203.0.113.5:9531", "p2pnat00 REG\r\n"] {
            assert_eq!(parse(foreign), Err(Error::Foreign), "{foreign}");
        }
        for bad in [
            "P2PNAT00 REG",
            "P2PNAT02 REG\r\n",
            "P2PNAT00REG\r\n",
            "P2PNAT00 REG\r\nmid\r\n",
        ] {
            assert_eq!(parse(bad), Err(Error::Malformed), "{bad}");
        }
        for bad in [
            "P2PNAT00 REG\r\n\r\n",
            "P2PNAT00 REG\r\nmid: \x01\r\n",
            "P2PNAT00 REG\r\nm d: 1\r\n",
        ] {
            assert_eq!(parse(bad), Err(Error::Malformed), "{bad}");
        }
        let long = format!("P2PNAT00 REG\r\ncid: {}\r\n", "x".repeat(RENDEZVOUS_BYTES));
        assert_eq!(parse(&long), Err(Error::TooLong));
    }

    #[test]
    fn numbers_and_addresses_are_exact() {
        let value = |text: &'static str| Attributes(text.as_bytes());
        for bad in [
            "mid: 1516",
            "mid: 0000151g",
            "mid: +0001516",
            "mid: 000001516",
            "mid: ",
        ] {
            assert_eq!(value(bad).mid(), None, "{bad}");
        }
        for bad in ["code: 20", "code: 2000", "code: 2x0", "code: -20"] {
            assert_eq!(value(bad).code(), None, "{bad}");
        }
        assert_eq!(
            value("ed: 192.168.1.2:9531\r\n").address("ed"),
            Some("192.168.1.2:9531".parse().unwrap())
        );
        for bad in [
            "0.0.0.0:9531",
            "1.2.3.4",
            "1.2.3.4:0",
            "224.0.0.1:5",
            "255.255.255.255:5",
            "::1:5",
            "1.2.3.4:70000",
        ] {
            assert_eq!(
                Attributes(format!("ed: {bad}\r\n").as_bytes()).address("ed"),
                None,
                "{bad}"
            );
        }
        assert_eq!(
            value("a: 1\r\na: 2\r\n").value("a"),
            Some(&b"1"[..]),
            "the first counts"
        );
    }
}
