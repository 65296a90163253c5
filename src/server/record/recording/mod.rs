//! One recording: its RTP port, the stream that comes there, the file it becomes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use log::{error, info, warn};

use crate::base::limits::server::{DATAGRAMS_AT_ONCE, DATAGRAMS_PER_TURN, REORDER_WINDOW};
use crate::base::time::Instant;
use crate::io::clock::Now;
use crate::io::sys::{Batch, Civil};
use crate::io::udp_batch::Inlet;
use crate::proto::record_server::{Start, Stream, Verdict};
use crate::proto::recording::setup::Call;
use crate::server::record::archive::Archive;
use crate::server::record::counters::Counter;
use crate::server::record::end_reason::Why;
use crate::server::record::file_writer::{Format, Part};
use crate::server::record::sidecar::{End, Facts, Tally};
use crate::server::record::turn::Turn;
use crate::server::record::unfinished::Unfinished;

/// How recordings are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storing {
    pub(super) format: Format,
    /// Bytes of a file; 0: no limit.
    pub(super) file_limit: u64,
    pub(super) cut_pauses: bool,
}

/// Where it came from, and its bytes; `None`: too many.
type Datagram = (SocketAddr, Option<Vec<u8>>);

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
    /// The folder that the part is in.
    archive: Arc<Archive>,
    stream: Stream,
    inlet: Inlet,
    /// Datagrams that wait until a long pause before them has been written; then more are read.
    held_back: Vec<Datagram>,
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
    /// The disk has failed it: nothing more is written. With what, until that has been told.
    broken: bool,
    problem: Option<io::Error>,
    /// Its end could not be written: the sidecar that is to be.
    late_sidecar: Option<Vec<u8>>,
}

