//! Recordings as the tools find them: paths and folders in, open files out.

use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::cli::console::{shown, Console};
use crate::cli::open_file;
use crate::io::file::is_claimed;
use crate::recordings::repair::{look, Look, Refusal};
use crate::wire::recording::{Extent, Header, HEADER_BYTES, NAME_SUFFIX};

/// Folders in folders that are looked into: a server keeps one for each phone.
const MAX_DEPTH: u32 = 4;

/// A file that can be read as a recording.
pub(super) struct Recording {
    pub(super) path: PathBuf,
    pub(super) file: File,
    /// As it should be: what is damaged was found out from the frames.
    pub(super) header: Header,
    /// What is there.
    pub(super) extent: Extent,
    pub(super) state: State,
}

/// How a recording's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Finished,
    /// Nobody writes it, but header and length disagree.
    Unfinished,
    /// Being written.
    Recording,
    /// Its header was found out from its frames, or is as odd as it was.
    Damaged,
}

impl State {
    /// In tables, and in JSON.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Unfinished => "unfinished",
            Self::Recording => "recording",
            Self::Damaged => "damaged",
        }
    }
}

/// Why a path is no recording that can be read.
pub(super) enum Problem {
    Refused(Refusal),
    Unreadable(io::Error),
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(refusal) => f.write_str(refusal.words()),
            Self::Unreadable(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl Recording {
    pub(super) fn open(path: &Path) -> Result<Self, Problem> {
        let file = open_file(path)?;
        let entry = file.metadata()?;
        let (header, sound) = match look(&file)? {
            Look::Sound(header) => (header, true),
            Look::Salvaged(header) | Look::Odd(header) => (header, false),
            Look::Refused(refusal) => return Err(Problem::Refused(refusal)),
        };
        let extent = header.extent(entry.len());
        let state = match sound {
            _ if is_claimed(&file) => State::Recording,
            false => State::Damaged,
            true if extent.exact => State::Finished,
            true => State::Unfinished,
        };
        Ok(Self {
            path: path.into(),
            file,
            header,
            extent,
            state,
        })
    }

    /// Frames are whole packets: by the header's lengths; where these make no sense, by the first frame's first byte.
    pub(super) fn is_rtp(&self) -> bool {
        let mut first = [0x80];
        if !self.header.fits() {
            let _ = self.file.read_at(&mut first, HEADER_BYTES as u64);
        }
        self.header.frames_are_rtp(first[0])
    }
}

/// The paths, and in the place of a folder the `*.wav` files below it, by name. No link is followed in a folder.
pub(super) fn expand(
    paths: &[PathBuf],
    console: &mut Console,
    problems: &mut Vec<String>,
) -> Vec<PathBuf> {
    let mut found = vec![];
    for path in paths {
        let (before, problems_before) = (found.len(), problems.len());
        match path.is_dir() {
            true => walk(path, NAME_SUFFIX, MAX_DEPTH, &mut found, problems),
            false => found.push(path.clone()),
        }
        if (found.len(), problems.len()) == (before, problems_before) {
            console.note(&format!("{}: no recordings in it", shown(path)));
        }
    }
    found
}

/// The files below a folder whose names end so; none if it is no folder.
#[cfg(feature = "tools")]
pub(super) fn find(folder: &Path, suffix: &str) -> Vec<PathBuf> {
    let mut found = vec![];
    if folder.is_dir() {
        walk(folder, suffix, MAX_DEPTH, &mut found, &mut vec![]);
    }
    found
}

fn walk(
    folder: &Path,
    suffix: &str,
    depth: u32,
    found: &mut Vec<PathBuf>,
    problems: &mut Vec<String>,
) {
    let (mut files, mut folders) = (vec![], vec![]);
    let mut read = || -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && ends(entry.file_name().as_bytes(), suffix.as_bytes()) {
                files.push(entry.path());
            }
        }
        Ok(())
    };
    if let Err(error) = read() {
        problems.push(format!("{}: {error}", shown(folder)));
    }
    let by_name = |one: &PathBuf, other: &PathBuf| one.as_os_str().cmp(other.as_os_str());
    files.sort_unstable_by(by_name);
    folders.sort_unstable_by(by_name);
    found.append(&mut files);
    for folder in folders.iter().filter(|_| depth > 0) {
        walk(folder, suffix, depth - 1, found, problems);
    }
}

fn ends(name: &[u8], suffix: &[u8]) -> bool {
    name.len()
        .checked_sub(suffix.len())
        .is_some_and(|at| name[at..].eq_ignore_ascii_case(suffix))
}
