//! The files of one recording: what is done to the stick, one system call at a time.
//!
//! ```text
//! Idle -> Room -> Create -> Head -> Reserve -> Open            a part begins
//! Open -> Sync -> Size -> Check -> Reserve -> Open             with every second wake-up
//! Open -> Trim -> LastSync -> LastSize -> FinalSync -> Close   a part ends; Idle, or Ended
//! Room, Check -> MakeRoom -> back                              the stick is full, old ones may go
//! ```
//! `op` names the next call to make, `done` takes its result. Data goes out in runs that end on 4 KiB
//! of the file; a sync is preceded by all there is and followed by the header's `dataSize`, so that
//! the header never promises what is not there. A failed call ends the recording: the file is cut to
//! whole frames and closed, as far as the stick still lets us.

use crate::base::limits::{
    MAX_PART_BYTES, MIN_PART_FRAMES, PREALLOCATE, PREALLOCATE_FLOOR, WRITE_ALIGN,
};
use crate::base::ring::Ring;
use crate::base::time::Instant;
use crate::wire::recording::{Header, DATA_SIZE_OFFSET, HEADER_BYTES};

mod status;

/// A file name: `Record_YYYYMMDD_HHMMSS_NNN.wav`.
pub type Name = heapless::String<48>;

/// What is left below the reserve for what comes until the next look: two seconds and a margin.
const ELBOW_ROOM: u64 = 64 * 1024;

/// One call to the stick.
#[derive(Debug, PartialEq, Eq)]
pub enum Op<'a> {
    /// How many bytes are free?
    Space,
    /// Delete the oldest recording that is not in use.
    MakeRoom,
    /// Create a file named after the time its first frame began.
    Create(Instant),
    /// Write these bytes here.
    Write(u64, &'a [u8]),
    /// Reserve the file's blocks up to this length, if the file system can; its size stays.
    Reserve(u64),
    /// Make everything written so far survive a power cut.
    Sync,
    /// Set the file's length, and give back what was reserved beyond.
    Truncate(u64),
    /// Close the file.
    Close,
    /// Close the file and delete it: it has no header.
    Discard,
}

/// How a call went well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// It did what it says.
    Yes,
    /// Free bytes, for `Space`.
    Free(u64),
    /// The name, for `Create`.
    Created(Name),
    /// Bytes written, at least one, for `Write`.
    Wrote(usize),
    /// For `MakeRoom`: nothing is left to delete.
    NothingToDelete,
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// No space, no directory entry, no quota.
    Full,
    /// The stick is gone.
    Lost,
    /// No file descriptor or memory is left: the stick is not to blame, and a later call may go well.
    Busy,
    /// Anything else, with its errno.
    Failed(i32),
}

/// What does not change during a recording.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The header of each part, with a `data_size` of 0.
    pub header: Header,
    /// Bytes of a part, header included; 0: as many as a part may have.
    pub limit: u64,
    /// Bytes that stay free.
    pub reserve: u64,
    /// Old recordings may be deleted to make room.
    pub cover: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Room,
    MakeRoom,
    Create,
    Head(usize),
    Reserve,
    Open,
    Sync,
    Size(usize),
    Check,
    MakeMoreRoom,
    Trim,
    LastSync,
    LastSize(usize),
    FinalSync,
    Close,
    Discard,
    Ended,
}

/// The file side of one recording.
#[derive(Debug)]
pub struct Part {
    plan: Plan,
    state: State,
    head: [u8; HEADER_BYTES],
    /// Bytes of frames in this part, and the most it may have.
    data: u64,
    limit: u64,
    /// Bytes of frames that the last sync covered, and bytes behind them that a failure made doubtful.
    synced: u64,
    doubtful: u64,
    /// The file's blocks are reserved up to here.
    reserved: u64,
    reservable: bool,
    free: u64,
    sync_at: Instant,
    dirty: bool,
    finishing: bool,
    failure: Option<DiskError>,
}

