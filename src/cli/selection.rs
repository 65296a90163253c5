//! The calls that a command's paths stand for: a file stands for all parts of its call, a folder
//! for the calls in it.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::cli::arguments::expand;
use crate::cli::console::{shown, Console};
use crate::recordings::call::{Call, CallOfFile};
use crate::recordings::entry::RecordingEntry;

/// What a path stands for.
pub(super) enum Selected {
    /// A call, or one part of it.
    Call(SelectedCall),
    /// No recording that could be described; whoever opens it learns why.
    Other(PathBuf),
}

/// A call.
pub(super) struct SelectedCall {
    /// Its parts; with `--this-part` only that one.
    pub(super) call: Call,
    /// The path that was named; `None`: a folder was.
    pub(super) named: Option<PathBuf>,
    /// `--this-part`: which one it is. `None`: all parts were selected.
    pub(super) this_part: Option<PartOfCall>,
    /// Parts of the call that are not there. Empty with `--this-part`.
    pub(super) missing: Vec<u64>,
}

/// One part of so many.
#[derive(Clone, Copy)]
pub(super) struct PartOfCall {
    pub(super) number: u64,
    pub(super) count: u64,
}

impl fmt::Display for PartOfCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "part {} of {}", self.number, self.count)
    }
}

impl Selected {
    /// The files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        match self {
            Self::Call(selected) => selected.files(),
            Self::Other(path) => vec![path.clone()],
        }
    }
}

impl SelectedCall {
    /// All that a file belongs to, or with `this_part` only the file.
    fn new(of_file: CallOfFile, named: &Path, this_part: bool) -> Self {
        let CallOfFile { mut call, index } = of_file;
        let part = PartOfCall {
            number: call.number(index),
            count: call.count(),
        };
        let mut missing = vec![];
        if this_part {
            call.parts = call.parts.drain(index..=index).collect();
        } else {
            missing = call.missing();
        }
        Self {
            call,
            named: Some(named.into()),
            this_part: this_part.then_some(part),
            missing,
        }
    }

    /// The files of the parts.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let paths = self.call.parts.iter().map(|part| part.path.clone());
        paths.collect()
    }

    /// `parts 2, 3 of the call are missing`; `None` if all are there.
    pub(super) fn missing_text(&self) -> Option<String> {
        let numbers: Vec<String> = self.missing.iter().take(9).map(u64::to_string).collect();
        let more = if self.missing.len() > 9 { ", ..." } else { "" };
        let (noun, verb) = match numbers.len() {
            0 => return None,
            1 => ("part", "is"),
            _ => ("parts", "are"),
        };
        Some(format!(
            "{noun} {}{more} of {} {verb} missing",
            numbers.join(", "),
            self.call.count()
        ))
    }

    /// Tells on standard error what the user may not expect: which part this is, which files were
    /// added to those that were named, and which are missing.
    pub(super) fn remark(&self, named: &[PathBuf], console: &mut Console) {
        let Some(name) = &self.named else {
            return;
        };
        let name = shown(name);
        if let Some(part) = self.this_part {
            console.note(&format!("{name}: {part} of the call"));
            return;
        }
        let files = self.files();
        let added = files.iter().filter(|file| !is_among(named, file));
        let added: Vec<String> = added.map(|file| shown(file)).collect();
        if !added.is_empty() {
            console.note(&format!(
                "{name}: is one of {} parts of the call, joined with {}; --this-part takes it alone",
                self.call.count(),
                added.join(", ")
            ));
        }
        if let Some(missing) = self.missing_text() {
            console.note(&format!("{name}: {missing}"));
        }
    }
}

/// The calls of the paths, each once.
pub(super) fn select(
    paths: &[PathBuf],
    this_part: bool,
    console: &mut Console,
    problems: &mut Vec<String>,
) -> Vec<Selected> {
    let mut selected: Vec<Selected> = vec![];
    for path in paths {
        if path.is_dir() {
            selected.append(&mut of_folder(path, this_part, console, problems));
            continue;
        }
        let is_known = |known: &Selected| is_among(&known.files(), path);
        if !this_part && selected.iter().any(is_known) {
            continue;
        }
        selected.push(match Call::of(path) {
            Ok(Some(of_file)) => Selected::Call(SelectedCall::new(of_file, path, this_part)),
            Ok(None) | Err(_) => Selected::Other(path.clone()),
        });
    }
    selected
}

fn of_folder(
    folder: &Path,
    this_part: bool,
    console: &mut Console,
    problems: &mut Vec<String>,
) -> Vec<Selected> {
    let mut entries = vec![];
    let mut others = vec![];
    for file in expand(&[folder.into()], console, problems) {
        match RecordingEntry::of(&file) {
            Ok(Some(entry)) => entries.push(entry),
            Ok(None) | Err(_) => others.push(Selected::Other(file)),
        }
    }
    let mut calls = vec![];
    for call in Call::group(entries) {
        let missing = call.missing();
        let whole = SelectedCall {
            call,
            named: None,
            this_part: None,
            missing,
        };
        if this_part {
            calls.extend(each_part(whole));
        } else {
            calls.push(Selected::Call(whole));
        }
    }
    calls.append(&mut others);
    calls
}

/// Each part of a call alone.
fn each_part(whole: SelectedCall) -> Vec<Selected> {
    let count = whole.call.count();
    let parts = whole.call.parts.len();
    let numbers: Vec<u64> = (0..parts).map(|at| whole.call.number(at)).collect();
    let alone = |(part, number): (RecordingEntry, u64)| {
        Selected::Call(SelectedCall {
            call: Call { parts: vec![part] },
            named: None,
            this_part: Some(PartOfCall { number, count }),
            missing: vec![],
        })
    };
    whole
        .call
        .parts
        .into_iter()
        .zip(numbers)
        .map(alone)
        .collect()
}

/// The file is one of these, by whatever path.
fn is_among(files: &[PathBuf], file: &Path) -> bool {
    if files.iter().any(|known| known == file) {
        return true;
    }
    let Ok(real) = file.canonicalize() else {
        return false;
    };
    files
        .iter()
        .any(|known| known.canonicalize().is_ok_and(|known| known == real))
}
