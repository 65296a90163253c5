//! Writes rendezvous messages.

use core::net::SocketAddrV4;

use crate::base::limits::rendezvous::SEALED_BYTES;
use crate::wire::rendezvous::cipher::{self, Key, BLOCK_BYTES};
use crate::wire::rendezvous::syntax::{is_value, Class, Kind, KINDS};

/// Writes a message. A message that does not fit, or a value with control characters, is an error
/// at `finish`.
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    len: usize,
    failed: bool,
}

/// The position in a message where the sealed attributes begin.
#[derive(Clone, Copy)]
pub struct Mark(usize);

impl<'a> Writer<'a> {
    /// Begins a message.
    pub fn new(buffer: &'a mut [u8], class: Class, kind: Kind) -> Self {
        let mut writer = Self {
            buffer,
            len: 0,
            failed: false,
        };
        writer.plain(if class == Class::Request {
            b"P2PNAT00 "
        } else {
            b"P2PNAT01 "
        });
        match KINDS.iter().find(|(_, known)| *known == kind) {
            Some((name, _)) => writer.plain(name),
            None => writer.failed = true,
        }
        writer.plain(b"\r\n");
        writer
    }

    /// Adds `name: value`, unless the value is empty.
    pub fn text(&mut self, name: &str, value: &[u8]) -> &mut Self {
        if !value.is_empty() {
            self.failed |= !is_value(value);
            self.name(name);
            self.plain(value);
            self.plain(b"\r\n");
        }
        self
    }

    /// Adds `name: ` with an empty value.
    pub fn blank(&mut self, name: &str) -> &mut Self {
        self.name(name);
        self.plain(b"\r\n");
        self
    }

    /// Adds the number of the transaction.
    pub fn mid(&mut self, mid: u32) -> &mut Self {
        let hex: [u8; 8] =
            core::array::from_fn(|i| b"0123456789abcdef"[(mid >> (28 - 4 * i) & 15) as usize]);
        self.text("mid", &hex)
    }

    /// Adds the code of a response.
    pub fn code(&mut self, code: u16) -> &mut Self {
        self.name("code");
        self.decimal(code);
        self.plain(b"\r\n");
        self
    }

    /// Adds `name: ip:port`.
    pub fn address(&mut self, name: &str, address: SocketAddrV4) -> &mut Self {
        self.name(name);
        self.bare_address(address);
        self.plain(b"\r\n");
        self
    }

    /// Marks the beginning of the attributes to be sealed.
    pub fn mark(&self) -> Mark {
        Mark(self.len)
    }

    /// Seals the attributes after the mark.
    pub fn seal(&mut self, mark: Mark, key: &Key) -> &mut Self {
        let mut text = [0; SEALED_BYTES];
        let plain = self.buffer.get(mark.0..self.len).unwrap_or_default();
        let len = plain.len().next_multiple_of(BLOCK_BYTES);
        match text.get_mut(..plain.len()) {
            Some(place) => place.copy_from_slice(plain),
            None => self.failed = true,
        }
        let Some(text) = text.get_mut(..len).filter(|_| !self.failed) else {
            return self;
        };
        key.encrypt(text);
        self.len = mark.0;
        self.name("data");
        let room = self.buffer.get_mut(self.len..).unwrap_or_default();
        match cipher::encode(text, room) {
            Some(len) => self.len += len,
            None => self.failed = true,
        }
        self.plain(b"\r\n");
        self
    }

    /// The length of the message, or `None` if it could not be written.
    pub fn finish(&self) -> Option<usize> {
        (!self.failed).then_some(self.len)
    }

    fn name(&mut self, name: &str) {
        self.plain(name.as_bytes());
        self.plain(b": ");
    }

    fn bare_address(&mut self, address: SocketAddrV4) {
        for (i, octet) in address.ip().octets().into_iter().enumerate() {
            self.plain(if i == 0 { b"" } else { b"." });
            self.decimal(octet.into());
        }
        self.plain(b":");
        self.decimal(address.port());
    }

