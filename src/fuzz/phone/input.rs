//! Converts fuzzer input to steps of a phone.

use crate::base::time::{Duration, Instant};
use crate::config::Config;
use crate::proto::recorder::request::Sink;
use crate::proto::recorder::Settings;
use crate::proto::recording::file_writer::DiskError;
use crate::wire::rtp::Packet;

use super::devices::Manner;
use super::extent::{ms, PLACES};
use super::sockets::Datagram;

/// A step.
pub(super) enum Step {
    Wait(Duration),
    /// Datagrams for the sockets of a slot.
    Datagrams(usize, Vec<Datagram>),
    /// A control line.
    Line(Vec<u8>),
    /// A request about a started recording, dated this many milliseconds ago.
    Stop(&'static str, usize, u64),
    /// Sets the clock by this many milliseconds.
    SetClock(i64),
    /// The call to the stick after this many others fails.
    StickFails(u64, DiskError),
    /// The next write stalls.
    StickStalls(Duration),
    StickIsThere(bool),
    Server(usize, Manner),
}

/// Sequence number and timestamp of a source, which continue from one step to the next.
#[derive(Clone, Copy, Default)]
struct Source {
    sequence: u16,
    timestamp: u32,
}

pub(super) struct Input<'a> {
    bytes: &'a [u8],
    sources: [Source; 4],
}

const STARTS: [&str; 4] = [
    "cmd=RecordStartRequest&legs=1",
    "cmd=RecordStartRequest&legs=2&codec=PCMA",
    "cmd=RecordStartRequest&sink=local&legs=8",
    "cmd=RecordStartRequest&sink=server&legs=2",
];
const REQUESTS: [&str; 3] = [
    "RecordStopRequest",
    "RecordPauseRequest",
    "RecordResumeRequest",
];
const STEPS: [i64; 8] = [
    1000,
    -1000,
    5000,
    -5000,
    3_600_000,
    -3_600_000,
    -1_764_000_000_000,
    37,
];
const MANNERS: [Manner; 7] = [
    Manner::Accepts,
    Manner::Refuses,
    Manner::Silent,
    Manner::Unreachable,
    Manner::Dies,
    Manner::Stops,
    Manner::TakesNoFrames,
];
const ERRORS: [DiskError; 4] = [
    DiskError::Full,
    DiskError::Lost,
    DiskError::Failed(5),
    DiskError::Busy,
];
const PAYLOAD_TYPES: [u8; 8] = [0, 8, 9, 0, 13, 101, 18, 72];

impl<'a> Input<'a> {
    /// Begins with the first byte, which determines the configuration.
    pub(super) fn begin(data: &'a [u8]) -> Option<(Settings, Self)> {
        let (first, bytes) = data.split_first()?;
        Some((
            settings(*first),
            Self {
                bytes,
                sources: [Source::default(); 4],
            },
        ))
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<Step> {
        if self.bytes.is_empty() {
            return None;
        }
        let kind = self.byte();
        let number = self.byte();
        let place = usize::from(number) % PLACES;
        let which = usize::from(number) / PLACES;
        Some(match kind % 16 {
            0..=2 => Step::Wait(ms(u64::from(number) * 7 + 1)),
            3 => Step::Wait(ms(u64::from(number) * 100)),
            4..=6 => Step::Datagrams(place, self.talk(now, which)),
            7 => Step::Datagrams(
                place,
                vec![(now, which % 9, self.take(usize::from(number)))],
            ),
            8 => Step::Line(STARTS[which % 4].into()),
            9 | 10 => {
                let ago = u64::from(self.byte()) * 20;
                Step::Stop(
                    REQUESTS[usize::from(number) % 3],
                    usize::from(number) / 3,
                    ago,
                )
            }
            11 => Step::Line(self.take(usize::from(number))),
            12 => Step::SetClock(STEPS[usize::from(number) % 8]),
            13 => Step::StickFails(u64::from(number) / 4, ERRORS[usize::from(number) % 4]),
            14 if number < 128 => Step::StickStalls(ms(u64::from(number) * 40)),
            14 => Step::StickIsThere(number % 2 == 0),
            _ => Step::Server(place, MANNERS[which % 7]),
        })
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        let (bytes, rest) = self.bytes.split_at(self.bytes.len().min(len));
        self.bytes = rest;
        bytes.to_vec()
    }

    /// A sequence of packets of one source.
    fn talk(&mut self, now: Instant, which: usize) -> Vec<Datagram> {
        let shape = self.byte();
        let jump = self.byte();
        let source = &mut self.sources[which % 4];
        let payload_type = PAYLOAD_TYPES[usize::from(shape) % 8];
        let count = if jump == 255 {
            700
        } else {
            usize::from(shape / 8) + 1
        };
        let len = [160, 80, 240, 160, 480, 0, 1, 1300][usize::from(jump) % 8];
        let step = [160, 160, 320, len as u32][usize::from(jump / 8) % 4];
        let spacing = [20, 20, 0, 5][usize::from(jump / 32) % 4];
        if jump % 13 == 12 {
            source.sequence = source.sequence.wrapping_add(u16::from(jump) * 97);
            source.timestamp = source.timestamp.wrapping_mul(77).wrapping_add(1 << 20);
        }
        let packet = |n: usize| {
            source.sequence = source.sequence.wrapping_add(1);
            source.timestamp = source.timestamp.wrapping_add(step);
            let Source {
                sequence,
                timestamp,
            } = *source;
            let ssrc = if jump == 255 {
                n as u32
            } else {
                which as u32 % 4
            };
            let header = Packet {
                marker: false,
                payload_type,
                sequence,
                timestamp,
                ssrc,
                payload: &[],
            };
            let bytes = [&header.emit_header()[..], &vec![shape ^ n as u8; len]].concat();
            (now + ms(n as u64 * spacing), which % 3, bytes)
        };
        (0..count).map(packet).collect()
    }
}

/// The configuration of a phone, by the bits of a number.
fn settings(bits: u8) -> Settings {
    let text = "serverAddr = 10.0.0.9\nserverFallback = local\n";
    let mut settings = Config::parse(text).unwrap_or_default().settings();
    let has = |bit: u8| bits >> bit & 1 != 0;
    settings.pause_is_silence = has(0);
    settings.rtp_header = has(1);
    settings.cover = has(2);
    settings.sink = if has(3) { Sink::Server } else { Sink::Local };
    settings.limit = if has(4) { 1 } else { 0 }; // 1: raised to one second per part
    if let Some(server) = &mut settings.server {
        server.fallback = has(5);
    }
    settings
}
