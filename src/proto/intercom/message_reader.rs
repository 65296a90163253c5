//! The messages of one connection, and the limits beyond which it is closed.

use crate::base::time::{Duration, Instant};
use crate::wire::ascii;
use crate::wire::intercom::frames::FrameReader;
use crate::wire::intercom::{parse, Message};

const SECOND: Duration = Duration::from_millis(1000);
/// Messages that a connection may send in a second: deployed peers send one in three seconds.
const MESSAGES_A_SECOND: u32 = 64;
/// So many frames in a row that are no messages: the peer does not speak this protocol.
const BAD_IN_A_ROW: u32 = 10;
/// So many bytes of empty frames without a message: a peer that only costs time.
const EMPTY_BYTES: usize = 64 << 10;

/// What the connection has brought.
#[derive(Debug)]
#[allow(clippy::large_enum_variant)] // lives on the stack for one turn
pub enum Received {
    /// A message. `Message::Unknown` is to be counted.
    Message(Message),
    /// A frame that is no message; to be counted.
    Bad,
    /// More bytes are needed.
    Nothing,
    /// The connection must be closed.
    Broken(Broken),
}

/// Why a connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// A message is longer than `FRAME_BYTES`.
    TooLong,
    /// More than 64 messages within a second.
    TooFast,
    /// Ten frames in a row were no messages, or 64 KiB were empty frames.
    NoMessages,
}

impl Broken {
    /// For the log.
    pub fn words(self) -> &'static str {
        match self {
            Self::TooLong => "a message of more than 10240 bytes",
            Self::TooFast => "more than 64 messages in a second",
            Self::NoMessages => "no messages of this protocol",
        }
    }
}

/// The reader of one connection.
#[derive(Clone, Debug)]
pub struct MessageReader {
    frames: FrameReader,
    second_began_at: Instant,
    in_second: u32,
    bad_in_a_row: u32,
    empty_bytes: usize,
}

impl MessageReader {
    /// A connection begins.
    pub fn new() -> Self {
        Self {
            frames: FrameReader::new(),
            second_began_at: Instant::default(),
            in_second: 0,
            bad_in_a_row: 0,
            empty_bytes: 0,
        }
    }

    /// Discards everything: another connection begins. Nothing is allocated.
    pub fn clear(&mut self) {
        self.frames.clear();
        self.in_second = 0;
        self.bad_in_a_row = 0;
        self.empty_bytes = 0;
    }

    /// Where the next bytes of the connection are to be read to.
    pub fn space(&mut self) -> &mut [u8] {
        self.frames.space()
    }

    /// So many bytes were read into `space`.
    pub fn advance(&mut self, count: usize) {
        self.frames.advance(count);
    }

    /// The next message, which was received by `now`.
    pub fn next_message(&mut self, now: Instant) -> Received {
        loop {
            let frame = match self.frames.next_frame() {
                Err(_) => return Received::Broken(Broken::TooLong),
                Ok(None) => return Received::Nothing,
                Ok(Some(frame)) => frame,
            };
            let text = ascii::trim(frame);
            if text.is_empty() {
                self.empty_bytes += frame.len() + 1;
                if self.empty_bytes > EMPTY_BYTES {
                    return Received::Broken(Broken::NoMessages);
                }
                continue;
            }
            let parsed = parse(text);
            self.empty_bytes = 0;
            if !self.is_within_rate(now) {
                return Received::Broken(Broken::TooFast);
            }
            return self.judge(parsed.ok());
        }
    }

    fn judge(&mut self, message: Option<Message>) -> Received {
        if let Some(message) = message {
            self.bad_in_a_row = 0;
            return Received::Message(message);
        }
        self.bad_in_a_row += 1;
        if self.bad_in_a_row >= BAD_IN_A_ROW {
            Received::Broken(Broken::NoMessages)
        } else {
            Received::Bad
        }
    }

    fn is_within_rate(&mut self, now: Instant) -> bool {
        if self.in_second == 0 || now.since(self.second_began_at) >= SECOND {
            self.second_began_at = now;
            self.in_second = 0;
        }
        self.in_second += 1;
        self.in_second <= MESSAGES_A_SECOND
    }
}

impl Default for MessageReader {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP: &[u8] = b"{\"name\":\"call_keep\"}\0";

    /// What comes of these bytes, all at `at`.
    fn feed(reader: &mut MessageReader, at: Instant, bytes: &[u8]) -> (usize, Option<Broken>) {
        let mut messages = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let space = reader.space();
            let count = space.len().min(rest.len());
            space[..count].copy_from_slice(&rest[..count]);
            reader.advance(count);
            rest = &rest[count..];
            loop {
                match reader.next_message(at) {
                    Received::Message(_) => messages += 1,
                    Received::Bad => {}
                    Received::Nothing => break,
                    Received::Broken(why) => return (messages, Some(why)),
                }
            }
        }
        (messages, None)
    }

    #[test]
    fn sixty_four_messages_a_second_are_accepted_and_not_one_more() {
        let mut reader = MessageReader::new();
        let mut at = Instant::default();
        for _ in 0..3 {
            assert_eq!(feed(&mut reader, at, &KEEP.repeat(64)), (64, None));
            at = at + SECOND;
        }
        let one_too_many = feed(&mut reader, at, &KEEP.repeat(65));
        assert_eq!(one_too_many, (64, Some(Broken::TooFast)));
    }

    #[test]
    fn the_tenth_bad_frame_in_a_row_breaks_the_connection() {
        let at = Instant::default();
        let nine = b"x\0".repeat(9);
        let mut reader = MessageReader::new();
        assert_eq!(feed(&mut reader, at, &nine), (0, None));
        assert_eq!(feed(&mut reader, at, KEEP), (1, None));
        assert_eq!(feed(&mut reader, at, &nine), (0, None));
        assert_eq!(
            feed(&mut reader, at, b"[]\0"),
            (0, Some(Broken::NoMessages))
        );
    }

    #[test]
    fn empty_frames_are_no_messages_but_cost_patience() {
        let at = Instant::default();
        let mut reader = MessageReader::new();
        assert_eq!(feed(&mut reader, at, &vec![0; EMPTY_BYTES]), (0, None));
        assert_eq!(feed(&mut reader, at, KEEP), (1, None));
        assert_eq!(
            feed(&mut reader, at, &b" \0".repeat(EMPTY_BYTES / 2)),
            (0, None)
        );
        assert_eq!(feed(&mut reader, at, b"\0"), (0, Some(Broken::NoMessages)));
    }

    #[test]
    fn an_endless_frame_breaks_the_connection() {
        let mut reader = MessageReader::new();
        let broken = feed(&mut reader, Instant::default(), &[b'x'; 20_000]);
        assert_eq!(broken, (0, Some(Broken::TooLong)));
    }
}
