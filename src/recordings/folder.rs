//! The files below a folder, by name.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Depth of the folders that are searched: a server keeps one for each phone.
const MAX_DEPTH: u32 = 4;

/// What a search has found.
#[derive(Default)]
pub struct Found {
    /// The files of a folder, then those of its folders; each by name.
    pub files: Vec<PathBuf>,
    /// Folders that could not be read.
    pub errors: Vec<(PathBuf, io::Error)>,
}

/// Searches for files whose names are accepted. Links are not followed.
pub fn search(folder: &Path, accepts: fn(&[u8]) -> bool) -> Found {
    let mut found = Found::default();
    found.search(folder, accepts, MAX_DEPTH);
    found
}

impl Found {
    fn search(&mut self, folder: &Path, accepts: fn(&[u8]) -> bool, depth: u32) {
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
            self.errors.push((folder.into(), error));
        }
        // Comparing `PathBuf`s would compare their components: more code in the program, and nothing gained.
        let by_name = |one: &PathBuf, other: &PathBuf| one.as_os_str().cmp(other.as_os_str());
        files.sort_unstable_by(by_name);
        folders.sort_unstable_by(by_name);
        self.files.append(&mut files);
        if depth > 0 {
            for folder in folders {
                self.search(&folder, accepts, depth - 1);
            }
        }
    }
}
