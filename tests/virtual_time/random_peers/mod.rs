//! Peers of the intercom that send whatever comes to their minds: messages in any order and form,
//! garbage between them, all of it cut into pieces anywhere.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use callrec::base::time::Instant;
use callrec::proto::intercom::message_reader::{Broken, MessageReader, Received};
use callrec::wire::intercom::{emit, Message, FRAME_BYTES};

/// xorshift64*.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % end
    }

    pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// True once in so many times.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// What deployed peers send (spec, section 9).
const DEPLOYED: [&str; 8] = [
    "{\n   \"id\" : \"\",\n   \"name\" : \"call_accept\"\n}\n",
    r#"{"id":"","name":"call_reject","values":{"code":3,"message":"no app online"}}"#,
    r#"{"id":"","name":"call_keep","values":{"sid":""}}"#,
    r#"{"name":"call_end"}"#,
    r#"{"name":"open_door","values":[]}"#,
    r#"{"name":"call_in","values":{"src":{"id":"2-1-1","type":"3","video_stream_id":5678},"dest":{"ip":"11.0.1.22","port":"7892","type":1,"audiostreamid":5679}}}"#,
    r#"{"id":"","name":"emergency","values":{"port":3,"name":"\u70df\u611f","message":""}}"#,
    r#"{"name":"join_family","values":{"token":"","id":"","type":""}}"#,
];

/// One end of a connection.
pub struct Peer {
    /// What it will send, and how much of it has come.
    bytes: Vec<u8>,
    arrived: usize,
    reader: MessageReader,
}

impl Peer {
    /// One that sends some of what `message` makes, and worse.
    pub fn new(random: &mut Random, mut message: impl FnMut(&mut Random) -> Message) -> Self {
        let mut bytes = vec![];
        for _ in 0..random.below(12) {
            match random.below(20) {
                0..=13 => bytes.extend(frame(&message(random))),
                14..=16 => {
                    bytes.extend(random.pick(&DEPLOYED).as_bytes());
                    bytes.push(0);
                }
                _ => {
                    let nearly = frame(&message(random));
                    garbage(random, &nearly, &mut bytes);
                }
            }
        }
        Self {
            bytes,
            arrived: 0,
            reader: MessageReader::new(),
        }
    }

    /// The same after a first message.
    pub fn after(mut self, first: &Message) -> Self {
        self.bytes.splice(..0, frame(first));
        self
    }

    pub fn is_done(&self) -> bool {
        self.arrived == self.bytes.len()
    }

    /// The next piece arrives; what it brings.
    pub fn receive(&mut self, random: &mut Random, now: Instant) -> Vec<Brought> {
        let most = random.pick(&[1, 7, 100, 1000, 20_000]);
        let space = self.reader.space();
        let count = (1 + random.below(most))
            .min(self.bytes.len() - self.arrived)
            .min(space.len());
        space[..count].copy_from_slice(&self.bytes[self.arrived..][..count]);
        self.arrived += count;
        self.reader.advance(count);
        let mut brought = vec![];
        loop {
            match self.reader.next_message(now) {
                Received::Message(message) => brought.push(Brought::Message(Box::new(message))),
                Received::Bad => brought.push(Brought::Bad),
                Received::Broken(why) => brought.push(Brought::Broken(why)),
                Received::Nothing => return brought,
            }
            if matches!(brought.last(), Some(Brought::Broken(_))) {
                return brought;
            }
        }
    }
}

/// What a piece of a connection has brought.
pub enum Brought {
    Message(Box<Message>),
    Bad,
    /// The connection is to be closed.
    Broken(Broken),
}

fn frame(message: &Message) -> Vec<u8> {
    let mut buffer = [0; FRAME_BYTES + 1];
    let len = emit(message, 1, &mut buffer).unwrap();
    buffer[..len].to_vec()
}

/// Something that is no message, or nearly one.
fn garbage(random: &mut Random, frame: &[u8], bytes: &mut Vec<u8>) {
    let cut = random.below(frame.len());
    match random.below(40) {
        0..=7 => bytes.extend(&frame[..cut]),
        8..=15 => {
            let mut broken = frame.to_vec();
            broken[cut] ^= 1 << random.below(8);
            bytes.extend(broken);
        }
        16..=23 => bytes.extend((0..cut).map(|_| random.below(256) as u8)),
        24..=27 => bytes.extend(b"\0 \n\0\0"),
        28..=30 => bytes.extend(b"[]\0{}\0null\0\"call_end\"\0"),
        31..=33 => {
            let depth = 1 + random.below(12);
            bytes.extend(b"{\"a\":".repeat(depth));
            bytes.extend(b"1");
            bytes.extend(b"}".repeat(depth));
            bytes.push(0);
        }
        34..=36 => bytes.extend(b"x\0".repeat(1 + random.below(11))),
        37 => bytes.extend(b"{\"name\":\"call_keep\"}\0".repeat(60 + random.below(10))),
        38 => bytes.extend(vec![b' '; FRAME_BYTES - 40 + random.below(80)]),
        _ => bytes.extend(vec![b'x'; 11 << 10]),
    }
}
