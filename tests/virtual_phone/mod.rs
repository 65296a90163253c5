//! A phone in virtual time: the real `Recorder`, driven as the event loop drives it, with a stick that
//! lives in memory and can stall, fail, fill up and lose power. An hour passes in a second.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::too_many_lines,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::collections::{BTreeMap, VecDeque};

pub mod calls;
mod devices;
mod media;
#[path = "../common/packets.rs"]
mod packets;
pub mod server;
mod sockets;

use devices::Devices;

pub use media::*;
pub use packets::*;
pub use sockets::*;

use callrec::base::limits::MESSAGE_BYTES;
use callrec::base::time::{Duration, Instant};
use callrec::proto::recorder::outbox::ClientId;
use callrec::proto::recorder::request::Sink;
use callrec::proto::recorder::turn;
use callrec::proto::recorder::{Ask, Recorder, Settings};
use callrec::proto::recording::file_writer::{DiskError, Done, Name, Op};
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
        server: None,
    }
}

#[derive(Clone, Default)]
pub struct MemoryFile {
    pub bytes: Vec<u8>,
    /// What a power cut leaves: data and length of the last sync.
    pub durable: Vec<u8>,
    pub open: bool,
}

/// The stick.
pub struct Stick {
    pub files: BTreeMap<String, MemoryFile>,
    pub capacity: u64,
    open: Vec<Option<String>>,
    pub calls: u64,
    /// Fails the call of this number, of the kind the function accepts.
    pub fail: Option<(u64, DiskError)>,
    /// Every call from that one on fails.
    pub stays_broken: bool,
    /// No file can be created any more.
    pub refuses_files: bool,
    /// Writes of more than this many bytes are cut short.
    pub longest_write: usize,
    /// (from, length): a write or sync that begins then takes that long.
    pub stall: Option<(Instant, Duration)>,
    /// When it did.
    pub stalled_at: Option<Instant>,
    pub log: Vec<&'static str>,
}

impl Stick {
    fn free(&self) -> u64 {
        self.capacity.saturating_sub(
            self.files
                .values()
                .map(|file| file.bytes.len() as u64)
                .sum(),
        )
    }

    fn call(&mut self, place: usize, op: &Op) -> Result<Done, DiskError> {
        let kind = match op {
            Op::Space => "space",
            Op::MakeRoom => "make room",
            Op::Create(_) => "create",
            Op::Write(..) => "write",
            Op::Reserve(_) => "reserve",
            Op::Sync => "sync",
            Op::Truncate(_) => "truncate",
            Op::Close => "close",
            Op::Discard => "discard",
        };
        self.log.push(kind);
        self.calls += 1;
        if let Some((number, error)) = self.fail {
            if self.calls == number || (self.stays_broken && self.calls > number) {
                if matches!(op, Op::Close) {
                    self.open[place] = None;
                    return Ok(Done::Yes);
                }
                return Err(error);
            }
        }
        let free = self.free();
        let name = self.open[place].clone();
        let file = name.as_ref().and_then(|name| self.files.get_mut(name));
        match op {
            Op::Space => Ok(Done::Free(free)),
            Op::MakeRoom => {
                let open: Vec<&String> = self.open.iter().flatten().collect();
                let oldest = self.files.keys().find(|name| !open.contains(name)).cloned();
                Ok(match oldest {
                    Some(name) => {
                        self.files.remove(&name);
                        Done::Yes
                    }
                    None => Done::NothingToDelete,
                })
            }
            Op::Create(_) if self.refuses_files => Err(DiskError::Failed(5)),
            Op::Create(_) => {
                let name = format!("Record_{:06}.wav", self.calls);
                self.files.insert(
                    name.clone(),
                    MemoryFile {
                        open: true,
                        ..MemoryFile::default()
                    },
                );
                self.open[place] = Some(name.clone());
                Ok(Done::Created(Name::try_from(name.as_str()).unwrap()))
            }
            Op::Write(at, bytes) => {
                let (at, file) = (*at as usize, file.unwrap());
                assert!(at <= file.bytes.len(), "no holes are written");
                let len = bytes.len().min(self.longest_write);
                let grows = (at + len).saturating_sub(file.bytes.len()) as u64;
                let len = if grows > free {
                    len - (grows - free) as usize
                } else {
                    len
                };
                if len == 0 {
                    return Err(DiskError::Full);
                }
                file.bytes.resize(file.bytes.len().max(at + len), 0);
                file.bytes[at..at + len].copy_from_slice(&bytes[..len]);
                Ok(Done::Wrote(len))
            }
            Op::Sync => {
                let file = file.unwrap();
                // Files grow at their end, and change in their header only.
                let known = file.durable.len().min(HEADER_BYTES);
                file.durable[..known].copy_from_slice(&file.bytes[..known]);
                file.durable
                    .extend_from_slice(&file.bytes[file.durable.len()..]);
                Ok(Done::Yes)
            }
            Op::Truncate(bytes) => {
                file.unwrap().bytes.truncate(*bytes as usize);
                Ok(Done::Yes)
            }
            Op::Reserve(_) => Ok(Done::Yes),
            Op::Close => {
                self.open[place] = None;
                Ok(Done::Yes)
            }
            Op::Discard => {
                self.files.remove(&self.open[place].take().unwrap());
                Ok(Done::Yes)
            }
        }
    }
}