impl Recording {
    /// Creates the file.
    pub(super) fn begin(
        archive: &Arc<Archive>,
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
            archive: archive.clone(),
            inlet,
            held_back: vec![],
            part,
            number: 1,
            began,
            before: Tally::default(),
            frames_before: 0,
            why: None,
            finish_at: None,
            over: false,
            broken: false,
            problem: None,
            late_sidecar: None,
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

    /// It is time to finish it, and no long pause is still to be written; told once.
    pub(super) fn is_over(&mut self, now: Instant) -> bool {
        let filling = !self.broken && (!self.held_back.is_empty() || self.stream.is_waiting());
        let over = self.finish_at.is_some_and(|at| now >= at) && !filling;
        over && !std::mem::replace(&mut self.over, true)
    }

    /// Reads what has come, and writes what can be; `true` when more waits in the socket. An error of the disk ends
    /// it; it is told once.
    pub(super) fn work(&mut self, turn: &mut Turn, batch: &mut Batch) -> (bool, io::Result<()>) {
        let was_broken = self.broken;
        turn.room.grant_silence();
        let more = self.read(turn, batch);
        if was_broken {
            return (more, Ok(()));
        }
        if !more && self.held_back.is_empty() {
            self.stream.handle_drained(turn.now.monotonic);
        }
        self.write(turn);
        turn.room.settle_silence();
        (more, self.problem.take().map_or(Ok(()), Err))
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
    pub(super) fn finish(&mut self, turn: &mut Turn) -> bool {
        if !self.broken {
            self.write_rest(turn);
            if let Some(problem) = self.problem.take() {
                self.why = Some(Why::of(&problem));
            }
        }
        let why = self.why.unwrap_or(Why::DiskError);
        let success = !self.broken && matches!(why, Why::Stopped | Why::Shutdown | Why::MaxMinutes);
        let end = End {
            time: turn.now.local(turn.now.monotonic),
            word: why.word(),
            reason: &self.start.call.stop_reason,
            success,
            last: true,
        };
        let sidecar = self.sidecar(Some(end));
        let finished = self
            .part
            .finish()
            .and_then(|()| self.archive.finish(&self.part.place, &sidecar));
        if let Err(problem) = &finished {
            warn!("{}: cannot be finished now: {problem}", self.part.path());
            self.late_sidecar = Some(sidecar);
        }
        turn.counters.add(Counter::Lost, self.stream.lost());
        turn.counters.add(Counter::Silence, self.stream.silence());
        let success = success && finished.is_ok();
        self.log(why, success);
        success
    }

    /// What is left to do, if it could not be finished.
    pub(super) fn into_unfinished(self) -> Option<Unfinished> {
        let Self {
            archive,
            part,
            late_sidecar,
            ..
        } = self;
        late_sidecar.map(|sidecar| Unfinished {
            archive,
            part,
            sidecar,
        })
    }

    /// The folder of all recordings has been exchanged: it goes on in the new one.
    pub(super) fn move_to(&mut self, archive: &Arc<Archive>, now: &Now) -> io::Result<()> {
        if self.broken {
            return Ok(());
        }
        let moved = self.roll(archive.clone(), now);
        self.broken |= moved.is_err();
        moved
    }

    /// Reads what has come; `true` when more waits in the socket that the next turn can take at once.
    fn read(&mut self, turn: &mut Turn, batch: &mut Batch) -> bool {
        self.put_held_back(turn);
        let mut left = DATAGRAMS_PER_TURN;
        while self.held_back.is_empty() {
            let (read, dropped) = self.inlet.read(batch);
            turn.counters.add(Counter::KernelDrop, dropped.into());
            batch
                .datagrams()
                .for_each(|(from, bytes)| self.put(turn, from, bytes));
            left = left.saturating_sub(read);
            if read < DATAGRAMS_AT_ONCE || left == 0 {
                return read == DATAGRAMS_AT_ONCE;
            }
        }
        false
    }

    /// Goes on with what had to wait for a long pause to be written.
    fn put_held_back(&mut self, turn: &mut Turn) {
        for (from, bytes) in std::mem::take(&mut self.held_back) {
            self.put(turn, from, bytes.as_deref());
        }
    }

    /// Hands a datagram to the stream. If frames have to be written first and may not all be in this turn, it is held
    /// back, and so are those behind it.
    fn put(&mut self, turn: &mut Turn, from: SocketAddr, bytes: Option<&[u8]>) {
        if !self.held_back.is_empty() {
            return self.held_back.push((from, bytes.map(<[u8]>::to_vec)));
        }
        let mut verdict = self.stream.put(turn.now.monotonic, from, bytes);
        if verdict == Verdict::TakeFirst {
            self.write(turn);
            if self.broken {
                while self.stream.take(u64::MAX, u64::MAX).is_some() {} // nothing more is written
            } else if self.stream.is_waiting() {
                return self.held_back.push((from, bytes.map(<[u8]>::to_vec)));
            }
            verdict = self.stream.put(turn.now.monotonic, from, bytes);
        }
        turn.counters.packet(verdict);
    }

    /// Writes what the stream gives out; of a long silence as much as it may. An error is kept in `problem`.
    fn write(&mut self, turn: &mut Turn) {
        while self.stream.is_waiting() && !self.broken {
            if let Err(problem) = self.write_part(turn) {
                self.broken = true;
                self.problem = Some(problem);
            }
            if turn.room.silence == 0 {
                return;
            }
        }
    }

    /// Writes until the stream has no more, or the part is full.
    fn write_part(&mut self, turn: &mut Turn) -> io::Result<()> {
        if self.part.is_full() {
            self.roll(self.archive.clone(), turn.now)?;
        }
        let before = self.part.bytes();
        let written = self.part.write(
            &mut self.stream,
            &mut turn.room.silence,
            &mut turn.room.buffer,
        );
        turn.counters
            .add(Counter::Bytes, self.part.bytes().saturating_sub(before));
        written
    }

    /// Writes all that is left, however long a pause in it was.
    fn write_rest(&mut self, turn: &mut Turn) {
        turn.room.silence = u64::MAX;
        self.write(turn);
        self.put_held_back(turn);
        self.stream.finish();
        self.write(turn);
    }

    /// Goes on in another file, in this folder.
    fn roll(&mut self, archive: Arc<Archive>, now: &Now) -> io::Result<()> {
        let time = now.local(now.monotonic);
        let next = create(&archive, self.storing, &self.start, &time)?;
        let end = End {
            time,
            word: "rolled",
            reason: b"",
            success: true,
            last: false,
        };
        let sidecar = self.sidecar(Some(end));
        match self
            .part
            .finish()
            .and_then(|()| self.archive.finish(&self.part.place, &sidecar))
        {
            Ok(()) => {}
            Err(_) if self.part.is_deleted() => error!(
                "{}: has been deleted while it was written",
                self.part.path()
            ),
            Err(problem) => {
                archive.discard(&next.place);
                return Err(problem);
            }
        }
        self.archive = archive;
        self.before = self.tally();
        self.frames_before += self.part.frames();
        self.part = next;
        self.number += 1;
        self.began = time;
        self.archive.begin(&self.part.place, &self.sidecar(None))
    }

    fn tally(&self) -> Tally {
        Tally {
            verdicts: *self.stream.counts(),
            lost: self.stream.lost(),
            silence: self.stream.silence(),
        }
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

    /// The one line that a recording is worth.
    fn log(&self, why: Why, success: bool) {
        let count = |verdict: Verdict| self.stream.counts()[verdict as usize];
        info!(
            "recording file={} peer={} codec={} parts={} frames={} received={} lost={} late={} duplicate={} silence={} \
             stranger={} end={} result={}",
            self.part.path(),
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
    let part = Part::begin(
        place.clone(),
        file,
        storing.format,
        start.law,
        storing.file_limit,
    );
    if part.is_err() {
        archive.discard(&place);
    }
    part
}

#[cfg(test)]
mod tests;