impl Part {
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
            state: State::Room,
            head: plan.header.emit(),
            data: 0,
            limit: frames * frame,
            synced: 0,
            doubtful: 0,
            reserved: 0,
            reservable: true,
            free: 0,
            sync_at: Instant::default(),
            dirty: false,
            finishing: false,
            failure: None,
        }
    }

    /// No more frames will come into the ring; what is there is written, then `Ended` comes.
    pub fn finish(&mut self) {
        self.finishing = true;
    }

    /// The stick is gone: nothing more is tried on it.
    pub fn lose(&mut self) {
        if self.state != State::Ended {
            self.fail(DiskError::Lost);
        }
    }

    /// The next call. `first_frame_at` is when the first frame in the ring began.
    pub fn op<'a>(
        &'a mut self,
        now: Instant,
        first_frame_at: Instant,
        ring: &'a Ring,
    ) -> Option<Op<'a>> {
        if self.state == State::Idle {
            self.state = match ring.is_empty() {
                false => State::Room,
                true if self.finishing => State::Ended,
                true => State::Idle,
            };
        }
        if self.state == State::Open {
            self.state = self.next_of_open(now, ring);
        }
        Some(match self.state {
            State::Idle | State::Ended => return None,
            State::Open => Op::Write(HEADER_BYTES as u64 + self.data, self.run(now, ring)?),
            State::Room | State::Check => Op::Space,
            State::MakeRoom | State::MakeMoreRoom => Op::MakeRoom,
            State::Create => Op::Create(first_frame_at),
            State::Head(done) => Op::Write(done as u64, self.head.get(done..)?),
            State::Reserve => Op::Reserve(self.reserved),
            State::Sync | State::LastSync | State::FinalSync => Op::Sync,
            State::Size(done) | State::LastSize(done) => {
                let at = DATA_SIZE_OFFSET + done as u64;
                Op::Write(at, self.head.get(at as usize..)?)
            }
            State::Trim => Op::Truncate(HEADER_BYTES as u64 + self.whole_frames()),
            State::Close => Op::Close,
            State::Discard => Op::Discard,
        })
    }

    /// Takes the result of the call that `op` named; the name of a part that has been created.
    pub fn done(
        &mut self,
        now: Instant,
        ring: &mut Ring,
        result: Result<Done, DiskError>,
    ) -> Option<Name> {
        let done = match result {
            Ok(done) => done,
            Err(_) if self.state == State::Reserve => {
                self.reservable = false; // a file system without fallocate: not asked again
                self.reserved = 0;
                Done::Yes
            }
            Err(DiskError::Full) if self.may_cover() => {
                // Others have filled the stick between two looks, or its folder has no room for another name.
                self.state = if self.state == State::Open {
                    State::MakeMoreRoom
                } else {
                    State::MakeRoom
                };
                return None;
            }
            Err(error) => {
                self.fail(error);
                return None;
            }
        };
        self.state = match (self.state, done) {
            (State::Room, Done::Free(free)) => self.room(free, State::Create, State::MakeRoom),
            (State::Check, Done::Free(free)) => {
                self.room(free, State::Reserve, State::MakeMoreRoom)
            }
            (State::MakeRoom, Done::Yes) => State::Room,
            (State::MakeMoreRoom, Done::Yes) => State::Check,
            (State::MakeRoom | State::MakeMoreRoom, Done::NothingToDelete) => {
                self.fail(DiskError::Full);
                self.state
            }
            (State::Create, Done::Created(name)) => {
                self.begin(now);
                return Some(name);
            }
            (State::Head(at), Done::Wrote(len)) if at + len < HEADER_BYTES => State::Head(at + len),
            (State::Head(_), Done::Wrote(_)) => self.reserve_ahead(State::Open),
            (State::Reserve, _) => State::Open,
            (State::Open, Done::Wrote(len)) => {
                ring.consume(len);
                self.data += len as u64;
                self.dirty = true;
                State::Open
            }
            (State::Sync, Done::Yes) => {
                self.synced = self.data;
                self.note_size(State::Size(0))
            }
            (State::Size(at), Done::Wrote(len)) if at + len < 4 => State::Size(at + len),
            (State::Size(_), Done::Wrote(_)) => State::Check,
            (State::Trim, Done::Yes) => State::LastSync,
            (State::LastSync, Done::Yes) => {
                self.synced = self.data;
                self.note_size(State::LastSize(0))
            }
            (State::LastSize(at), Done::Wrote(len)) if at + len < 4 => State::LastSize(at + len),
            (State::LastSize(_), Done::Wrote(_)) => State::FinalSync,
            (State::FinalSync, Done::Yes) => State::Close,
            (State::Close | State::Discard, _) => self.after_close(ring),
            (state, done) => {
                debug_assert!(false, "bug: {done:?} in {state:?}");
                self.fail(DiskError::Failed(0));
                self.state
            }
        };
        None
    }

    /// The header of the first part is on its way to the stick: the recording is true.
    pub fn is_open(&self) -> bool {
        let begins = matches!(
            self.state,
            State::Room | State::MakeRoom | State::Create | State::Head(_)
        );
        !begins && self.failure.is_none()
    }

    /// No file is open and none will be; with the error if it did not end by `finish`.
    pub fn ended(&self) -> Option<Option<DiskError>> {
        (self.state == State::Ended).then_some(self.failure)
    }

    /// Free bytes when they were last asked for.
    pub fn free_bytes(&self) -> u64 {
        self.free
    }

    /// Bytes that were written and are not to be counted on: behind the last whole frame, or behind the
    /// last sync when the next one failed.
    pub fn torn_bytes(&self) -> u64 {
        self.data - self.whole_frames() + self.doubtful
    }

    fn whole_frames(&self) -> u64 {
        self.data - self.data % u64::from(self.plan.header.rtp_len)
    }

    fn begin(&mut self, now: Instant) {
        self.state = State::Head(0);
        self.head = self.plan.header.emit();
        (self.data, self.synced) = (0, 0);
        self.reserved = 0;
        self.dirty = false;
        self.sync_at = status::next_sync(now);
    }

    fn next_of_open(&mut self, now: Instant, ring: &Ring) -> State {
        if self.run(now, ring).is_some() {
            return State::Open;
        }
        if self.data == self.limit || self.finishing || self.failure.is_some() {
            return State::Trim;
        }
        if now < self.sync_at {
            return State::Open;
        }
        self.sync_at = status::next_sync(now);
        if std::mem::replace(&mut self.dirty, false) {
            State::Sync
        } else {
            State::Open
        }
    }

    /// What is to be written now: all there is before a sync or the end, else whole pages of the file.
    fn run<'a>(&self, now: Instant, ring: &'a Ring) -> Option<&'a [u8]> {
        let left = self.limit - self.data;
        let waiting = (ring.len() as u64).min(left);
        let at = HEADER_BYTES as u64 + self.data;
        let all =
            waiting == left || self.finishing || self.failure.is_some() || now >= self.sync_at;
        let end = if all {
            at + waiting
        } else {
            (at + waiting) / WRITE_ALIGN * WRITE_ALIGN
        };
        let run = ring.front(usize::try_from(end.saturating_sub(at)).unwrap_or(0));
        (!run.is_empty()).then_some(run)
    }

    fn room(&mut self, free: u64, enough: State, short: State) -> State {
        // What is reserved ahead is ours already, though the file system counts it as used.
        let own = self
            .reserved
            .saturating_sub(HEADER_BYTES as u64 + self.data);
        self.free = free;
        if free.saturating_add(own) >= self.plan.reserve.saturating_add(ELBOW_ROOM) {
            return if enough == State::Reserve {
                self.reserve_ahead(State::Open)
            } else {
                enough
            };
        }
        if self.plan.cover {
            return short;
        }
        self.fail(DiskError::Full);
        self.state
    }

    fn reserve_ahead(&mut self, otherwise: State) -> State {
        let size = HEADER_BYTES as u64 + self.data;
        let wanted = (size + PREALLOCATE).min(HEADER_BYTES as u64 + self.limit);
        let plenty = self.free >= self.plan.reserve.saturating_add(PREALLOCATE_FLOOR);
        if self.reserved >= wanted.min(size + PREALLOCATE / 4) || !plenty || !self.reservable {
            return otherwise;
        }
        self.reserved = wanted;
        State::Reserve
    }

    fn note_size(&mut self, next: State) -> State {
        let size = u32::try_from(self.whole_frames()).unwrap_or(u32::MAX);
        self.head[DATA_SIZE_OFFSET as usize..].copy_from_slice(&self.plan.header.integer(size));
        next
    }

    fn after_close(&mut self, ring: &Ring) -> State {
        if self.failure.is_some() || (self.finishing && ring.is_empty()) {
            State::Ended
        } else {
            State::Idle
        }
    }

    /// The first failure is the one that counts; a second one while closing only shortens the way.
    fn fail(&mut self, error: DiskError) {
        let first = self.failure.is_none();
        // A sync that fails does not say which of the pages before it are on the stick, and the next one
        // says that all is well: what came since the last good one is given up.
        let unsynced =
            matches!(self.state, State::Sync | State::LastSync) || error == DiskError::Lost;
        if first && unsynced && self.data > self.synced {
            self.doubtful = self.data - self.synced;
            self.data = self.synced;
        }
        self.failure.get_or_insert(error);
        self.state = match self.state {
            State::Idle
            | State::Room
            | State::MakeRoom
            | State::Create
            | State::Close
            | State::Discard => State::Ended,
            State::Ended => State::Ended,
            _ if error == DiskError::Lost => State::Close,
            State::Head(_) => State::Discard,
            // No room for more, but the calls work: what is mixed already still goes into the reserve.
            State::Check | State::MakeMoreRoom if first && error == DiskError::Full => State::Open,
            State::Open => State::Trim,
            _ if first => State::Trim,
            State::Trim => State::LastSync,
            State::LastSync => self.note_size(State::LastSize(0)),
            State::LastSize(_) => State::FinalSync,
            _ => State::Close,
        };
    }
}
