//! Regular files by path, as a person names them. A pipe or a device is an error, and never a wait
//! for its other end.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::io::own_error;

/// Opens a file to read it; links are followed.
pub fn open(path: &Path) -> io::Result<File> {
    open_with(path, File::options().read(true), 0)
}

/// Opens a file that is not a link.
pub fn open_no_follow(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    open_with(path, options, libc::O_NOFOLLOW).map_err(|error| {
        if error.raw_os_error() == Some(libc::ELOOP) {
            own_error::error(
                ErrorKind::Other,
                "is a symbolic link, which is not followed",
            )
        } else {
            error
        }
    })
}

fn open_with(path: &Path, options: &mut OpenOptions, flags: i32) -> io::Result<File> {
    // Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    let file = options.custom_flags(libc::O_NONBLOCK | flags).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(own_error::error(ErrorKind::Other, "is not a regular file"))
    }
}
