//! Calls to the stick, made for the recorder's places.

use std::io;
use std::os::fd::OwnedFd;

use log::info;

use crate::base::limits::{DISK_BYTES_PER_TURN, SPARES};
use crate::base::stats::Counter;
use crate::daemon::cover_older::{CoverOlder, Progress};
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
use crate::proto::recording::file_writer::{DiskError, Done, Name, Op};
use crate::proto::recording::part_history::Zone;
use crate::proto::recording::state::State;
use crate::wire::recording::name::{Stem, NAME_SUFFIX};

/// Names tried for one second: what a second can hold on any stick.
const MOST_OF_A_NAME: u32 = 999;

/// A clock that shows an earlier year has not been set: phones begin in 1970, or when they were made.
const CLOCK_SET: i32 = 2024;

/// The stick's folder and the file of each place. The folder is held open only while there is work in
/// it: an idle recorder must not keep a stick from being unmounted.
pub(super) struct Disk {
    stick: Option<Stick>,
    dir: Option<Dir>,
    files: Vec<Option<(Name, Output)>>,
    /// Descriptors that nobody else gets, see `keep_descriptors`.
    spares: [Option<OwnedFd>; SPARES],
    cover: CoverOlder,
    /// When the last one of them was created.
    zone: Zone,
    /// A call failed as it does when the stick is gone: it should be looked for.
    suspicion: bool,
    /// What FSP clients read.
    #[cfg(feature = "fsp")]
    pub(super) readers: FileCache,
}

impl Disk {
    pub(super) fn new(places: usize) -> Self {
        Self {
            stick: None,
            dir: None,
            files: (0..places).map(|_| None).collect(),
            spares: [const { None }; SPARES],
            cover: CoverOlder::default(),
            zone: Zone::default(),
            suspicion: false,
            #[cfg(feature = "fsp")]
            readers: FileCache::default(),
        }
    }

    /// Works in this folder, whatever it is.
    #[cfg(feature = "tools")]
    pub(super) fn of(dir: Dir) -> Self {
        Self {
            dir: Some(dir),
            ..Self::new(0)
        }
    }

    /// The folder, opened if it is not.
    pub(super) fn dir(&mut self) -> io::Result<&Dir> {
        match (&mut self.dir, &self.stick) {
            (Some(dir), _) => Ok(dir),
            (none, Some(stick)) => Ok(none.insert(Dir::open(&stick.path)?)),
            _ => Err(io::Error::from_raw_os_error(libc::ENODEV)),
        }
    }

    /// Lets go of the folder.
    pub(super) fn close_folder(&mut self) {
        self.dir = None;
        self.cover = CoverOlder::default();
    }

    pub(super) fn is_suspicious(&self) -> bool {
        self.suspicion
    }

    pub(super) fn take_suspicion(&mut self) -> bool {
        std::mem::take(&mut self.suspicion)
    }

    pub(super) fn free_bytes(&mut self) -> u64 {
        self.dir().and_then(Dir::free_bytes).unwrap_or(0)
    }

    /// The stick it works on.
    pub(super) fn stick(&self) -> Option<&Stick> {
        self.stick.as_ref()
    }

    /// Works on this stick from now on.
    pub(super) fn set_stick(&mut self, stick: Option<Stick>) {
        self.stick = stick;
        self.close();
    }

    fn close(&mut self) {
        self.dir = None;
        self.cover = CoverOlder::default();
        #[cfg(feature = "fsp")]
        self.readers.close();
    }

    /// Makes the place's calls, as many as one turn may; `true` when some are left.
    pub(super) fn work(&mut self, place: usize, now: &Now, recorder: &mut Recorder) -> bool {
        let mut written = 0;
        while written < DISK_BYTES_PER_TURN {
            let Some(op) = recorder.disk_op(place, now.monotonic) else {
                return false;
            };
            let cost = match &op {
                Op::Write(_, bytes) => bytes.len(),
                Op::MakeRoom => DISK_BYTES_PER_TURN, // the next one is deleted in the next turn
                _ => 0,
            };
            let result = if op == Op::MakeRoom {
                let Some(made) = self.make_room(recorder).transpose() else {
                    return true;
                };
                made
            } else {
                self.call(place, now, &op)
            };
            let result = result.map_err(|error| self.judge(&error));
            if matches!(result, Err(DiskError::Busy))
                && matches!(recorder.state(place), State::Running)
            {
                match self.spares.iter_mut().find_map(Option::take) {
                    Some(_) => continue,  // the same call again, with that descriptor
                    None => return false, // the same call in a later turn: the ring holds what comes meanwhile
                }
            }
            written += cost;
            recorder.set_zone(self.zone);
            recorder.handle_disk(place, now.monotonic, result);
        }
        true
    }

