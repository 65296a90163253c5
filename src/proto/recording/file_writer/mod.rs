//! The files of one recording: the calls to the stick, one at a time.
//!
//! ```text
//! Waiting -> Beginning(Space -> Create -> Header -> Reserve) -> Appending
//!     a part begins
//! Appending -> Checkpoint(Sync -> Size -> Space -> Reserve) -> Appending
//!     at every second wake-up
//! Appending -> Ending(Trim -> Sync -> Size -> FinalSync -> Close) -> Waiting or Ended
//!     a part ends
//! Space -> MakeRoom -> Space
//!     the stick is full, and old recordings may be deleted
//! ```
//! `op` returns the next call to make, `done` takes its result. Data is written in runs that end at
//! multiples of 4 KiB in the file. Before a sync, all available data is written; after it,
//! `dataSize` in the header, so that the header never claims data that is not on the stick. A
//! failed call ends the recording: the file is truncated to whole frames and closed, as far as the
//! stick still permits.

use crate::base::limits::{
    BATCH, MAX_PART_BYTES, MIN_PART_FRAMES, PREALLOCATE, PREALLOCATE_FLOOR, WRITE_ALIGN,
};
use crate::base::ring::Ring;
use crate::base::time::Instant;
use crate::wire::recording::{Header, DATA_SIZE_OFFSET, HEADER_BYTES};

use state::{Beginning, Checkpoint, Course, Ending, Reservation, State};

pub use super::disk_call::{DiskError, Done, Name, Op};

mod state;
mod steps;

/// Additional free space that is required for the data until the next check: two seconds and a
/// margin.
const ELBOW_ROOM: u64 = 64 * 1024;

/// The parameters that do not change during a recording.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The header of each part, with a `data_size` of 0.
    pub header: Header,
    /// Bytes of a part, header included; 0: as many as possible.
    pub limit: u64,
    /// Bytes that stay free.
    pub reserve: u64,
    /// Old recordings may be deleted to make room.
    pub cover: bool,
}

/// How the files of a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything is written.
    Complete,
    /// A call failed; the file contains what could be saved.
    Failed(DiskError),
}

/// Writes the files of one recording.
#[derive(Debug)]
pub struct FileWriter {
    plan: Plan,
    state: State,
    course: Course,
    head: [u8; HEADER_BYTES],
    /// Bytes of frames in this part, and their limit.
    data: u64,
    limit: u64,
    /// Bytes of frames that the last sync covered, and bytes after them that a failure made
    /// unreliable.
    synced: u64,
    doubtful: u64,
    sync_at: Instant,
    reservation: Reservation,
    /// Free bytes on the stick at the last check.
    free: u64,
}

impl FileWriter {
    /// A recording whose first part has yet to be created.
    pub fn new(plan: Plan) -> Self {
        let frame = u64::from(plan.header.rtp_len);
        let limit = if plan.limit == 0 {
            MAX_PART_BYTES
        } else {
            plan.limit.min(MAX_PART_BYTES)
        };
        let frames = (limit.saturating_sub(HEADER_BYTES as u64) / frame).max(MIN_PART_FRAMES);
        Self {
            plan,
            state: State::Beginning(Beginning::Space),
            course: Course::Recording,
            head: plan.header.emit(),
            data: 0,
            limit: frames * frame,
            synced: 0,
            doubtful: 0,
            sync_at: Instant::default(),
            reservation: Reservation::UpTo(0),
            free: 0,
        }
    }

    /// No more frames will be added to the ring. What it holds is written, then the files have
    /// `ended`.
    pub fn finish(&mut self) {
        if self.course == Course::Recording {
            self.course = Course::Finishing;
        }
    }

    /// The stick was removed: no further calls are made.
    pub fn handle_stick_gone(&mut self) {
        if self.state != State::Ended {
            self.fail(DiskError::Lost);
        }
    }

