//! Fuzz targets for the interpretation of socket timestamps, and for the order in which sockets are
//! read.

use crate::base::time::{Duration, Instant};
use crate::base::wall_clock::{Timespec, WallClock};
use crate::config::Config;
use crate::proto::media::receiver::{self, Sockets};
use crate::proto::recorder::outbox::ClientId;
use crate::proto::recorder::Recorder;

/// Steps of one input: more find nothing that these do not.
const MAX_STEPS: usize = 8;

/// A clock that is read and set arbitrarily: an arrival lies between its limits, and an unambiguous
/// one is correct.
pub fn clock(data: &[u8]) {
    let mut now = Instant::from_nanos(1_000_000_000_000);
    let mut ahead: i64 = 1_764_000_000_000_000_000;
    let wall = |at: Instant, ahead: i64| {
        let nanos = at.nanos() as i64 + ahead;
        Timespec {
            seconds: nanos.div_euclid(1_000_000_000),
            nanos: nanos.rem_euclid(1_000_000_000) as u32,
        }
    };
    let mut clock = WallClock::default();
    clock.read(now, wall(now, ahead));
    for step in data.chunks_exact(4) {
        let number = i64::from(i16::from_le_bytes([step[0], step[1]]));
        // A datagram arrives, the clock is set, another one arrives, and both clocks are read.
        let earliest = now;
        let first = now + Duration::from_millis(u64::from(step[2]));
        let stamp_before = wall(first, ahead);
        ahead = (ahead + number * 250_000_000).clamp(0, 4_000_000_000_000_000_000);
        let second = first + Duration::from_millis(u64::from(step[3]));
        let stamp_after = wall(second, ahead);
        now = second + Duration::from_millis(1);
        clock.read(now, wall(now, ahead));
        for (arrival, stamp) in [(first, stamp_before), (second, stamp_after)] {
            let read = clock.stamp(stamp, earliest);
            let nearest = read.nearest(Some(arrival));
            assert!(
                nearest >= earliest && nearest <= now,
                "an arrival lies in the time that there was"
            );
            assert_eq!(
                nearest, arrival,
                "the expected arrival is one of those that the stamp may mean"
            );
            assert!(read.nearest(None) >= earliest && read.nearest(None) <= now);
            if let Some(certain) = read.certain() {
                let off = certain
                    .since(arrival)
                    .nanos()
                    .max(arrival.since(certain).nanos());
                assert!(off <= 20_000_000, "{off} ns beside a stamp without doubt");
            }
        }
    }
}

/// The datagrams of each socket, numbered in order.
struct Numbered {
    waiting: Vec<Vec<(Instant, u32)>>,
    bytes: Vec<Vec<u8>>,
    earliest: Instant,
    now: Instant,
    backlog: Vec<u32>,
    guarded: Vec<Vec<u32>>,
    given: Vec<(usize, u32)>,
}

impl Sockets for Numbered {
    fn count(&self) -> usize {
        self.waiting.len()
    }

    fn fill(&mut self, socket: usize, dropped: &mut u32) -> bool {
        *dropped += 1;
        let Some((_, number)) = self.waiting[socket].first() else {
            return false;
        };
        let ssrc = number % 5;
        let payload = &[7; 160];
        let packet = crate::wire::rtp::Packet {
            marker: false,
            payload_type: [0, 8, 9, 13, 99][*number as usize % 5],
            sequence: *number as u16,
            timestamp: number.wrapping_mul(160),
            ssrc,
            payload: &[],
        };
        self.bytes[socket] = [&packet.emit_header()[..], payload].concat();
        true
    }

    fn held(&self, socket: usize) -> Option<&[u8]> {
        let (_, number) = self.waiting[socket].first()?;
        (number % 11 != 10).then_some(&self.bytes[socket])
    }

    fn stamp(&mut self, socket: usize) -> crate::base::wall_clock::Stamp {
        let at = self.waiting[socket]
            .first()
            .map_or(self.now, |(arrival, _)| *arrival);
        crate::base::wall_clock::Stamp::at(at.clamp(self.earliest, self.now))
    }

    fn settle(&mut self, _socket: usize, arrival: Instant) {
        assert!(arrival >= self.earliest && arrival <= self.now);
    }

