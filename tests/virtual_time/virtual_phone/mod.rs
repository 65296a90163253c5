//! A phone in virtual time: the real `Recorder`, driven as the event loop drives it, with a stick
//! that lives in memory and can stall, fail, fill up and lose power. An hour passes in a second.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::VecDeque;

pub mod calls;
mod devices;
pub mod legs;
mod media;
pub mod server;
mod sockets;
mod stick;

use devices::VirtualDevices;

pub use crate::packets::*;
pub use media::*;
pub use sockets::*;
pub use stick::*;

use callrec::base::limits::MESSAGE_BYTES;
use callrec::base::time::{Duration, Instant};
use callrec::proto::recorder::outbox::ClientId;
use callrec::proto::recorder::request::Sink;
use callrec::proto::recorder::turn;
use callrec::proto::recorder::{Recorder, Settings};
use callrec::wire::g711::Law;
use callrec::wire::recording::{Header, HEADER_BYTES};
use callrec::wire::rtp::Packet;

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn settings() -> Settings {
    Settings {
        enabled: true,
        sink: Sink::Local,
        law: Law::Mu,
        limit: 0,
        reserve: 1 << 20,
        cover: false,
        rtp_header: true,
        pause_is_silence: false,
        max_recordings: 2,
        max_frames: 0,
        idle_frames: 0,
        device: "0c383e000001".try_into().unwrap(),
        server: None,
    }
}

pub struct Phone {
    pub recorder: Recorder,
    pub stick: Stick,
    pub server: server::Server,
    pub now: Instant,
    pub wakeups: u64,
    /// Those of each place.
    pub sockets: Vec<VirtualSockets>,
    /// Control lines to come.
    lines: VecDeque<(Instant, String)>,
    pub events: Vec<String>,
    pub answers: Vec<String>,
    next_port: u16,
}

impl Phone {
    pub fn new(settings: Settings) -> Self {
        let mut recorder = Recorder::new(settings);
        let now = Instant::from_nanos(3_600_000_000_000);
        recorder.handle_stick(
            now,
            Some(heapless::Vec::from_slice(b"/mnt/usb").unwrap()),
            1 << 30,
        );
        let stick = Stick::new(recorder.slots());
        let (lines, events, answers) = (VecDeque::new(), vec![], vec![]);
        let places = 0..recorder.slots();
        let sockets = places.map(|_| VirtualSockets::new(now)).collect();
        let server = server::Server::new(server::Manner::Accepts);
        let (wakeups, next_port) = (0, 41000);
        let mut phone = Self {
            recorder,
            stick,
            server,
            now,
            wakeups,
            sockets,
            lines,
            events,
            answers,
            next_port,
        };
        phone.deliver();
        phone
    }

    /// One control line; its answer if it has come by the end of the turn.
    pub fn request(&mut self, line: &str) -> Option<String> {
        let before = self.answers.len();
        self.request_at(self.now, line);
        while self.turn() {}
        self.answers.get(before).cloned()
    }

    /// A control line that a client will write at this time.
    pub fn request_at(&mut self, at: Instant, line: &str) {
        self.lines.push_back((at, line.into()));
    }

    /// Starts a recording; its id.
    pub fn start(&mut self, keys: &str) -> u32 {
        let answer = self
            .request(&format!("cmd=RecordStartRequest{keys}"))
            .expect("an answer");
        value(&answer, "id")
            .unwrap_or_else(|| panic!("{answer}"))
            .parse()
            .unwrap()
    }

    pub fn stop(&mut self, id: u32) -> String {
        self.request(&format!("cmd=RecordStopRequest&id={id}"))
            .expect("an answer")
    }

    /// Packets to come for the recording in place 0.
    pub fn send(&mut self, packets: impl IntoIterator<Item = Arriving>) {
        self.send_to(0, packets);
    }

    /// Packets to come for the recording in this place.
    pub fn send_to(&mut self, place: usize, packets: impl IntoIterator<Item = Arriving>) {
        self.sockets[place].send(packets);
    }