    fn decimal(&mut self, number: u16) {
        let digits: [u8; 5] =
            core::array::from_fn(|i| b'0' + (number / 10u16.pow(4 - i as u32) % 10) as u8);
        let first = digits.iter().position(|d| *d != b'0').unwrap_or(4);
        self.plain(&digits[first..]);
    }

    fn plain(&mut self, bytes: &[u8]) {
        match self.buffer.get_mut(self.len..self.len + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.failed = true,
        }
    }
}

/// Writes an agent's own `ip:port`: each third keep-alive.
pub fn emit_address(buffer: &mut [u8], address: SocketAddrV4) -> Option<usize> {
    let mut writer = Writer {
        buffer,
        len: 0,
        failed: false,
    };
    writer.bare_address(address);
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{key, REGISTRATION};
    use super::super::{Error, Message};
    use super::*;

    #[test]
    fn writes_a_sealed_registration() {
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer, Class::Request, Kind::Register);
        let mark = writer.text("cid", b"0015651a2b3c").mid(0x1516).mark();
        writer
            .text("service", b"FSP")
            .text("oid", b"default")
            .text("ic", b"")
            .seal(mark, &key());
        let len = writer.finish().unwrap();
        assert_eq!(
            core::str::from_utf8(&buffer[..len]),
            core::str::from_utf8(REGISTRATION)
        );
    }

    #[test]
    fn writes_a_response_with_code_and_address() {
        let mut buffer = [0; 200];
        let mut writer = Writer::new(&mut buffer, Class::Response, Kind::Connect);
        let ped = "203.0.113.5:9531".parse().unwrap();
        let len = writer
            .mid(u32::MAX)
            .text("connid", b"c7")
            .code(200)
            .address("ped", ped)
            .finish()
            .unwrap();
        let text =
            "P2PNAT01 CON\r\nmid: ffffffff\r\nconnid: c7\r\ncode: 200\r\nped: 203.0.113.5:9531\r\n";
        assert_eq!(core::str::from_utf8(&buffer[..len]), Ok(text));
        let message = Message::parse(&buffer[..len]).unwrap();
        assert_eq!(
            (message.class, message.kind),
            (Class::Response, Kind::Connect)
        );
        assert_eq!(
            (message.clear.code(), message.clear.address("ped")),
            (Some(200), Some(ped))
        );
        assert_eq!(
            message.clear.open(&key(), &mut [0; SEALED_BYTES]),
            Err(Error::NotSealed)
        );
        let len = emit_address(&mut buffer, "10.0.0.1:7".parse().unwrap()).unwrap();
        assert_eq!(&buffer[..len], b"10.0.0.1:7");
        assert_eq!(
            emit_address(&mut buffer[..9], "10.0.0.1:7".parse().unwrap()),
            None
        );
    }

    #[test]
    fn a_message_that_cannot_be_written_is_an_error() {
        let mut buffer = [0; 60];
        let written = |writer: &Writer| writer.finish();
        assert_eq!(
            written(
                Writer::new(&mut buffer, Class::Request, Kind::Register).text("ic", b"a\r\nkey: b")
            ),
            None
        );
        assert_eq!(
            written(
                Writer::new(&mut buffer, Class::Request, Kind::Register).text("ic", &[b'x'; 50])
            ),
            None
        );
        assert_eq!(
            written(&Writer::new(&mut buffer, Class::Request, Kind::Unknown)),
            None
        );
        for room in 0..200 {
            let mut buffer = vec![0; room];
            let mut writer = Writer::new(&mut buffer, Class::Request, Kind::Register);
            let mark = writer.mid(1).mark();
            writer.text("service", &[b'F'; 40]).seal(mark, &key());
            assert_eq!(writer.finish().is_some(), room >= 29 + 6 + 88 + 2, "{room}");
        }
        let mut buffer = [0; 2 * SEALED_BYTES];
        let mut writer = Writer::new(&mut buffer, Class::Request, Kind::Register);
        let mark = writer.mark();
        assert_eq!(
            writer
                .text("service", &[b'F'; SEALED_BYTES])
                .seal(mark, &key())
                .finish(),
            None
        );
    }
}
