//! A player in virtual time, with a stick in memory, and a receiver that checks what it hears.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::BTreeMap;

use callrec::base::limits::DATAGRAM_BYTES;
use callrec::base::time::{Duration, Instant};
use callrec::proto::playback::state::{
    PlayError, PlayRequest, PlayerCall, PlayerEvent, PlayerState,
};
use callrec::proto::playback::Player;
use callrec::proto::recorder::outbox::ClientId;
use callrec::wire::control::Text;
use callrec::wire::g711::Law;
use callrec::wire::recording::probe::{Head, HEAD_BYTES};
use callrec::wire::recording::{Codec, Header};
use callrec::wire::rtp::Packet;

use crate::packets::Random;

pub const BEGIN: Instant = Instant::from_nanos(1_000_000_123);
pub const FIRST: &str = "Record_20260101_100000.wav";

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The payload of a recording's frame.
pub fn audio(frame: usize) -> Vec<u8> {
    (0..160)
        .map(|i| [frame, frame >> 8, i * 7][i.min(2)] as u8)
        .collect()
}

pub fn header(rtp_len: u32, big_endian: bool, frames: usize) -> Vec<u8> {
    let data_size = rtp_len * frames as u32;
    Header {
        codec: Codec::G711(Law::A),
        rtp_len,
        increment: 160,
        data_size,
        big_endian,
    }
    .emit()
    .to_vec()
}

/// A part: `frames` of a recording from number `from` on.
pub fn part(ssrc: u32, from: usize, frames: usize) -> Vec<u8> {
    let mut bytes = header(172, false, frames);
    for frame in from..from + frames {
        let (sequence, timestamp) = (frame as u16, frame as u32 * 160);
        let packet = Packet {
            marker: false,
            payload_type: 8,
            sequence,
            timestamp,
            ssrc,
            payload: &[],
        };
        bytes.extend(packet.emit_header());
        bytes.extend(audio(frame));
    }
    bytes
}

/// A player, its stick and its receiver.
pub struct Stage {
    pub player: Player,
    pub files: BTreeMap<String, Vec<u8>>,
    pub open: Option<String>,
    pub search: Vec<String>,
    pub now: Instant,
    /// How late the loop wakes, at the most.
    pub lateness: u64,
    /// How long each read takes.
    pub read_takes: Duration,
    pub sent: Vec<(Instant, Vec<u8>)>,
    pub changes: Vec<PlayerEvent>,
    pub longest_read: usize,
}