    fn release(&mut self, socket: usize) {
        let (_, number) = self.waiting[socket].remove(0);
        self.given.push((socket, number));
        self.backlog[socket] += 1;
    }

    fn backlog(&self, socket: usize) -> u32 {
        self.backlog[socket]
    }

    fn forget_backlog(&mut self, socket: usize) {
        self.backlog[socket] = 0;
    }

    fn guard(&mut self, socket: usize, sources: &[u32]) {
        assert!(
            sources.iter().all(|ssrc| *ssrc < 5),
            "only a source that has talked is let in"
        );
        self.guarded[socket] = sources.to_vec();
    }

    fn guarded(&self, socket: usize) -> &[u32] {
        &self.guarded[socket]
    }
}

/// Sockets with datagrams of arbitrary arrival: each is returned once, in the order of its socket,
/// and when all sockets are reported empty, they are.
pub fn receiver(data: &[u8]) {
    const SOCKETS: usize = 4;
    let mut recorder = Recorder::new(
        Config {
            max_recordings: 1,
            ..Config::default()
        }
        .settings(),
    );
    let mut now = Instant::from_nanos(1_000_000_000_000);
    recorder.handle_stick(now, heapless::Vec::from_slice(b"/mnt/usb").ok(), 1 << 30);
    let start = b"cmd=RecordStartRequest&legs=3";
    recorder.handle_line(now, ClientId(1), Some(start), [1, 2, 3]);
    if let Some(legs) = recorder.wants_ports(0) {
        let ports = 0..=legs as u16;
        recorder.handle_ports(now, 0, Ok(ports.collect()));
    }
    store(&mut recorder, now);
    let mut sockets = Numbered {
        waiting: vec![vec![]; SOCKETS],
        bytes: vec![vec![]; SOCKETS],
        earliest: now,
        now,
        backlog: vec![0; SOCKETS],
        guarded: vec![vec![]; SOCKETS],
        given: vec![],
    };
    let mut sent = [0u32; SOCKETS];
    for step in data.chunks_exact(3).take(MAX_STEPS) {
        let flood = if step[0] > 250 { 8 } else { 1 };
        let socket = usize::from(step[0]) % SOCKETS;
        let count = u32::from(step[1]) / 4 * flood;
        for _ in 0..count {
            sockets.waiting[socket].push((now, sent[socket]));
            sent[socket] += 1;
        }
        sockets.earliest = now;
        // Sometimes longer than what counts as read in time.
        let passed = if step[2] > 240 {
            1000
        } else {
            u64::from(step[2]) % 8 * 20
        };
        now = now + Duration::from_millis(passed);
        sockets.now = now;
        drain(&mut sockets, &mut recorder, now);
    }
    for (socket, sent) in sent.iter().enumerate() {
        let mine = sockets.given.iter().filter(|(from, _)| *from == socket);
        assert!(
            mine.map(|(_, number)| *number).eq(0..*sent),
            "each datagram of socket {socket} once, in order"
        );
    }
}

/// Runs turns until nothing is waiting.
fn drain(sockets: &mut Numbered, recorder: &mut Recorder, now: Instant) {
    for _ in 0..64 {
        if receiver::drain(sockets, 0, now, recorder) {
            assert!(sockets.waiting.iter().all(Vec::is_empty), "empty is empty");
            let _ = recorder.handle_drained(0, now);
            store(recorder, now);
            return;
        }
        store(recorder, now);
    }
    panic!("the sockets are never empty");
}

/// A stick on which all calls succeed.
fn store(recorder: &mut Recorder, now: Instant) {
    use crate::proto::recording::file_writer::{DiskDone, DiskOp, RecordingName};
    while let Some(op) = recorder.disk_op(0, now) {
        let done = match op {
            DiskOp::Space => DiskDone::Free(1 << 40),
            DiskOp::Create(_) => {
                DiskDone::Created(RecordingName::try_from("Record_1.wav").unwrap_or_default())
            }
            DiskOp::Write(_, bytes) => DiskDone::Wrote(bytes.len()),
            _ => DiskDone::Yes,
        };
        recorder.handle_disk(0, now, Ok(done));
    }
}
