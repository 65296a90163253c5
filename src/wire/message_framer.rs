//! Splits a stream of bytes into messages that need not have terminators.
//!
//! The protocol of the recording server has no framing of its own, so a message ends at LF, CR or
//! NUL, where the next message begins, at the end of the stream, or when nothing is received for
//! `MESSAGE_SILENCE`. The next message begins at a `cmd=` inside a value: a value cannot contain
//! `=`, which is written `%3D`. After a `&`, `cmd=` is a repeated key of the same message.

use crate::base::limits::MESSAGE_BYTES;
use crate::wire::ascii;

/// Space for the beginning of the next message, which marks the end of the longest message.
const NEXT_BYTES: usize = 16;

/// A message that is too long. The beginning of the next message is unknown: the connection must be
/// closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The message framer of one connection.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    buffer: heapless::Vec<u8, { MESSAGE_BYTES + NEXT_BYTES }>,
    /// This many bytes at the beginning of the buffer have been returned.
    taken: usize,
    /// Where the current value begins; `None` in a key.
    value_at: Option<usize>,
}

impl Reader {
    /// A connection begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Discards everything: a new connection begins.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.taken = 0;
        self.value_at = None;
    }

    /// Consumes `bytes` up to the end of the first message, and returns this message, which is
    /// never blank. `None`: all bytes were consumed, and the message has not ended yet. Call it
    /// until it returns `None`.
    pub fn next(&mut self, bytes: &mut &[u8]) -> Option<Result<&[u8], TooLong>> {
        self.forget_taken();
        let end = loop {
            let (byte, rest) = bytes.split_first()?;
            *bytes = rest;
            if let Some(end) = self.put(*byte) {
                break end;
            }
        };
        self.give(end)
    }

    /// The stream has ended, or nothing was received for `MESSAGE_SILENCE`: the buffered bytes are
    /// a message.
    pub fn finish(&mut self) -> Option<Result<&[u8], TooLong>> {
        self.forget_taken();
        self.give(self.buffer.len())
    }

    /// Part of a message is buffered: if nothing is received for `MESSAGE_SILENCE`, call `finish`.
    pub fn is_waiting(&self) -> bool {
        !ascii::trim(&self.buffer[self.taken..]).is_empty()
    }

    /// Buffers a byte; returns the end of the message if this byte ends it.
    fn put(&mut self, byte: u8) -> Option<usize> {
        let len = self.buffer.len();
        let next_at = match byte {
            b'\n' | b'\r' | 0 if self.is_waiting() => return Some(len),
            b'\n' | b'\r' | 0 => {
                self.clear();
                return None;
            }
            b'&' => {
                self.value_at = None;
                None
            }
            b'=' => match self.value_at {
                Some(at) => self.buffer[at..]
                    .trim_ascii_end()
                    .strip_suffix(b"cmd")
                    .map(|value| at + value.len()),
                None => {
                    self.value_at = Some(len + 1);
                    None
                }
            },
            _ => None,
        };
        match self.buffer.push(byte) {
            Ok(()) => next_at,
            Err(_) => Some(len),
        }
    }

    fn give(&mut self, end: usize) -> Option<Result<&[u8], TooLong>> {
        self.taken = end;
        if end > MESSAGE_BYTES {
            self.clear();
            return Some(Err(TooLong));
        }
        let message = &self.buffer[..end];
        (!ascii::trim(message).is_empty()).then_some(Ok(message))
    }

    /// Removes the returned message; what remains is the `cmd=` of the next message, or nothing.
    fn forget_taken(&mut self) {
        if self.taken > 0 {
            let left = self.buffer.len() - self.taken;
            self.buffer.copy_within(self.taken.., 0);
            self.buffer.truncate(left);
            self.taken = 0;
            self.value_at = (left > 0).then_some(left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::control::Message;

    /// The messages of the source document, with values of every kind in them.
    const DOCUMENTED: [&str; 6] = [
        "cmd=RecordStartRequest&id=1414468562&device=0c383e000001&remote_number=100&remote_name=Ann Müller\
         &local_number=200&local_name=&dir=in&codec=PCMU",
        "cmd=RecordStartResponse&id=1414468562&result=success&reason=&server=10.0.0.9&port =40000",
        "cmd=RecordStartResponse&id=7&result=failed&reason=no license&server=&port=",
        " cmd = RecordStopRequest & id = 7 & remote_name = x%26cmd%3DRecordStopRequest & subcmd=1 & local_name = ../..",
        "id=7&id=8&unknown&=&cmd=RecordStopResponse&cmd=Second&result=success",
        "cmd=RecordStopRequest&id=1414468562&reason=\u{6f22}\u{5b57} cmd",
    ];

    /// What comes out when these pieces go in, one after the other, and the stream then ends.
    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut reader = Reader::new();
        let mut messages = vec![];
        let text = |message: Result<&[u8], TooLong>| match message {
            Ok(bytes) => String::from_utf8(bytes.trim_ascii().to_vec()).unwrap(),
            Err(TooLong) => "TOO LONG".into(),
        };
        for piece in pieces {
            let mut bytes = *piece;
            while let Some(message) = reader.next(&mut bytes) {
                messages.push(text(message));
            }
            assert!(bytes.is_empty());
        }
        messages.extend(reader.finish().map(text));
        assert!(!reader.is_waiting() && reader.finish().is_none());
        messages
    }

    #[test]
    fn every_message_is_whole_however_it_is_cut() {
        for message in DOCUMENTED {
            for end in ["", "\n", "\r\n", "\0", "\r", "\n\n \n"] {
                let bytes = [message, end].concat().into_bytes();
                for cut in 0..=bytes.len() {
                    assert_eq!(
                        read(&[&bytes[..cut], &bytes[cut..]]),
                        [message.trim()],
                        "{cut} {end:?}"
                    );
                }
                let single: Vec<&[u8]> = bytes.chunks(1).collect();
                assert_eq!(read(&single), [message.trim()], "{end:?}");
            }
        }
    }

    #[test]
    fn several_in_one_piece_are_told_apart() {
        for end in ["", "\n", "\r\n", "\0", " "] {
            // Without an end only a message that begins with cmd can be told from the one before
            // it.
            let begins_with_cmd = |message: &&str| {
                message.trim().starts_with("cmd") || !end.trim_matches(' ').is_empty()
            };
            let messages: Vec<&str> = DOCUMENTED.into_iter().filter(begins_with_cmd).collect();
            let bytes = messages.join(end).into_bytes();
            let expected: Vec<&str> = messages.iter().map(|message| message.trim()).collect();
            for cut in 0..=bytes.len() {
                assert_eq!(
                    read(&[&bytes[..cut], &bytes[cut..]]),
                    expected,
                    "{cut} {end:?}"
                );
            }
        }
    }

    #[test]
    fn a_message_begins_at_a_cmd_that_is_no_key_of_another() {
        for (bytes, expected) in [
            ("cmd=A&id=1cmd=B&id=2", &["cmd=A&id=1", "cmd=B&id=2"][..]),
            ("cmd=A&id=1 cmd =B", &["cmd=A&id=1", "cmd =B"]),
            ("cmd=Acmd=Bcmd=C", &["cmd=A", "cmd=B", "cmd=C"]),
            ("cmd=cmd=A", &["cmd=", "cmd=A"]),
            ("cmd=A&cmd=B&xcmd=1& cmd=C", &["cmd=A&cmd=B&xcmd=1& cmd=C"]),
            ("cmd=A&name=a=b=c", &["cmd=A&name=a=b=c"]),
            (
                "cmd=A&name=x%26cmd%3DB&path=../..",
                &["cmd=A&name=x%26cmd%3DB&path=../.."],
            ),
            ("xcmd=A", &["xcmd=A"]),
            ("\r\n \0\n", &[]),
        ] {
            assert_eq!(read(&[bytes.as_bytes()]), expected, "{bytes}");
        }
    }

    #[test]
    fn silence_ends_a_message_and_the_next_one_is_heard() {
        let mut reader = Reader::new();
        assert!(
            reader.next(&mut &b" \t"[..]).is_none() && !reader.is_waiting(),
            "blanks are nothing to wait for"
        );
        assert!(
            reader
                .next(&mut &b"cmd=RecordStopRequest&id=5"[..])
                .is_none()
                && reader.is_waiting()
        );
        assert_eq!(
            reader.finish(),
            Some(Ok(&b" \tcmd=RecordStopRequest&id=5"[..]))
        );
        assert!(!reader.is_waiting());
        let mut bytes = &b"cmd=B&id=6\n"[..];
        let message = reader.next(&mut bytes).unwrap().unwrap();
        assert_eq!(
            Message::parse(message).unwrap().number::<u32>("id"),
            Some(Ok(6))
        );
    }

    #[test]
    fn the_longest_message_is_read_and_a_longer_one_is_an_error() {
        for length in [
            MESSAGE_BYTES - 1,
            MESSAGE_BYTES,
            MESSAGE_BYTES + 1,
            MESSAGE_BYTES + NEXT_BYTES + 1,
            65_536,
        ] {
            let long = format!("cmd=A&name={}", "x".repeat(length - 11));
            for end in ["", "\n", "cmd=B"] {
                let messages = read(&[long.as_bytes(), end.as_bytes()]);
                let fits = length <= MESSAGE_BYTES;
                assert_eq!(messages[0] == long, fits, "{length} {end:?}");
                assert_eq!(
                    messages.contains(&"TOO LONG".to_owned()),
                    !fits,
                    "{length} {end:?}"
                );
            }
        }
    }
}