pub struct Phone {
    pub recorder: Recorder,
    pub stick: Stick,
    pub server: server::Server,
    pub now: Instant,
    pub wakeups: u64,
    pub sockets: VirtualSockets,
    /// Control lines to come.
    lines: VecDeque<(Instant, String)>,
    pub events: Vec<String>,
    pub answers: Vec<String>,
    next_ports: u16,
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
        let stick = Stick {
            files: BTreeMap::new(),
            capacity: 1 << 40,
            open: vec![None; recorder.places()],
            calls: 0,
            fail: None,
            stays_broken: false,
            refuses_files: false,
            longest_write: usize::MAX,
            stall: None,
            stalled_at: None,
            log: vec![],
        };
        let (lines, events, answers) = (VecDeque::new(), vec![], vec![]);
        let sockets = VirtualSockets::new(now);
        let server = server::Server::new(server::Manner::Accepts);
        let (wakeups, next_ports) = (0, 41000);
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
            next_ports,
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

    /// Packets to come.
    pub fn send(&mut self, packets: impl IntoIterator<Item = Arriving>) {
        self.sockets.send(packets);
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
                .chain(self.sockets.clock.next_set(self.now));
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
        for place in 0..self.recorder.places() {
            let now = self.now;
            self.sockets.look(now);
            let mut devices = Devices {
                sockets: &mut self.sockets,
                server: &mut self.server,
                stick: &mut self.stick,
            };
            again |= turn::serve_place(&mut devices, place, now, &mut self.recorder, true);
            self.now = self.sockets.now;
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
        let ask = self
            .recorder
            .handle_line(self.now, ClientId(1), Some(line.as_bytes()), random);
        if let Ask::Ports(place, legs) = ask {
            let ports = (0..=legs as u16).map(|i| self.next_ports + 2 * i).collect();
            self.next_ports += 100;
            self.sockets.open(self.now, 1 + legs);
            self.recorder.handle_ports(self.now, place, Ok(ports));
        }
    }

    pub fn deliver(&mut self) {
        use callrec::proto::recorder::outbox::To;
        let mut buffer = [0; MESSAGE_BYTES];
        while let Some((to, message)) = self.recorder.poll_output(&mut buffer) {
            let text = String::from_utf8(message.to_vec()).unwrap();
            match to {
                To::Subscribers => self.events.push(text),
                To::Client(_) => self.answers.push(text),
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
