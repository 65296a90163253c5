//! Executes the recorder's calls to the stick.

use std::io;
use std::os::fd::OwnedFd;

use crate::base::limits::{DISK_BYTES_PER_TURN, SPARES};
use crate::base::stats::Counter;
use crate::daemon::cover_older::{CoverOlder, Deletion};
#[cfg(feature = "fsp")]
use crate::daemon::file_cache::FileCache;
use crate::daemon::stick::Stick;
use crate::io::clock::Now;
use crate::io::descriptors::{is_shortage, spare};
use crate::io::dir::Dir;
#[cfg(feature = "fsp")]
use crate::io::dir::Entry;
use crate::io::file::Output;
use crate::io::sys::Civil;
#[cfg(feature = "fsp")]
use crate::proto::fsp::server::File;
use crate::proto::recorder::Recorder;
use crate::proto::recording::file_writer::{DiskDone, DiskError, DiskOp, RecordingName};
use crate::proto::recording::part_history::Zone;
use crate::proto::recording::state::RecordingState;
use crate::wire::recording::name::{Stem, NAME_SUFFIX};

/// The highest number that is tried for the file names of one second.
const MOST_OF_A_NAME: u32 = 999;

/// A clock that shows an earlier year has not been set: the clocks of phones start in 1970, or in
/// the year of manufacture.
const CLOCK_SET: i32 = 2024;

/// The folder of the stick, and the file of each slot. The folder is kept open only while there is
/// work in it: an idle recorder must not prevent a stick from being unmounted.
pub(super) struct Disk {
    stick: Option<Stick>,
    dir: Option<Dir>,
    files: Vec<Option<(RecordingName, Output)>>,
    /// Reserved descriptors, see `keep_descriptors`.
    spares: [Option<OwnedFd>; SPARES],
    cover: CoverOlder,
    /// The state of the clock when the latest file was created.
    zone: Zone,
    /// A recording was created on this stick.
    has_recorded: bool,
    /// A call failed as if the stick were gone: the stick must be searched again.
    stick_check_needed: bool,
    /// The files that FSP clients read.
    #[cfg(feature = "fsp")]
    pub(super) readers: FileCache,
}