    /// Lives on until `until`, waking as the loop would.
    pub fn run_until(&mut self, until: Instant) {
        while self.now < until {
            let wake = self
                .recorder
                .next_deadline(self.now)
                .into_iter()
                .chain(self.server.next_at(self.now));
            let told = self
                .lines
                .front()
                .map(|(at, _)| *at)
                .into_iter()
                .chain(self.sockets[0].clock.next_set(self.now));
            self.now = wake.chain(told).chain([until]).min().unwrap().max(self.now);
            self.wakeups += 1;
            while self.turn() {}
        }
    }

    pub fn run_for(&mut self, length: Duration) {
        self.run_until(self.now + length);
    }

    /// One turn of the loop; `true` when something was left to do.
    pub fn turn(&mut self) -> bool {
        let began = self.now;
        self.recorder.handle_turn(began);
        while self.lines.front().is_some_and(|(at, _)| *at <= began) {
            let (_, line) = self.lines.pop_front().unwrap();
            self.line(&line);
        }
        let mut again = false;
        for place in 0..self.recorder.slots() {
            let now = self.now;
            self.sockets[place].look(now);
            let mut devices = VirtualDevices {
                sockets: &mut self.sockets,
                next_port: &mut self.next_port,
                server: &mut self.server,
                stick: &mut self.stick,
            };
            again |= turn::serve_slot(&mut devices, place, now, &mut self.recorder, true);
            self.now = self.sockets[place].now;
        }
        self.deliver();
        again || self.now > began // a stall has made the turn long: look again
    }

    fn line(&mut self, line: &str) {
        let random = [
            self.now.nanos() as u32 ^ 0x1234_5678,
            0xABCD_0123,
            0x0102_FFFE,
        ];
        self.recorder
            .handle_line(self.now, ClientId(1), Some(line.as_bytes()), random);
    }

    pub fn deliver(&mut self) {
        use callrec::proto::recorder::outbox::To;
        let mut buffer = [0; MESSAGE_BYTES];
        while let Some((to, message)) = self.recorder.poll_output(&mut buffer) {
            let text = String::from_utf8(message.to_vec()).unwrap();
            match to {
                To::Subscribers => self.events.push(text),
                To::Client(_) | To::Before(_) => self.answers.push(text),
            }
        }
    }

    pub fn counted(&self, name: &str) -> u64 {
        self.recorder
            .totals()
            .all()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
    }

    /// The frames of all files in order, after checking that they are one stream.
    pub fn frames(&self) -> Vec<Vec<u8>> {
        joined(self.stick.files.values().map(|file| file.bytes.as_slice()))
    }

    /// The payloads of all frames.
    pub fn audio(&self) -> Vec<u8> {
        self.frames()
            .iter()
            .flat_map(|frame| frame[frame.len() - 160..].to_vec())
            .collect()
    }
}

pub fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message
        .split('&')
        .find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))
}

/// Checks each file and the sequence over all of them; returns the frames.
pub fn joined<'a>(files: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = vec![];
    for bytes in files {
        let header = Header::parse(bytes).unwrap();
        let extent = header.extent(bytes.len() as u64);
        assert!(
            extent.exact,
            "{header:?} in a file of {} bytes",
            bytes.len()
        );
        frames.extend(
            bytes[HEADER_BYTES..]
                .chunks_exact(header.rtp_len as usize)
                .map(<[u8]>::to_vec),
        );
    }
    for pair in frames.windows(2).filter(|pair| pair[0].len() == 172) {
        let (one, two) = (
            Packet::parse(&pair[0]).unwrap(),
            Packet::parse(&pair[1]).unwrap(),
        );
        assert_eq!(two.sequence, one.sequence.wrapping_add(1));
        assert_eq!(two.timestamp, one.timestamp.wrapping_add(160));
        assert_eq!(two.ssrc, one.ssrc);
    }
    frames
}
