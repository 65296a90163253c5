//! Writes sidecars: when a part begins, when it has ended, and once more with the checksum of its
//! audio. A turn writes one line, after everything else, or hashes a small piece, followed by a
//! pause that is long if the stick was slow. While something is recorded, the loop is not woken for
//! hashing; while something is played, nothing is hashed. Failures are counted and not retried.
//!
//! Neither the folder nor a file is kept open between two pieces: a stick may be unmounted in
//! between, and then the checksum is missing.

use std::io;

use sha2::{Digest, Sha256};

use crate::base::limits::play::{SIDECAR_LINE_BYTES, SUMS, SUM_PIECE, SUM_REST};
use crate::base::stats::Counter;
use crate::base::time::{Duration, Instant};
use crate::daemon::context::Context;
use crate::daemon::disk::Disk;
use crate::daemon::service::Service;
use crate::daemon::turn::Work;
use crate::io::atomic_file;
use crate::io::clock::{monotonic, Now};
use crate::io::dir::Dir;
use crate::io::file::Input;
use crate::proto::recorder::sidecar_queue::SidecarLine;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::Name;
use crate::wire::recording::name::sidecar_name;
use crate::wire::recording::sidecar::{add_sum, SUM_BYTES};
use crate::wire::recording::HEADER_BYTES;

/// Everyone may read the files, like the recordings.
const MODE: libc::mode_t = 0o644;
/// The temporary name of a sidecar: always the same, so that power failures leave at most one such
/// file.
const NEW: &str = "Record.new";

/// Finished parts whose checksums are still to be computed.
#[derive(Default)]
pub(super) struct SidecarWriter {
    waiting: heapless::Deque<Name, SUMS>,
    /// The hash of the first waiting part, and the number of bytes hashed so far.
    sum: Sha256,
    at: u64,
    next_at: Instant,
}

impl Service for SidecarWriter {
    /// The waiting parts are not on another stick.
    fn handle_stick(&mut self, _context: &mut Context) {
        *self = Self::default();
    }

    /// Writes a line, or hashes a piece.
    fn turn(&mut self, now: &Now, context: &mut Context) -> Work {
        let recorder = &mut context.recorder;
        let sum = now.monotonic >= self.next_at && self.may_sum(recorder);
        if !sum && !recorder.has_notes() {
            return Work::Done;
        }
        if self.work(&mut context.disk, recorder).is_err() {
            recorder.stats.count(Counter::SidecarsLost);
        }
        Work::Done
    }

    fn next_deadline(&self, _now: Instant, context: &Context) -> Instant {
        let recorder = &context.recorder;
        if recorder.has_notes() {
            return Instant::default();
        }
        if recorder.is_idle() && self.may_sum(recorder) {
            return self.next_at;
        }
        Instant::NEVER // while recording, the loop wakes often enough
    }
}

impl SidecarWriter {
    fn may_sum(&self, recorder: &Recorder) -> bool {
        !self.waiting.is_empty() && !recorder.is_playing()
    }

    #[inline(never)] // so that its buffers are cleared only when they are used
    fn work(&mut self, disk: &mut Disk, recorder: &mut Recorder) -> io::Result<()> {
        let mut line = [0; SIDECAR_LINE_BYTES + SUM_BYTES];
        if let Some(note) = recorder.next_note(&mut line) {
            return self.write(note, disk, recorder);
        }
        let began = monotonic();
        let done = self.sum_up(disk, &mut line);
        let ended = monotonic();
        self.next_at = ended + Duration::from_nanos(ended.since(began).nanos() * SUM_REST);
        done
    }

    /// Writes the sidecar of a recording, if the recording still exists.
    fn write(&mut self, note: SidecarLine, disk: &mut Disk, recorder: &Recorder) -> io::Result<()> {
        if !note.finished && !recorder.in_use(note.name.as_bytes()) {
            return Ok(()); // the part has already ended: another line follows
        }
        let dir = disk.dir()?;
        dir.stat(note.name.as_bytes())?;
        if dir.free_bytes()? < recorder.reserve() {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        put(dir, &note.name, note.line)?;
        if note.finished {
            self.waiting
                .push_back(note.name)
                .map_err(|_| io::Error::from_raw_os_error(libc::ENOBUFS))?;
        }
        Ok(())
    }

    /// Hashes a piece of the first waiting part; after a failure, the checksum is given up.
    fn sum_up(&mut self, disk: &mut Disk, line: &mut [u8]) -> io::Result<()> {
        let Some(name) = self.waiting.front() else {
            return Ok(());
        };
        let mut piece = [0; SUM_PIECE];
        let read = disk
            .dir()
            .and_then(|dir| read(dir, name.as_bytes(), self.at, &mut piece));
        if let Ok(len) = read {
            self.sum.update(&piece[..len]);
            self.at += len as u64;
            if len == SUM_PIECE {
                return Ok(());
            }
        }
        let sum = self.sum.finalize_reset().into();
        self.at = 0;
        match self.waiting.pop_front() {
            Some(name) => read
                .and(disk.dir())
                .and_then(|dir| add(dir, &name, &sum, line)),
            None => Ok(()),
        }
    }
}

/// Reads frames from this position on, and has the following piece read ahead.
fn read(dir: &Dir, name: &[u8], at: u64, piece: &mut [u8]) -> io::Result<usize> {
    let (file, _) = Input::open(dir.fd(), name)?;
    let at = HEADER_BYTES as u64 + at;
    let read = file.read(at, piece)?;
    file.expect(at + SUM_PIECE as u64, SUM_PIECE as u64);
    Ok(read)
}

/// Adds the checksum to the sidecar of this recording.
fn add(dir: &Dir, name: &Name, sum: &[u8; 32], line: &mut [u8]) -> io::Result<()> {
    let (file, _) = Input::open(dir.fd(), &beside(name)?)?;
    let len = file.read(0, line)?;
    let len = add_sum(line, len, sum).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    put(dir, name, &line[..len])
}

fn put(dir: &Dir, name: &Name, line: &[u8]) -> io::Result<()> {
    atomic_file::replace_in(dir, NEW, &beside(name)?, line, MODE)
}

fn beside(name: &Name) -> io::Result<heapless::Vec<u8, 64>> {
    sidecar_name(name.as_bytes()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENAMETOOLONG))
}
