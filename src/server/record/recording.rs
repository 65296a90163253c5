//! One recording: its RTP port, the stream that comes there, the file it becomes.

use std::io;
use std::net::IpAddr;

use log::{info, warn};

use crate::base::limits::server::{DATAGRAMS_AT_ONCE, DATAGRAMS_PER_TURN, PREFILL_FRAMES, REORDER_WINDOW};
use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::io::inlet::Inlet;
use crate::io::sys::{Batch, Civil};
use crate::proto::record_server::{Start, Stream, Verdict};
use crate::proto::setup::Call;
use crate::server::record::archive::Archive;
use crate::server::record::counters::{Counter, Counters};
use crate::server::record::part::{Format, Part};
use crate::server::record::sidecar::{End, Facts, Tally};

/// How recordings are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storing {
    pub(super) format: Format,
    /// Bytes of a file; 0: no limit.
    pub(super) file_limit: u64,
    pub(super) cut_pauses: bool,
}

/// Room to work in, for one recording after the other.
#[derive(Default)]
pub(super) struct Bench {
    batch: Batch,
    buffer: Vec<u8>,
}

/// Why a recording ends: a word for the sidecar, and whether that is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The phone said so.
    Stopped,
    /// The control connection is gone.
    ConnectionLost,
    /// The server is ending.
    Shutdown,
    /// `max-minutes` have passed.
    MaxMinutes,
    /// There is no room left.
    DiskFull,
    /// The disk does not take it.
    DiskError,
}

/// A recording that runs, or is being finished.
pub(super) struct Recording {
    /// The control connection, while there is one, and the recording's place on it.
    pub(super) owner: Option<usize>,
    pub(super) place: usize,
    pub(super) port: u16,
    pub(super) began_at: Instant,
    start: Start,
    peer: IpAddr,
    storing: Storing,
    stream: Stream,
    inlet: Inlet,
    part: Part,
    /// Of the part: its number, when it began, what had come by then.
    number: u32,
    began: Civil,
    before: Tally,
    frames_before: u64,
    why: Option<Why>,
    /// It ends when the packets on their way have come.
    finish_at: Option<Instant>,
    over: bool,
    /// The disk has failed it: nothing more is written.
    broken: bool,
}

impl Why {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::ConnectionLost => "connection-lost",
            Self::Shutdown => "shutdown",
            Self::MaxMinutes => "max-minutes",
            Self::DiskFull => "disk-full",
            Self::DiskError => "disk-error",
        }
    }

    /// An error of the disk.
    pub(super) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::ENOSPC | libc::EDQUOT) => Self::DiskFull,
            _ => Self::DiskError,
        }
    }
}

impl Recording {
    /// Creates the file.
    pub(super) fn begin(
        archive: &Archive,
        storing: Storing,
        now: &Now,
        start: Start,
        peer: IpAddr,
        (port, inlet): (u16, Inlet),
    ) -> io::Result<Self> {
        let began = now.local(now.monotonic);
        let part = create(archive, storing, &start, &began)?;
        let recording = Self {
            owner: None,
            place: 0,
            port,
            began_at: now.monotonic,
            stream: Stream::new(start.law, peer, storing.cut_pauses, now.monotonic),
            start,
            peer,
            storing,
            inlet,
            part,
            number: 1,
            began,
            before: Tally::default(),
            frames_before: 0,
            why: None,
            finish_at: None,
            over: false,
            broken: false,
        };
        let written = archive.begin(&recording.part.place, &recording.sidecar(None));
        if let Err(error) = written {
            archive.discard(&recording.part.place);
            return Err(error);
        }
        Ok(recording)
    }

    /// It ends, as soon as what is on its way has had its time. The first reason is the one that counts.
    pub(super) fn end(&mut self, now: Instant, why: Why) {
        self.why.get_or_insert(why);
        self.finish_at.get_or_insert(now + REORDER_WINDOW);
    }

