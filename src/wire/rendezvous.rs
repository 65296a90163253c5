//! Rendezvous messages, as the OM vendor's SDK writes them (`P2PNAT`, over UDP).
//!
//! ```text
//! P2PNAT00 REG\r\n        00 request, 01 response; REG CON FWD PING PONG NFY QRY, and BIND of our own relay
//! cid: ...\r\n            "name: value" lines; values have no control characters
//! mid: 00001516\r\n       8 lower-case hex digits, echoed by the response
//! data: <base64>\r\n      the attributes other than cid, mid, connid, code and emsg, sealed (`wire::rendezvous::cipher`)
//! ```
//! The SDK sends a NUL behind it, which nobody needs. On the same socket fly file service datagrams, whose first
//! byte is never `P`, and to the server only, the keep-alives: `keep`, or the endpoint's own `ip:port`.

use core::net::SocketAddrV4;

use crate::base::limits::rendezvous::{RENDEZVOUS_BYTES, SEALED_BYTES};
use crate::wire::rendezvous::cipher::{Key, BLOCK_BYTES};

pub mod cipher;
mod writer;

pub use writer::{emit_address, Mark, Writer};

/// The keep-alive, except for each third one.
pub const KEEP: &[u8] = b"keep";

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Class {
    Request,
    Response,
}

/// What a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An endpoint says where it is.
    Register,
    /// An endpoint asks for another one.
    Connect,
    /// The server tells the other one.
    Forward,
    /// Straight from one endpoint to the other, through both NATs.
    Ping,
    /// Its echo.
    Pong,
    /// News that need no answer.
    Notify,
    /// A question to the server.
    Query,
    /// To our relay: this is where I am.
    Bind,
    /// Anything else.
    Unknown,
}

const KINDS: [(&[u8], Kind); 8] = [
    (b"REG", Kind::Register),
    (b"CON", Kind::Connect),
    (b"FWD", Kind::Forward),
    (b"PING", Kind::Ping),
    (b"PONG", Kind::Pong),
    (b"NFY", Kind::Notify),
    (b"QRY", Kind::Query),
    (b"BIND", Kind::Bind),
];

/// Why bytes are no message, or cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Not this protocol.
    Foreign,
    /// Longer than any message.
    TooLong,
    /// Neither request nor response, or no lines of names and values.
    Malformed,
    /// Nothing is sealed.
    Clear,
    /// What is sealed is no base64, or does not open with this key.
    Sealed,
}

/// `true` for datagrams that are rendezvous messages: all others belong to the file service.
pub fn is_message(datagram: &[u8]) -> bool {
    datagram.starts_with(b"P2PNAT0")
}

/// A message, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which way it goes.
    pub class: Class,
    /// What it is about.
    pub kind: Kind,
    /// What stands in clear.
    pub clear: Attributes<'a>,
}

impl<'a> Message<'a> {
    /// Takes a datagram apart.
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
        let kind = KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or(Kind::Unknown, |(_, kind)| *kind);
        let clear = Attributes(&text[end + 1..]);
        clear
            .are_lines()
            .then_some(Self { class, kind, clear })
            .ok_or(Error::Malformed)
    }
}

/// Lines of names and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// The first value of a name; `None` also when it is empty.
    pub fn value(&self, name: &str) -> Option<&'a [u8]> {
        let pairs = self.0.split(|b| *b == b'\n').filter_map(pair);
        pairs
            .filter(|(known, _)| *known == name.as_bytes())
            .map(|(_, value)| value)
            .next()
            .filter(|v| !v.is_empty())
    }

    /// The message's number.
    pub fn mid(&self) -> Option<u32> {
        let digits = self.value("mid").filter(|digits| digits.len() == 8)?;
        digits.iter().try_fold(0, |number, digit| {
            Some(number << 4 | char::from(*digit).to_digit(16)?)
        })
    }

    /// The answer's code: 200 and 201 are good.
    pub fn code(&self) -> Option<u16> {
        let digits = self.value("code").filter(|digits| digits.len() == 3)?;
        digits.iter().try_fold(0, |number, digit| {
            Some(number * 10 + char::from(*digit).to_digit(10)? as u16)
        })
    }

    /// An address `ip:port` that something could be sent to.
    pub fn address(&self, name: &str) -> Option<SocketAddrV4> {
        let address = parse_address(self.value(name)?)?;
        let ip = address.ip();
        let nobody =
            ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || address.port() == 0;
        (!nobody).then_some(address)
    }

    /// Opens what is sealed.
    pub fn open<'b>(
        &self,
        key: &Key,
        buffer: &'b mut [u8; SEALED_BYTES],
    ) -> Result<Attributes<'b>, Error> {
        let text = self.value("data").ok_or(Error::Clear)?;
        let len = cipher::decode(text, buffer)
            .filter(|len| len % BLOCK_BYTES == 0)
            .ok_or(Error::Sealed)?;
        key.decrypt(&mut buffer[..len]);
        let text = without_nuls(&buffer[..len]);
        let opened = Attributes(text);
        // This is all that tells a right key from a wrong one, so nothing is forgiven.
        (text.ends_with(b"\r\n") && opened.are_lines())
            .then_some(opened)
            .ok_or(Error::Sealed)
    }

    fn are_lines(&self) -> bool {
        let line_is_good =
            |line| pair(line).is_some_and(|(name, value)| is_name(name) && is_value(value));
        let last = self.0.strip_suffix(b"\n").unwrap_or(self.0);
        last.is_empty() || last.split(|b| *b == b'\n').all(line_is_good)
    }
}

/// `ip:port`, as the protocol writes it.
pub fn parse_address(text: &[u8]) -> Option<SocketAddrV4> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn without_nuls(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes
        .iter()
        .rposition(|b| *b != 0)
        .map_or(0, |last| last + 1)]
}

fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon = line.windows(2).position(|two| two == b": ");
    // `name:` with nothing behind it, if somebody has cut the blank.
    let colon = colon.or_else(|| line.len().checked_sub(1).filter(|last| line[*last] == b':'))?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

fn is_value(value: &[u8]) -> bool {
    value.iter().all(|b| *b >= b' ' && *b != 0x7F)
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
    fn takes_a_sealed_registration_apart() {
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
                Err(Error::Sealed)
            );
        }
    }

    #[test]
    fn what_is_no_message_is_told_apart() {
        let parse = |text: &str| Message::parse(text.as_bytes()).map(|m| m.kind);
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