impl Disk {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            stick: None,
            dir: None,
            files: (0..slots).map(|_| None).collect(),
            spares: [const { None }; SPARES],
            cover: CoverOlder::default(),
            zone: Zone::default(),
            has_recorded: false,
            stick_check_needed: false,
            #[cfg(feature = "fsp")]
            readers: FileCache::default(),
        }
    }

    /// Works in this folder, even if it is not on a stick.
    #[cfg(feature = "tools")]
    pub(super) fn of(dir: Dir) -> Self {
        Self {
            dir: Some(dir),
            ..Self::new(0)
        }
    }

    /// The folder, which is opened if necessary.
    pub(super) fn dir(&mut self) -> io::Result<&Dir> {
        match (&mut self.dir, &self.stick) {
            (Some(dir), _) => Ok(dir),
            (none, Some(stick)) => Ok(none.insert(Dir::open(&stick.path)?)),
            _ => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        }
    }

    /// Closes the folder.
    pub(super) fn close_folder(&mut self) {
        self.dir = None;
        self.cover = CoverOlder::default();
    }

    /// A recording was created on this stick.
    pub(super) fn has_recorded(&self) -> bool {
        self.has_recorded
    }

    pub(super) fn needs_stick_check(&self) -> bool {
        self.stick_check_needed
    }

    pub(super) fn take_stick_check(&mut self) -> bool {
        std::mem::take(&mut self.stick_check_needed)
    }

    pub(super) fn free_bytes(&mut self) -> u64 {
        self.dir().and_then(Dir::free_bytes).unwrap_or(0)
    }

    /// The current stick.
    pub(super) fn stick(&self) -> Option<&Stick> {
        self.stick.as_ref()
    }

    /// Sets the current stick.
    pub(super) fn set_stick(&mut self, stick: Option<Stick>) {
        self.stick = stick;
        self.has_recorded = false;
        self.close();
    }

    fn close(&mut self) {
        self.dir = None;
        self.cover = CoverOlder::default();
        #[cfg(feature = "fsp")]
        self.readers.close();
    }

    /// Makes the calls of a slot, up to the limit of a turn; `true` when some are left.
    pub(super) fn work(&mut self, slot: usize, now: &Now, recorder: &mut Recorder) -> bool {
        let mut written = 0;
        while written < DISK_BYTES_PER_TURN {
            let Some(op) = recorder.disk_op(slot, now.monotonic) else {
                return false;
            };
            let cost = match &op {
                DiskOp::Write(_, bytes) => bytes.len(),
                DiskOp::MakeRoom => DISK_BYTES_PER_TURN, // at most one deletion per turn
                _ => 0,
            };
            let result = if op == DiskOp::MakeRoom {
                let Some(made) = self.make_room(recorder).transpose() else {
                    return true;
                };
                made
            } else {
                self.call(slot, now, &op)
            };
            let result = result.map_err(|error| self.classify(&error));
            if matches!(result, Err(DiskError::Busy))
                && matches!(recorder.state(slot), RecordingState::Running)
            {
                match self.spares.iter_mut().find_map(Option::take) {
                    // The call is repeated with the released descriptor.
                    Some(_) => continue,
                    // The call is repeated in a later turn: the ring holds the frames until then.
                    None => return false,
                }
            }
            written += cost;
            recorder.set_zone(self.zone);
            recorder.handle_disk(slot, now.monotonic, result);
        }
        true
    }

    /// Reserves descriptors for running recordings, so that none of them ends because control
    /// clients, players or listings have used up all others.
    pub(super) fn keep_descriptors(&mut self) {
        for slot in &mut self.spares {
            if slot.is_none() {
                *slot = spare().ok();
            }
        }
    }

    fn call(&mut self, slot: usize, now: &Now, op: &DiskOp) -> io::Result<DiskDone> {
        let gone = || io::Error::from_raw_os_error(libc::ENODEV);
        let file = || {
            let open = self.files[slot].as_ref();
            open.map(|(_, file)| file).ok_or_else(gone)
        };
        match op {
            DiskOp::Space => Ok(DiskDone::Free(self.dir()?.free_bytes()?)),
            DiskOp::Create(at) => {
                let time = now.local(*at);
                self.zone = Zone {
                    offset_minutes: time.offset_minutes as i16,
                    clock_set: time.year >= CLOCK_SET,
                };
                let (name, output) = create(self.dir()?, &time)?;
                self.files[slot] = Some((name.clone(), output));
                self.has_recorded = true;
                Ok(DiskDone::Created(name))
            }
            DiskOp::Write(at, bytes) => Ok(DiskDone::Wrote(file()?.write(*at, bytes)?)),
            DiskOp::Reserve(bytes) => file()?.reserve(*bytes).map(|()| DiskDone::Yes),
            DiskOp::Sync => file()?.sync().map(|()| DiskDone::Yes),
            DiskOp::Truncate(bytes) => file()?.truncate(*bytes).map(|()| DiskDone::Yes),
            DiskOp::Close | DiskOp::MakeRoom => {
                self.files[slot] = None;
                Ok(DiskDone::Yes)
            }
            DiskOp::Discard => {
                let discarded = self.files[slot].take();
                discarded.map_or(Ok(DiskDone::Yes), |(name, _)| {
                    self.dir()?.remove(name.as_bytes()).map(|()| DiskDone::Yes)
                })
            }
        }
    }

    /// Continues the deletion of the oldest recording; `None` when another turn is needed.
    fn make_room(&mut self, recorder: &mut Recorder) -> io::Result<Option<DiskDone>> {
        // A deleted file occupies space as long as it is open.
        #[cfg(feature = "fsp")]
        self.readers.close();
        let mut cover = std::mem::take(&mut self.cover);
        let progress = cover.step(self.dir()?, recorder)?;
        self.cover = cover;
        Ok(match progress {
            Deletion::Looking => None,
            Deletion::NothingLeft => Some(DiskDone::NothingToDelete),
            Deletion::Deleted => {
                recorder.stats.count(Counter::Deleted);
                Some(DiskDone::Yes)
            }
        })
    }

    /// Classifies a failed call, and closes the folder if the stick may be gone.
    pub(super) fn classify(&mut self, error: &io::Error) -> DiskError {
        if is_shortage(error) {
            return DiskError::Busy;
        }
        let errno = error.raw_os_error().unwrap_or(0);
        let error = match errno {
            libc::ENOSPC | libc::EDQUOT => return DiskError::Full,
            libc::ENODEV | libc::ENXIO | libc::ESTALE | libc::ENOENT => DiskError::Lost,
            _ => DiskError::Failed(errno),
        };
        self.stick_check_needed = true;
        self.close(); // the next call opens whatever is mounted there then
        error
    }
}

/// Calls for FSP clients.
#[cfg(feature = "fsp")]
impl Disk {
    pub(super) fn stat(&mut self, file: File) -> io::Result<Entry> {
        self.dir()?.stat(file.name().as_bytes())
    }

    pub(super) fn read(&mut self, file: File, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut readers = std::mem::take(&mut self.readers);
        let read = readers.read(file, at, buffer, || self.dir());
        self.readers = readers;
        read
    }

    /// Has the stick searched again, unless the call failed because of the name that a client gave.
    pub(super) fn handle_read_error(&mut self, error: &io::Error) {
        let named = [
            libc::ENOENT,
            libc::EINVAL,
            libc::ELOOP,
            libc::ENXIO,
            libc::EACCES,
        ];
        if !named.contains(&error.raw_os_error().unwrap_or(0)) {
            let _ = self.classify(error);
        }
    }
}

/// Creates `Record_YYYYMMDD_HHMMSS.wav`, or the same name with `_2`, `_3` and so on after the time.
fn create(dir: &Dir, time: &Civil) -> io::Result<(RecordingName, Output)> {
    use core::fmt::Write;
    for number in 1..=MOST_OF_A_NAME {
        let mut name = RecordingName::new();
        let stem = Stem {
            date: [time.year, time.month, time.day],
            time: [time.hour, time.minute, time.second],
        };
        let _ = write!(name, "{stem}");
        if number > 1 {
            let _ = write!(name, "_{number}");
        }
        let _ = name.push_str(NAME_SUFFIX);
        match Output::create(dir.fd(), &name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(output) => return Ok((name, output)),
        }
    }
    Err(io::Error::from_raw_os_error(libc::EEXIST))
}