    /// The next call. `first_frame_at` is the time at which the first frame in the ring began.
    pub fn op<'a>(
        &'a mut self,
        now: Instant,
        first_frame_at: Instant,
        ring: &'a Ring,
    ) -> Option<Op<'a>> {
        if self.state == State::Waiting {
            if !ring.is_empty() {
                self.state = State::Beginning(Beginning::Space);
            } else if self.course == Course::Finishing {
                self.state = State::Ended;
            }
        }
        if self.state == State::Appending {
            self.state = self.next_of_appending(now, ring);
        }
        Some(match self.state {
            State::Waiting | State::Ended => return None,
            State::Appending => Op::Write(HEADER_BYTES as u64 + self.data, self.run(now, ring)?),
            State::Beginning(Beginning::Space) | State::Checkpoint(Checkpoint::Space) => Op::Space,
            State::Beginning(Beginning::MakeRoom) | State::Checkpoint(Checkpoint::MakeRoom) => {
                Op::MakeRoom
            }
            State::Beginning(Beginning::Create) => Op::Create(first_frame_at),
            State::Beginning(Beginning::Header(done)) => {
                Op::Write(done as u64, self.head.get(done..)?)
            }
            State::Beginning(Beginning::Reserve) | State::Checkpoint(Checkpoint::Reserve) => {
                Op::Reserve(self.reserved())
            }
            State::Checkpoint(Checkpoint::Size(done)) | State::Ending(Ending::Size(done)) => {
                let at = DATA_SIZE_OFFSET + done as u64;
                Op::Write(at, self.head.get(at as usize..)?)
            }
            State::Checkpoint(Checkpoint::Sync)
            | State::Ending(Ending::Sync | Ending::FinalSync) => Op::Sync,
            State::Ending(Ending::Trim) => Op::Truncate(HEADER_BYTES as u64 + self.whole_frames()),
            State::Ending(Ending::Close) => Op::Close,
            State::Ending(Ending::Discard) => Op::Discard,
        })
    }

    /// Takes the result of the call that `op` returned. Returns the name of a part that was
    /// created.
    pub fn done(
        &mut self,
        now: Instant,
        ring: &mut Ring,
        result: Result<Done, DiskError>,
    ) -> Option<Name> {
        match (self.state, result) {
            (State::Beginning(Beginning::Create), Ok(Done::Created(name))) => {
                self.begin(now);
                return Some(name);
            }
            (
                State::Beginning(Beginning::Reserve) | State::Checkpoint(Checkpoint::Reserve),
                result,
            ) => {
                if result.is_err() {
                    self.reservation = Reservation::Impossible;
                }
                self.state = State::Appending;
            }
            // Other programs have filled the stick since the last check, or its folder has no free
            // directory entry.
            (State::Beginning(Beginning::Create), Err(DiskError::Full)) if self.may_cover() => {
                self.state = State::Beginning(Beginning::MakeRoom);
            }
            (State::Appending, Err(DiskError::Full)) if self.may_cover() => {
                self.state = State::Checkpoint(Checkpoint::MakeRoom);
            }
            (_, Err(error)) => self.fail(error),
            (State::Beginning(step), Ok(done)) => self.begun(step, done),
            (State::Appending, Ok(Done::Wrote(len))) => {
                ring.consume(len);
                self.data += len as u64;
            }
            (State::Checkpoint(step), Ok(done)) => self.checkpointed(step, done),
            (State::Ending(step), Ok(done)) => self.ended_step(step, done, ring),
            (state, Ok(done)) => {
                debug_assert!(false, "bug: {done:?} in {state:?}");
                self.fail(DiskError::Internal);
            }
        }
        None
    }

    /// The header of the first part has been written: the start may be acknowledged.
    pub fn is_open(&self) -> bool {
        !self.state.is_before_header() && !self.has_failed()
    }

    /// A file is open.
    pub fn has_file(&self) -> bool {
        self.state.has_file()
    }

    /// How the files ended; `None` while a file is open or may still be opened.
    pub fn ended(&self) -> Option<Ended> {
        match (self.state, self.course) {
            (State::Ended, Course::Failed(error)) => Some(Ended::Failed(error)),
            (State::Ended, _) => Some(Ended::Complete),
            _ => None,
        }
    }

    /// Free bytes at the last check.
    pub fn free_bytes(&self) -> u64 {
        self.free
    }

    /// The bytes of the file that survive a power failure: whole frames and the header.
    pub fn durable_bytes(&self) -> u64 {
        HEADER_BYTES as u64 + self.synced
    }

    /// Whole frames of the file that is open, or was open last.
    pub fn frames(&self) -> u64 {
        self.whole_frames() / u64::from(self.plan.header.rtp_len)
    }

    /// Bytes that were written but cannot be relied on: after the last whole frame, or after the
    /// last sync if the next one failed.
    pub fn torn_bytes(&self) -> u64 {
        self.data - self.whole_frames() + self.doubtful
    }

    fn whole_frames(&self) -> u64 {
        self.data - self.data % u64::from(self.plan.header.rtp_len)
    }

    fn has_failed(&self) -> bool {
        matches!(self.course, Course::Failed(_))
    }

    /// Old recordings may be deleted so that the next call succeeds.
    fn may_cover(&self) -> bool {
        self.plan.cover && !self.has_failed()
    }

    fn begin(&mut self, now: Instant) {
        self.state = State::Beginning(Beginning::Header(0));
        self.head = self.plan.header.emit();
        self.data = 0;
        self.synced = 0;
        if let Reservation::UpTo(length) = &mut self.reservation {
            *length = 0;
        }
        self.sync_at = next_sync(now);
    }

    fn next_of_appending(&mut self, now: Instant, ring: &Ring) -> State {
        if self.run(now, ring).is_some() {
            return State::Appending;
        }
        if self.data == self.limit || self.course != Course::Recording {
            return State::Ending(Ending::Trim);
        }
        if now < self.sync_at {
            return State::Appending;
        }
        self.sync_at = next_sync(now);
        if self.data > self.synced {
            State::Checkpoint(Checkpoint::Sync)
        } else {
            State::Appending
        }
    }

    /// The bytes to write now: all that are available before a sync or the end, otherwise whole
    /// pages of the file.
    fn run<'a>(&self, now: Instant, ring: &'a Ring) -> Option<&'a [u8]> {
        let left = self.limit - self.data;
        let waiting = (ring.len() as u64).min(left);
        let at = HEADER_BYTES as u64 + self.data;
        let all = waiting == left || self.course != Course::Recording || now >= self.sync_at;
        let end = if all {
            at + waiting
        } else {
            (at + waiting) / WRITE_ALIGN * WRITE_ALIGN
        };
        let run = ring.front(usize::try_from(end.saturating_sub(at)).unwrap_or(0));
        (!run.is_empty()).then_some(run)
    }

    fn reserved(&self) -> u64 {
        match self.reservation {
            Reservation::UpTo(length) => length,
            Reservation::Impossible => 0,
        }
    }

    /// The stick has enough free space until the next check.
    fn has_room(&mut self, free: u64) -> bool {
        // Blocks that are reserved ahead belong to this file, but the file system counts them as
        // used.
        let own = self
            .reserved()
            .saturating_sub(HEADER_BYTES as u64 + self.data);
        self.free = free;
        free.saturating_add(own) >= self.plan.reserve.saturating_add(ELBOW_ROOM)
    }

    /// Increases the reservation if that is needed and possible; `true` if blocks must be reserved.
    fn reserve_ahead(&mut self) -> bool {
        let Reservation::UpTo(reserved) = &mut self.reservation else {
            return false;
        };
        let size = HEADER_BYTES as u64 + self.data;
        let wanted = (size + PREALLOCATE).min(HEADER_BYTES as u64 + self.limit);
        let has_enough = *reserved >= wanted.min(size + PREALLOCATE / 4);
        let plenty = self.free >= self.plan.reserve.saturating_add(PREALLOCATE_FLOOR);
        if has_enough || !plenty {
            return false;
        }
        *reserved = wanted;
        true
    }

    /// Sets `dataSize` in the header to the content of the file.
    fn note_size(&mut self) {
        let size = u32::try_from(self.whole_frames()).unwrap_or(u32::MAX);
        self.head[DATA_SIZE_OFFSET as usize..].copy_from_slice(&self.plan.header.integer(size));
    }

    /// The first failure is the one that is reported; a second one while closing only skips steps.
    fn fail(&mut self, error: DiskError) {
        let first = !self.has_failed();
        // A failed sync does not tell which of the pages before it are on the stick, and the next
        // sync reports success. So everything since the last successful sync is given up.
        let sync_failed = matches!(
            self.state,
            State::Checkpoint(Checkpoint::Sync) | State::Ending(Ending::Sync)
        );
        if first && (sync_failed || error == DiskError::Lost) && self.data > self.synced {
            self.doubtful = self.data - self.synced;
            self.data = self.synced;
        }
        if first {
            self.course = Course::Failed(error);
        }
        self.state = self.state.after_failure(error, first);
        if self.state == State::Ending(Ending::Size(0)) {
            self.note_size();
        }
    }
}

/// When to sync again: at the second wake-up from now, however late in its turn this one is
/// handled.
fn next_sync(now: Instant) -> Instant {
    now.next_multiple_of(BATCH) + BATCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wake_up_that_comes_late_delays_no_sync() {
        let at = |ms: u64| Instant::from_nanos(ms * 1_000_000);
        for (now, next) in [(600, 1800), (650, 1800), (1199, 1800), (599, 1200)] {
            assert_eq!(next_sync(at(now)), at(next), "{now}");
        }
    }
}
