//! The files below a folder, by name.

use std::io;
use std::path::{Path, PathBuf};

use crate::io::host::OsStrExt;

/// Depth of the folders that are searched: a server keeps one for each phone.
const MAX_DEPTH: u32 = 4;

/// Is called for each folder that cannot be read.
pub type OnError<'a> = &'a mut dyn FnMut(&Path, io::Error);

/// Searches for files whose names are accepted: those of a folder, then those of its folders, each
/// by name. Links are not followed.
pub fn search(folder: &Path, accepts: fn(&[u8]) -> bool, on_error: OnError) -> Vec<PathBuf> {
    let mut found = vec![];
    descend(folder, accepts, MAX_DEPTH, &mut found, on_error);
    found
}

fn descend(
    folder: &Path,
    accepts: fn(&[u8]) -> bool,
    depth: u32,
    found: &mut Vec<PathBuf>,
    on_error: OnError,
) {
    let mut files = vec![];
    let mut folders = vec![];
    let mut read = || -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() && accepts(entry.file_name().as_bytes()) {
                files.push(entry.path());
            }
        }
        Ok(())
    };
    // What was read before an error is kept.
    if let Err(error) = read() {
        on_error(folder, error);
    }
    // Comparing `PathBuf`s would compare their components: more code in the program, and nothing
    // gained.
    let by_name = |one: &PathBuf, other: &PathBuf| one.as_os_str().cmp(other.as_os_str());
    files.sort_unstable_by(by_name);
    folders.sort_unstable_by(by_name);
    found.append(&mut files);
    if depth > 0 {
        for folder in folders {
            descend(&folder, accepts, depth - 1, found, on_error);
        }
    }
}