    /// Keeps descriptors for recordings that run, so that none ends when control clients, players or listings have taken all
    /// others.
    pub(super) fn keep_descriptors(&mut self) {
        for place in &mut self.spares {
            if place.is_none() {
                *place = spare().ok();
            }
        }
    }

    fn call(&mut self, place: usize, now: &Now, op: &Op) -> io::Result<Done> {
        let gone = || io::Error::from_raw_os_error(libc::ENODEV);
        let file = || {
            self.files[place]
                .as_ref()
                .map(|(_, file)| file)
                .ok_or_else(gone)
        };
        match op {
            Op::Space => Ok(Done::Free(self.dir()?.free_bytes()?)),
            Op::Create(at) => {
                let time = now.local(*at);
                self.zone = Zone {
                    offset_minutes: time.offset_minutes as i16,
                    clock_set: time.year >= CLOCK_SET,
                };
                let (name, output) = create(self.dir()?, &time)?;
                self.files[place] = Some((name.clone(), output));
                Ok(Done::Created(name))
            }
            Op::Write(at, bytes) => Ok(Done::Wrote(file()?.write(*at, bytes)?)),
            Op::Reserve(bytes) => file()?.reserve(*bytes).map(|()| Done::Yes),
            Op::Sync => file()?.sync().map(|()| Done::Yes),
            Op::Truncate(bytes) => file()?.truncate(*bytes).map(|()| Done::Yes),
            Op::Close | Op::MakeRoom => {
                self.files[place] = None;
                Ok(Done::Yes)
            }
            Op::Discard => {
                let discarded = self.files[place].take();
                discarded.map_or(Ok(Done::Yes), |(name, _)| {
                    self.dir()?.remove(name.as_bytes()).map(|()| Done::Yes)
                })
            }
        }
    }

    /// Does a turn's share of deleting the oldest recording; `None` when it goes on in the next turn.
    fn make_room(&mut self, recorder: &mut Recorder) -> io::Result<Option<Done>> {
        // A deleted file that somebody has open still takes its space.
        #[cfg(feature = "fsp")]
        self.readers.close();
        let mut cover = std::mem::take(&mut self.cover);
        let progress = cover.step(self.dir()?, recorder)?;
        self.cover = cover;
        Ok(match progress {
            Progress::Looking => None,
            Progress::NothingLeft => Some(Done::NothingToDelete),
            Progress::Deleted => {
                recorder.stats.count(Counter::Deleted);
                Some(Done::Yes)
            }
        })
    }

    /// What a failed call says of the stick.
    pub(super) fn judge(&mut self, error: &io::Error) -> DiskError {
        if is_shortage(error) {
            return DiskError::Busy;
        }
        let errno = error.raw_os_error().unwrap_or(0);
        let error = match errno {
            libc::ENOSPC | libc::EDQUOT => return DiskError::Full,
            libc::ENODEV | libc::ENXIO | libc::ESTALE | libc::ENOENT => DiskError::Lost,
            _ => DiskError::Failed(errno),
        };
        self.suspicion = true;
        self.close(); // whatever is mounted there now is opened anew
        error
    }
}

/// For clients that fetch recordings.
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

    /// Looks for the stick, unless the call failed because of what a client named.
    pub(super) fn suspect(&mut self, error: &io::Error) {
        let named = [
            libc::ENOENT,
            libc::EINVAL,
            libc::ELOOP,
            libc::ENXIO,
            libc::EACCES,
        ];
        if !named.contains(&error.raw_os_error().unwrap_or(0)) {
            let _ = self.judge(error);
        }
    }
}

/// Creates `Record_YYYYMMDD_HHMMSS.wav`, or with `_2`, `_3` and so on behind the time.
fn create(dir: &Dir, time: &Civil) -> io::Result<(Name, Output)> {
    use core::fmt::Write;
    for number in 1..=MOST_OF_A_NAME {
        let mut name = Name::new();
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
            Ok(output) => {
                info!("{name}: created");
                return Ok((name, output));
            }
        }
    }
    Err(io::Error::from_raw_os_error(libc::EEXIST))
}
