//! A call: the files of its parts, in order, also those that were not named.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::io::host::OsStrExt;
use crate::recordings::entry::RecordingEntry;
use crate::recordings::grouping::{group, PartKey};
use crate::recordings::recording_file::{FileState, OpenError};
use crate::wire::recording::name::has_recording_suffix;

/// The files of a call; at least one, in order of time.
pub struct Call {
    /// Its files.
    pub parts: Vec<RecordingEntry>,
}

/// A file, and the call that it is a part of.
pub struct CallOfFile {
    /// The call.
    pub call: Call,
    /// Index of the file.
    pub index: usize,
}

impl Call {
    /// The call that a file is a part of, whose other parts are searched for in its folder. `None`:
    /// it is not a recording.
    pub fn of(path: &Path) -> Result<Option<CallOfFile>, OpenError> {
        // What a link leads to is among the other parts.
        let path = if path.is_symlink() {
            path.canonicalize()?
        } else {
            path.to_owned()
        };
        let Some(entry) = RecordingEntry::of(&path)? else {
            return Ok(None);
        };
        let mut entries = vec![];
        if entry.sidecar.number("parts") != Some(1) {
            for other in neighbours(&path).iter().filter(|other| **other != path) {
                // A file that cannot be read is no part that could be joined.
                entries.extend(RecordingEntry::of(other).ok().flatten());
            }
        }
        entries.push(entry);
        let of_call = Self::group(entries).into_iter().find_map(|call| {
            let index = call.parts.iter().position(|part| part.path == path)?;
            Some(CallOfFile { call, index })
        });
        Ok(of_call)
    }

    /// Groups files into calls, the oldest first.
    pub fn group(mut entries: Vec<RecordingEntry>) -> Vec<Self> {
        entries.sort_by_cached_key(RecordingEntry::age);
        let keys: Vec<PartKey> = entries.iter().map(RecordingEntry::key).collect();
        let mut entries: Vec<Option<RecordingEntry>> = entries.into_iter().map(Some).collect();
        let mut calls = vec![];
        for indices in group(&keys) {
            let parts = indices.iter().filter_map(|at| entries[*at].take());
            calls.push(Self {
                parts: parts.collect(),
            });
        }
        calls
    }

    /// Number of its parts, also of those that are not there.
    pub fn count(&self) -> u64 {
        let numbers = |key| {
            self.parts
                .iter()
                .filter_map(move |part| part.sidecar.number(key))
        };
        let known = numbers("parts").chain(numbers("part")).max();
        known.unwrap_or(0).max(self.parts.len() as u64)
    }

    /// Which part this file is, from 1 on.
    pub fn number(&self, index: usize) -> u64 {
        let part = self.parts.get(index);
        let known = part.and_then(|part| part.sidecar.number("part"));
        known.unwrap_or(index as u64 + 1)
    }

    /// The numbers of the parts that are not there.
    pub fn missing(&self) -> Vec<u64> {
        let there: Vec<u64> = (0..self.parts.len()).map(|at| self.number(at)).collect();
        let numbers = 1..=self.count().min(MAX_PARTS);
        numbers.filter(|number| !there.contains(number)).collect()
    }

    /// What the sidecars say of the call. The last part that knows it decides: a stop may replace
    /// what the start said, when the earlier parts are written already.
    pub fn text(&self, key: &str) -> String {
        let mut values = self.parts.iter().rev().map(|part| part.sidecar.text(key));
        values.find(|value| !value.is_empty()).unwrap_or_default()
    }

    /// The sum over its files.
    pub fn sum(&self, of: fn(&RecordingEntry) -> u64) -> u64 {
        self.parts.iter().map(of).fold(0, u64::saturating_add)
    }

    /// The worst state of its files.
    pub fn state(&self) -> FileState {
        let states = self.parts.iter().map(|part| part.state);
        states.max().unwrap_or(FileState::Finished)
    }

    /// Who was heard, if a sidecar says that somebody was not: the worst of its parts.
    pub fn heard(&self) -> Heard {
        let parts = self.parts.iter().map(|part| part.sidecar.text("heard"));
        let heard = parts.map(|heard| match heard.as_str() {
            "none" => Heard::None,
            "one" => Heard::One,
            _ => Heard::Both,
        });
        heard.max().unwrap_or(Heard::Both)
    }
}

/// Who was heard in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Heard {
    /// Both, or nothing is known of it.
    Both,
    /// Only one party.
    One,
    /// Nobody.
    None,
}

/// More parts than any call has: a sidecar must not ask for a long list.
const MAX_PARTS: u64 = 10_000;

/// The recordings in the folder of a file. A folder of one day continues in that of the next.
fn neighbours(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut found = vec![];
    for folder in days_beside(folder).iter().chain([&folder.to_owned()]) {
        // Whoever may not list the folder may still read the file that was named.
        found.extend(recordings_in(folder).unwrap_or_default());
    }
    found
}

fn recordings_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = vec![];
    for entry in fs::read_dir(or_current(folder))? {
        let entry = entry?;
        let name = entry.file_name();
        if has_recording_suffix(name.as_bytes()) && entry.file_type()?.is_file() {
            found.push(folder.join(name));
        }
    }
    Ok(found)
}

/// The folders of the day before and of the day after, `YYYYMMDD`, as far as there are any.
fn days_beside(folder: &Path) -> Vec<PathBuf> {
    let (Some(parent), Some(name)) = (folder.parent(), folder.file_name()) else {
        return vec![];
    };
    if !is_day(name) {
        return vec![];
    }
    let Ok(entries) = fs::read_dir(or_current(parent)) else {
        return vec![];
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    let days: Vec<_> = names.filter(|name| is_day(name)).collect();
    let before = days.iter().filter(|day| day.as_os_str() < name).max();
    let after = days.iter().filter(|day| day.as_os_str() > name).min();
    let beside = before.into_iter().chain(after);
    beside.map(|day| parent.join(day)).collect()
}

fn is_day(name: &OsStr) -> bool {
    name.len() == 8 && name.as_bytes().iter().all(u8::is_ascii_digit)
}

/// A file without a folder is in the current one.
fn or_current(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}
