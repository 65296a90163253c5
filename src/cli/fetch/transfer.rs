//! The transfer of one file. It is written to `NAME.part` first, which an interrupted transfer
//! leaves for the next one.

use std::fs::{create_dir_all, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::fetch::placement::time_of;
use crate::cli::fetch::remote::{FetchError, Remote, RemoteEntry};
use crate::io::host::{limit_mode, with_mode, FileExt};

/// The bytes of one write.
const BUFFER: usize = 256 * 1024;
/// Others on this computer may not listen to the calls.
const MODE: u32 = 0o640;
/// The last bytes of an interrupted transfer, which are compared with the phone's before it is
/// resumed: it may have been another file.
const OVERLAP: u32 = 512;

/// The result of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fetched {
    /// The length of the file.
    pub(super) bytes: u64,
    /// The bytes that an earlier transfer had left.
    pub(super) resumed: u64,
}

/// The cause of a failure: the phone, or the file here.
enum TransferError {
    Remote(FetchError),
    Local(io::Error),
}

impl From<FetchError> for TransferError {
    fn from(error: FetchError) -> Self {
        Self::Remote(error)
    }
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> Self {
        Self::Local(error)
    }
}

/// Fetches the file at `path`, which `entry` describes, to `part`. `show` gets the number of bytes
/// that are there.
pub(super) fn transfer(
    remote: &mut Remote,
    path: &str,
    entry: &RemoteEntry,
    part: &Path,
    show: impl FnMut(u64),
) -> Result<Fetched, FetchError> {
    fetch_part(remote, path, entry, part, show).map_err(|error| match error {
        TransferError::Remote(error) => error,
        TransferError::Local(error) => write_error(part, &error),
    })
}

fn fetch_part(
    remote: &mut Remote,
    path: &str,
    entry: &RemoteEntry,
    part: &Path,
    show: impl FnMut(u64),
) -> Result<Fetched, TransferError> {
    // The first bytes are fetched first, also when a transfer is resumed: they have the length of a
    // recording in progress, and the phone serves that length to a client that has begun with them.
    let mut length = KnownLength {
        bytes: entry.size,
        asked_again: false,
    };
    let mut head = remote.read(path, 0)?.to_vec();
    if length.is_exceeded_by(0, head.len()) {
        length.ask_again(remote, path, 0, head.len())?;
    }
    head.truncate(length.left(0));
    create_dir_all(part.parent().unwrap_or(Path::new(".")))?;
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false);
    let file = with_mode(&mut options, MODE).open(part)?;
    let resumed = resume_at(remote, path, entry, &file)?;
    file.set_len(resumed.into())?;
    file.write_all_at(&head, 0)?;
    let start = if resumed > 0 {
        resumed
    } else {
        head.len() as u32
    };
    let bytes = append(remote, path, start, &mut length, &file, show)?;
    if bytes < u64::from(entry.size) {
        let words = format!(
            "{path}: the file ended after {bytes} of {} bytes",
            entry.size
        );
        return Err(FetchError::Refused(words).into());
    }
    file.set_modified(time_of(entry))?;
    limit_mode(&file, MODE)?; // an earlier version's part
    file.sync_all()?;
    Ok(Fetched {
        bytes,
        resumed: resumed.into(),
    })
}

/// A file that cannot be written. Without space, no other file can be.
pub(super) fn write_error(path: &Path, error: &io::Error) -> FetchError {
    let problem = format!("writing {}: {error}", shown(path));
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem => {
            FetchError::Fatal(problem)
        }
        _ => FetchError::Local(problem),
    }
}

/// The name of a file while it is fetched.
pub(super) fn part_of(target: &Path) -> PathBuf {
    let mut name = target.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    target.with_file_name(name)
}

/// Where a transfer is resumed: after the bytes that are there, if the last of them are the same on
/// the phone.
fn resume_at(
    remote: &mut Remote,
    path: &str,
    entry: &RemoteEntry,
    file: &File,
) -> Result<u32, TransferError> {
    let length = file.metadata()?.len();
    let Some(length) = u32::try_from(length)
        .ok()
        .filter(|length| *length > OVERLAP && *length <= entry.size)
    else {
        return Ok(0);
    };
    let mut mine = [0; OVERLAP as usize];
    file.read_exact_at(&mut mine, u64::from(length - OVERLAP))?;
    let theirs = remote.read(path, length - OVERLAP)?;
    let same = theirs.len() >= mine.len() && theirs[..mine.len()] == mine;
    Ok(if same { length } else { 0 })
}

/// The length that the phone has named for a file: nothing is written beyond it, whatever the phone
/// sends.
///
/// A recording in progress may have grown since it was listed. When bytes arrive for a position
/// beyond the length, the phone is asked for the length once more, and only once: the file then
/// ends there, even if it has grown again.
struct KnownLength {
    bytes: u32,
    asked_again: bool,
}

impl KnownLength {
    /// Whether bytes end beyond the length, and the phone has not been asked again.
    fn is_exceeded_by(&self, position: u32, bytes: usize) -> bool {
        !self.asked_again && u64::from(position) + bytes as u64 > self.bytes.into()
    }

    /// Asks the phone again; an error if it says that the file has not grown.
    fn ask_again(
        &mut self,
        remote: &mut Remote,
        path: &str,
        position: u32,
        bytes: usize,
    ) -> Result<(), TransferError> {
        let now = remote.stat(path)?.map_or(0, |entry| entry.size);
        if now <= self.bytes {
            let sent = u64::from(position) + bytes as u64;
            let words = format!(
                "{path}: the phone sends {sent} bytes or more of a file of {} bytes",
                self.bytes
            );
            return Err(FetchError::Refused(words).into());
        }
        self.bytes = now;
        self.asked_again = true;
        Ok(())
    }

    /// The bytes that may be written from a position on.
    fn left(&self, position: u32) -> usize {
        self.bytes.saturating_sub(position) as usize
    }
}

/// Fetches from `start` to the end; returns the length of the file.
fn append(
    remote: &mut Remote,
    path: &str,
    start: u32,
    length: &mut KnownLength,
    file: &File,
    mut show: impl FnMut(u64),
) -> Result<u64, TransferError> {
    let mut sink = BufWriter::with_capacity(
        BUFFER,
        PositionedFile {
            file,
            position: start.into(),
        },
    );
    let mut done = start;
    loop {
        let bytes = remote.read(path, done)?;
        let count = bytes.len();
        if length.is_exceeded_by(done, count) {
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

/// A file that is written from a position on.
struct PositionedFile<'a> {
    file: &'a File,
    position: u64,
}

impl Write for PositionedFile<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write_at(bytes, self.position)?;
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
