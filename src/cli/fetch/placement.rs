//! Where a fetched file goes. A file that is here is replaced only by its own continuation: by a
//! recording that has grown, or by the sidecar of the same recording. Any other file stays, and the
//! fetched one gets the name `NAME-2`.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::cli::fetch::remote::RemoteEntry;
use crate::io::host::{FileExt, MetadataExt};
use crate::io::regular_file;
use crate::recordings::checksum;
use crate::wire::json::Object;
use crate::wire::recording::name::has_sidecar_suffix;
use crate::wire::recording::{DATA_SIZE_OFFSET, HEADER_BYTES};

/// Names that are tried for one file.
const MAX_NAMES: u32 = 99;
/// Bytes compared at once.
const PIECE: usize = 64 * 1024;
/// Sidecars of more bytes are compared as files.
const SIDECAR_BYTES: u64 = 64 * 1024;

/// Where a file has gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placement {
    pub(super) path: PathBuf,
    /// It was here already, with the same content.
    pub(super) is_known: bool,
    /// A file of that name with other content, which was kept.
    pub(super) other: Option<PathBuf>,
}

/// How a file differs from a fetched one.
enum Comparison {
    Same,
    /// The fetched one is its continuation.
    Continued,
    Other,
}

/// The file that a listing's entry describes, if it is here: it has the same length and time.
pub(super) fn find_known(target: &Path, entry: &RemoteEntry) -> Option<PathBuf> {
    find(target, entry, |_, found| {
        is_time(found.mtime(), entry.time.into())
    })
}

/// The time of a file here is that of the phone's file. A FAT file system stores even seconds.
fn is_time(here: i64, there: i64) -> bool {
    here == there || (here % 2 == 0 && here + 1 == there)
}

/// The file here that has the same length and this checksum of its audio. It gets the entry's time,
/// so that the next run finds it without reading it.
pub(super) fn find_with_sum(target: &Path, entry: &RemoteEntry, sum: [u8; 32]) -> Option<PathBuf> {
    let path = find(target, entry, |path, _| {
        let file = regular_file::open(path);
        file.is_ok_and(|file| has_sum(&file, sum).unwrap_or(false))
    })?;
    set_time(&path, time_of(entry));
    Some(path)
}

fn find(
    target: &Path,
    entry: &RemoteEntry,
    is_it: impl Fn(&Path, &fs::Metadata) -> bool,
) -> Option<PathBuf> {
    for path in candidates(target) {
        let found = fs::metadata(&path).ok()?;
        if found.is_file() && found.len() == u64::from(entry.size) && is_it(&path, &found) {
            return Some(path);
        }
    }
    None
}

/// The file's audio, which is all that follows the header, has this checksum.
pub(super) fn has_sum(file: &File, sum: [u8; 32]) -> io::Result<bool> {
    Ok(checksum::sha256(file, HEADER_BYTES as u64, u64::MAX)? == sum)
}

/// When the phone's file was written last.
pub(super) fn time_of(entry: &RemoteEntry) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(entry.time.into())
}

/// Gives a fetched file its name.
pub(super) fn place(part: &Path, target: &Path) -> io::Result<Placement> {
    let fetched = File::open(part)?;
    let mut other = None;
    for path in candidates(target) {
        let placement = |is_known| Placement {
            path: path.clone(),
            is_known,
            other: other.clone(),
        };
        let existing = match regular_file::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::rename(part, &path)?;
                return Ok(placement(false));
            }
            existing => existing?,
        };
        match compare(&path, &existing, &fetched)? {
            Comparison::Same => {
                fs::remove_file(part)?;
                set_time(&path, fetched.metadata()?.modified()?);
                return Ok(placement(true));
            }
            Comparison::Continued => {
                fs::rename(part, &path)?;
                return Ok(placement(false));
            }
            Comparison::Other => {
                other.get_or_insert(path);
            }
        }
    }
    Err(io::Error::other(format!(
        "{MAX_NAMES} files of this name with other content are here already"
    )))
}

/// The names that a file may have: `Record_1.wav`, `Record_1-2.wav`, `Record_1-3.wav`.
fn candidates(target: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    let numbered = |number: u32| {
        let mut name = target.file_stem().unwrap_or_default().to_owned();
        name.push(format!("-{number}"));
        if let Some(extension) = target.extension() {
            name.push(".");
            name.push(extension);
        }
        target.with_file_name(name)
    };
    let first = std::iter::once(target.to_owned());
    first.chain((2..=MAX_NAMES).map(numbered))
}

fn compare(path: &Path, existing: &File, fetched: &File) -> io::Result<Comparison> {
    let lengths = [existing.metadata()?.len(), fetched.metadata()?.len()];
    let [old, new] = lengths;
    if old == new && begins_with(fetched, existing, old, false)? {
        return Ok(Comparison::Same);
    }
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    let is_continued = if has_sidecar_suffix(name) {
        lengths.iter().all(|length| *length <= SIDECAR_BYTES)
            && describe_same_recording(&read(existing, old)?, &read(fetched, new)?)
    } else {
        old <= new && begins_with(fetched, existing, old, true)?
    };
    Ok(if is_continued {
        Comparison::Continued
    } else {
        Comparison::Other
    })
}

/// The first `length` bytes of two files are the same. While a recording grows, the length in its
/// header changes: that may be left out.
fn begins_with(one: &File, other: &File, length: u64, may_grow: bool) -> io::Result<bool> {
    let mut pieces = [vec![0; PIECE], vec![0; PIECE]];
    let mut done = 0;
    while done < length {
        let size = usize::try_from(length - done).unwrap_or(PIECE).min(PIECE);
        for (file, piece) in [one, other].into_iter().zip(&mut pieces) {
            file.read_exact_at(&mut piece[..size], done)?;
            if done == 0 && may_grow {
                let data_size = DATA_SIZE_OFFSET as usize..size.min(HEADER_BYTES);
                if let Some(data_size) = piece.get_mut(data_size) {
                    data_size.fill(0);
                }
            }
        }
        if pieces[0][..size] != pieces[1][..size] {
            return Ok(false);
        }
        done += size as u64;
    }
    Ok(true)
}

fn read(file: &File, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Two sidecars are of the same recording: the later one says more of it.
fn describe_same_recording(one: &[u8], other: &[u8]) -> bool {
    let (Ok(one), Ok(other)) = (Object::parse(one), Object::parse(other)) else {
        return false;
    };
    let keys = ["file", "start", "id", "device", "part"];
    let has_same = |key: &&str| one.raw(key) == other.raw(key);
    one.raw("start").is_some() && keys.iter().all(has_same)
}

/// Only to save work later: a failure does not matter.
fn set_time(path: &Path, time: SystemTime) {
    let file = File::options().write(true).open(path);
    let _ = file.and_then(|file| file.set_modified(time));
}