    /// The phone has stopped it, or has done so as we asked: what it says replaces what is known.
    pub(super) fn stopped(&mut self, now: Instant, call: Call) {
        self.start.call.update(call);
        self.end(now, Why::Stopped);
    }

    /// Why it is to end, if it is.
    pub(super) fn ends(&self) -> Option<Why> {
        self.why
    }

    /// Notes why it will have ended, though the phone is still to be asked.
    pub(super) fn will_end(&mut self, why: Why) {
        self.why.get_or_insert(why);
    }

    /// It is time to finish it; told once.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        self.finish_at.is_some_and(|at| now >= at) && !std::mem::replace(&mut self.over, true)
    }

    /// Reads what has come, and writes what can be; `true` when more waits in the socket. An error of the disk ends
    /// it; it is told once.
    pub(super) fn work(
        &mut self,
        archive: &Archive,
        now: &Now,
        bench: &mut Bench,
        counters: &mut Counters,
    ) -> (bool, io::Result<()>) {
        let (more, written) = self.read(archive, now, bench, counters);
        if self.broken {
            return (more, Ok(()));
        }
        if !more {
            self.stream.handle_drained(now.monotonic);
        }
        let written = written.and_then(|()| self.write(archive, now, &mut bench.buffer, counters));
        let written = written.and_then(|()| match self.stream.pause_reaches(now.monotonic) {
            Some(frame) if self.finish_at.is_none() => {
                self.part.write_ahead(&self.stream, frame, PREFILL_FRAMES, &mut bench.buffer)
            }
            _ => Ok(()),
        });
        self.broken |= written.is_err();
        (more, written)
    }

    /// A sync of the file system begins.
    pub(super) fn mark(&mut self) {
        self.part.mark();
    }

    /// It has ended well.
    pub(super) fn note(&mut self) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let noted = self.part.note();
        self.broken |= noted.is_err();
        noted
    }

    /// Makes all of it whole; `true` if it ended as it should.
    pub(super) fn finish(&mut self, archive: &Archive, now: &Now, bench: &mut Bench, counters: &mut Counters) -> bool {
        if !self.broken {
            self.stream.finish();
            let written = self.write(archive, now, &mut bench.buffer, counters);
            self.broken |= written.is_err();
            if let Err(error) = written {
                self.why = Some(Why::of(&error));
            }
        }
        let why = self.why.unwrap_or(Why::DiskError);
        let success = !self.broken && matches!(why, Why::Stopped | Why::Shutdown | Why::MaxMinutes);
        let end = End {
            time: now.local(now.monotonic),
            word: why.word(),
            reason: &self.start.call.stop_reason,
            success,
            last: true,
        };
        let finished = self.part.finish().and_then(|()| archive.finish(&self.part.place, &self.sidecar(Some(end))));
        if let Err(error) = &finished {
            warn!("{}: cannot be finished: {error}", self.path());
        }
        counters.add(Counter::Lost, self.stream.lost());
        counters.add(Counter::Silence, self.stream.silence());
        let success = success && finished.is_ok();
        self.log(why, success);
        success
    }

    fn read(
        &mut self,
        archive: &Archive,
        now: &Now,
        bench: &mut Bench,
        counters: &mut Counters,
    ) -> (bool, io::Result<()>) {
        let (mut left, mut written) = (DATAGRAMS_PER_TURN, Ok(()));
        loop {
            let (read, dropped) = self.inlet.read(&mut bench.batch);
            counters.add(Counter::KernelDrop, dropped.into());
            for (from, bytes) in bench.batch.datagrams() {
                let mut verdict = self.stream.put(now.monotonic, from, bytes);
                if verdict == Verdict::TakeFirst {
                    written = written.and_then(|()| self.write(archive, now, &mut bench.buffer, counters));
                    while self.stream.take(u64::MAX).is_some() {} // what could not be written
                    verdict = self.stream.put(now.monotonic, from, bytes);
                }
                counters.packet(verdict);
            }
            left = left.saturating_sub(read);
            if read < DATAGRAMS_AT_ONCE || left == 0 {
                return (read == DATAGRAMS_AT_ONCE, written);
            }
        }
    }

    /// Writes what the stream gives out, into as many parts as it needs.
    fn write(&mut self, archive: &Archive, now: &Now, buffer: &mut Vec<u8>, counters: &mut Counters) -> io::Result<()> {
        while self.stream.is_waiting() && !self.broken {
            if self.part.is_full() {
                self.roll(archive, now)?;
            }
            let before = self.part.bytes();
            let written = self.part.write(&mut self.stream, buffer);
            counters.add(Counter::Bytes, self.part.bytes().saturating_sub(before));
            written?;
        }
        Ok(())
    }

    /// Goes on in another file.
    fn roll(&mut self, archive: &Archive, now: &Now) -> io::Result<()> {
        let time = now.local(now.monotonic);
        let next = create(archive, self.storing, &self.start, &time)?;
        let end = End { time, word: "rolled", reason: b"", success: true, last: false };
        self.part.finish()?;
        archive.finish(&self.part.place, &self.sidecar(Some(end)))?;
        self.before = self.tally();
        self.frames_before += self.part.frames();
        self.part = next;
        self.number += 1;
        self.began = time;
        archive.begin(&self.part.place, &self.sidecar(None))
    }

    fn tally(&self) -> Tally {
        Tally { verdicts: *self.stream.counts(), lost: self.stream.lost(), silence: self.stream.silence() }
    }

    fn sidecar(&self, end: Option<End>) -> Vec<u8> {
        let facts = Facts {
            start: &self.start,
            peer: self.peer.to_string(),
            file: &self.part.place.recording(),
            format: self.storing.format.name(),
            part: self.number,
            began: &self.began,
            frames: self.part.frames(),
            tally: self.tally().since(&self.before),
            end,
        };
        facts.emit()
    }

    fn path(&self) -> String {
        format!("{}/{}", self.part.place.folder, self.part.place.recording())
    }

    /// The one line that a recording is worth.
    fn log(&self, why: Why, success: bool) {
        let count = |verdict: Verdict| self.stream.counts()[verdict as usize];
        info!(
            "recording file={} peer={} codec={} parts={} frames={} received={} lost={} late={} duplicate={} silence={} \
             stranger={} end={} result={}",
            self.path(),
            self.peer,
            self.start.law.name(),
            self.number,
            self.frames_before + self.part.frames(),
            count(Verdict::Audio),
            self.stream.lost(),
            count(Verdict::Late),
            count(Verdict::Duplicate),
            self.stream.silence(),
            count(Verdict::Stranger),
            why.word(),
            if success { "success" } else { "failed" },
        );
    }
}

fn create(archive: &Archive, storing: Storing, start: &Start, time: &Civil) -> io::Result<Part> {
    let (place, file) = archive.create(&start.device, &start.id, time)?;
    let part = Part::begin(place.clone(), file, storing.format, start.law, storing.file_limit);
    if part.is_err() {
        archive.discard(&place);
    }
    part
}

/// The ports that recordings are given, one after the other: one that has just been used comes last, so that
/// nothing which is late for one recording comes to the next.
pub(super) struct Ports {
    address: IpAddr,
    range: (u16, u16),
    next: u16,
}

impl Ports {
    pub(super) fn new(address: IpAddr, range: (u16, u16)) -> Self {
        Self { address, range, next: range.0 }
    }

    /// Binds a free one.
    pub(super) fn open(&mut self, most: u32) -> io::Result<(u16, Inlet)> {
        let ports = u32::from(self.range.1 - self.range.0) + 1;
        let mut last = io::Error::from_raw_os_error(libc::EADDRINUSE);
        for _ in 0..ports.min(most) {
            let port = self.next;
            self.next = if port == self.range.1 { self.range.0 } else { port + 1 };
            match Inlet::open(self.address, port) {
                Ok(inlet) => return Ok((port, inlet)),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
