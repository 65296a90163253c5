//! Regular files by path, as a person names them.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::io::own_error;

/// Opens a file to read it; links are followed.
pub fn open(path: &Path) -> io::Result<File> {
    regular(File::open(path)?)
}

/// Opens a file that is not a link.
pub fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    if path
        .symlink_metadata()
        .is_ok_and(|entry| entry.is_symlink())
    {
        let words = "is a symbolic link, which is not followed";
        return Err(own_error::error(ErrorKind::Other, words));
    }
    regular(options.open(path)?)
}

fn regular(file: File) -> io::Result<File> {
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(own_error::error(ErrorKind::Other, "is not a regular file"))
    }
}
