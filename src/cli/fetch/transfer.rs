//! One file, from the phone to here: into `NAME.part` first, which a broken transfer leaves for the next one.

use std::fs::{create_dir_all, rename, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::console::shown;
use crate::cli::fetch::remote::{Item, Remote, Trouble};

/// Bytes that are written at once.
const BUFFER: usize = 256 * 1024;
/// Bytes of a broken transfer that are compared with the phone's before it goes on: it may have been another file.
const OVERLAP: u32 = 512;

/// What came of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    /// All of it.
    pub(super) bytes: u64,
    /// Those that an earlier transfer had left.
    pub(super) resumed: u64,
}

/// What stopped a step: the phone, or the file here.
enum Stop {
    Remote(Trouble),
    Local(io::Error),
}

impl From<Trouble> for Stop {
    fn from(trouble: Trouble) -> Self {
        Self::Remote(trouble)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

/// Fetches the file at `path`, which `item` describes, to `target`; `show` is told how far it is.
pub(super) fn fetch(
    remote: &mut Remote,
    path: &str,
    item: &Item,
    target: &Path,
    show: impl FnMut(u64),
) -> Result<Fetched, Trouble> {
    let part = part_of(target);
    take(remote, path, item, &part, show)
        .map_err(|stop| match stop {
            Stop::Remote(trouble) => trouble,
            Stop::Local(error) => local(&part, &error),
        })
        .and_then(|fetched| {
            rename(&part, target)
                .map(|()| fetched)
                .map_err(|error| local(target, &error))
        })
}

fn take(
    remote: &mut Remote,
    path: &str,
    item: &Item,
    part: &Path,
    show: impl FnMut(u64),
) -> Result<Fetched, Stop> {
    // The first bytes come first, also for a transfer that goes on: they say how long a recording is that is still being
    // made, and the phone keeps to that for who has begun with them.
    let mut length = Length {
        bytes: item.size,
        asked_again: false,
    };
    let mut head = remote.read(path, 0)?.to_vec();
    if length.is_doubtful(0, head.len()) {
        length.ask_again(remote, path, 0, head.len())?;
    }
    head.truncate(length.left(0));
    create_dir_all(part.parent().unwrap_or(Path::new(".")))?;
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(part)?;
    let resumed = resume_at(remote, path, item, &file)?;
    file.set_len(resumed.into())?;
    file.write_all_at(&head, 0)?;
    let start = if resumed > 0 {
        resumed
    } else {
        head.len() as u32
    };
    let bytes = append(remote, path, start, &mut length, &file, show)?;
    if bytes < u64::from(item.size) {
        let words = format!("{path}: it ended at {bytes} of {} bytes", item.size);
        return Err(Trouble::Refused(words).into());
    }
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(item.time.into()))?;
    file.sync_all()?;
    Ok(Fetched {
        bytes,
        resumed: resumed.into(),
    })
}

fn local(path: &Path, error: &io::Error) -> Trouble {
    Trouble::Local(format!("writing {}: {error}", shown(path)))
}

fn part_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    target.with_file_name(name)
}

/// Where a transfer goes on: behind what is there, if the phone's file is the same as far as that can be seen.
fn resume_at(remote: &mut Remote, path: &str, item: &Item, file: &File) -> Result<u32, Stop> {
    let length = file.metadata()?.len();
    let Some(length) = u32::try_from(length)
        .ok()
        .filter(|length| *length > OVERLAP && *length <= item.size)
    else {
        return Ok(0);
    };
    let mut mine = [0; OVERLAP as usize];
    file.read_exact_at(&mut mine, u64::from(length - OVERLAP))?;
    let theirs = remote.read(path, length - OVERLAP)?;
    let same = theirs.len() >= mine.len() && theirs[..mine.len()] == mine;
    Ok(if same { length } else { 0 })
}

/// The length that the phone has said a file has: nothing is written beyond it, whatever the phone sends.
///
/// A recording in progress may have grown since it was listed. When bytes come for a place behind the length, the phone
/// is asked for the length once more, and only once: the file then ends there, however long it has become meanwhile.
struct Length {
    bytes: u32,
    asked_again: bool,
}

impl Length {
    /// The bytes end behind the length, and the phone has not been asked again.
    fn is_doubtful(&self, position: u32, bytes: usize) -> bool {
        !self.asked_again && u64::from(position) + bytes as u64 > self.bytes.into()
    }

    /// Asks the phone again; an error when it says that the file has not grown.
    fn ask_again(
        &mut self,
        remote: &mut Remote,
        path: &str,
        position: u32,
        bytes: usize,
    ) -> Result<(), Stop> {
        let now = remote.stat(path)?.map_or(0, |item| item.size);
        if now <= self.bytes {
            let sent = u64::from(position) + bytes as u64;
            let words = format!(
                "{path}: the phone sends {sent} bytes or more of a file of {} bytes",
                self.bytes
            );
            return Err(Trouble::Refused(words).into());
        }
        (self.bytes, self.asked_again) = (now, true);
        Ok(())
    }

    /// Bytes that may be written from a place on.
    fn left(&self, position: u32) -> usize {
        self.bytes.saturating_sub(position) as usize
    }
}

/// Fetches from `start` to the end; the length of the file.
fn append(
    remote: &mut Remote,
    path: &str,
    start: u32,
    length: &mut Length,
    file: &File,
    mut show: impl FnMut(u64),
) -> Result<u64, Stop> {
    let mut sink = BufWriter::with_capacity(
        BUFFER,
        At {
            file,
            place: start.into(),
        },
    );
    let mut done = start;
    loop {
        let bytes = remote.read(path, done)?;
        let count = bytes.len();
        if length.is_doubtful(done, count) {
            length.ask_again(remote, path, done, count)?;
            continue;
        }
        let bytes = &bytes[..count.min(length.left(done))];
        if bytes.is_empty() {
            sink.flush()?;
            return Ok(done.into());
        }
        sink.write_all(bytes)?;
        done += bytes.len() as u32;
        show(done.into());
    }
}

/// A file that is written from some place on.
struct At<'a> {
    file: &'a File,
    place: u64,
}

impl Write for At<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.place)?;
        self.place += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