impl Stage {
    pub fn new(files: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Self {
        Self {
            player: Player::new(),
            files: files
                .into_iter()
                .map(|(name, bytes)| (name.to_owned(), bytes))
                .collect(),
            open: None,
            search: vec![],
            now: BEGIN,
            lateness: 0,
            read_takes: Duration::ZERO,
            sent: vec![],
            changes: vec![],
            longest_read: 0,
        }
    }

    pub fn begin(&mut self, position_ms: u32) {
        let file = Text::from_slice(FIRST.as_bytes()).unwrap();
        let start = PlayRequest {
            file,
            to: "127.0.0.1:9".parse().unwrap(),
            position_ms,
        };
        self.player
            .begin(ClientId(1), 5, start, [0xAABB_CCDD, 0x1234_FFF0]);
        self.search = self
            .files
            .keys()
            .filter(|name| name.as_str() != FIRST)
            .rev()
            .cloned()
            .collect();
    }

    pub fn playing(files: impl IntoIterator<Item = (&'static str, Vec<u8>)>) -> Self {
        let mut stage = Self::new(files);
        stage.begin(0);
        stage.run_for(Duration::ZERO);
        assert_eq!(stage.changes, [PlayerEvent::Started(ClientId(1))]);
        stage
    }

    pub fn head(&self, name: &str) -> Option<Head> {
        let bytes = self.files.get(name)?;
        Head::parse(&bytes[..bytes.len().min(HEAD_BYTES)], bytes.len() as u64).ok()
    }

    pub fn turn(&mut self) {
        let mut packet = [0; DATAGRAM_BYTES];
        while let Some(len) = self.player.poll_packet(self.now, &mut packet) {
            self.sent.push((self.now, packet[..len].to_vec()));
        }
        match self.player.next_call() {
            None => {}
            Some(PlayerCall::Head(name, _)) => {
                let name = String::from_utf8(name.to_vec()).unwrap();
                let head = self.head(&name).ok_or(PlayError::NoRecording);
                self.open = Some(name);
                self.player.handle_head(self.now, head);
            }
            Some(PlayerCall::Link(_)) => match self.search.pop() {
                Some(name) => {
                    let head = self.head(&name);
                    if !self.player.handle_candidate(name.as_bytes(), head) {
                        self.search.clear();
                    }
                }
                None => self.player.handle_last_candidate(self.now),
            },
            Some(PlayerCall::Part(name)) => {
                let name = String::from_utf8(name.to_vec()).unwrap();
                let opened = self.head(&name).map(|_| ()).ok_or(PlayError::NoFile);
                self.open = Some(name);
                self.player.handle_part(opened);
            }
            Some(PlayerCall::Read(offset, buffer)) => {
                let bytes = &self.files[self.open.as_ref().unwrap()];
                let bytes = bytes.get(offset as usize..).unwrap_or_default();
                let len = bytes.len().min(buffer.len());
                buffer[..len].copy_from_slice(&bytes[..len]);
                self.longest_read = self.longest_read.max(buffer.len());
                self.now = self.now + self.read_takes;
                self.player.handle_read(len);
            }
        }
        self.changes.extend(self.player.take_change());
    }

    pub fn run_until(&mut self, until: Instant) {
        let mut random = Random(1);
        while self.player.next_deadline() <= until {
            let deadline = self.player.next_deadline();
            let late = match self.lateness {
                0 => 0,
                most => random.below(most),
            };
            self.now = self.now.max(deadline + Duration::from_nanos(late));
            self.turn();
        }
        self.now = self.now.max(until);
    }

    pub fn run_for(&mut self, length: Duration) {
        self.run_until(self.now + length);
    }

    /// Runs until it has ended; the numbers of the frames that were sent.
    pub fn run_out(&mut self) -> Vec<usize> {
        for _ in 0..1_000_000 {
            if matches!(self.player.state(), PlayerState::Free(_)) {
                return self.numbers();
            }
            self.run_for(ms(1000));
        }
        panic!("it does not end");
    }

    /// Which frames were sent. Checks that it is one stream: sequence +1, timestamps by the time of
    /// sending.
    pub fn numbers(&self) -> Vec<usize> {
        let packets: Vec<Packet> = self
            .sent
            .iter()
            .map(|(_, bytes)| Packet::parse(bytes).unwrap())
            .collect();
        for (one, two) in packets.iter().zip(packets.iter().skip(1)) {
            assert_eq!(
                (two.sequence, two.ssrc),
                (one.sequence.wrapping_add(1), one.ssrc)
            );
            assert_eq!(two.payload_type, 8);
        }
        for (two, (one_at, two_at)) in packets
            .iter()
            .skip(1)
            .zip(self.sent.iter().zip(self.sent.iter().skip(1)))
        {
            let since_first = two.timestamp.wrapping_sub(packets[0].timestamp);
            let elapsed = two_at.0.since(self.sent[0].0).nanos() / 125_000;
            assert!(
                elapsed.abs_diff(u64::from(since_first)) <= 8 * (self.lateness / 1_000_000 + 1),
                "{one_at:?}"
            );
        }
        let known: BTreeMap<Vec<u8>, usize> =
            (0..6000).map(|frame| (audio(frame), frame)).collect();
        packets.iter().map(|packet| known[packet.payload]).collect()
    }

    pub fn markers(&self) -> Vec<usize> {
        let marked = |(_, bytes): &(Instant, Vec<u8>)| Packet::parse(bytes).unwrap().marker;
        self.sent
            .iter()
            .zip(0..)
            .filter(|(packet, _)| marked(packet))
            .map(|(_, n)| n)
            .collect()
    }
}
