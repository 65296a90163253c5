//! What the standard library knows of this system's files and names; `io/windows/host.rs` has the same of Windows.

use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::path::Path;

use nix::sys::stat::{fstat, futimens};
use nix::sys::time::TimeSpec;

pub use std::os::unix::ffi::OsStrExt;
pub use std::os::unix::fs::{FileExt, MetadataExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

/// The time of a file's last change.
pub struct Modified(TimeSpec);

/// Not `Metadata::modified`: the standard library's time ends in 2038 on 32-bit ARM.
pub fn modified(file: &File) -> io::Result<Modified> {
    let stat = fstat(file)?;
    Ok(Modified(TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)))
}

/// Sets the time of the last change.
pub fn set_modified(file: &File, time: &Modified) -> io::Result<()> {
    Ok(futimens(file, &TimeSpec::UTIME_OMIT, &time.0)?)
}

/// New files have no more permission bits than these.
pub fn with_mode(options: &mut OpenOptions, mode: u32) -> &mut OpenOptions {
    options.mode(mode)
}

/// Takes all other permission bits from a file.
pub fn limit_mode(file: &File, limit: u32) -> io::Result<()> {
    let mode = file.metadata()?.permissions().mode();
    if mode & !limit & 0o777 != 0 {
        file.set_permissions(Permissions::from_mode(mode & limit))?;
    }
    Ok(())
}

/// The program of this name in a folder, if it may be run.
pub fn is_program(folder: &Path, name: &str) -> bool {
    let metadata = folder.join(name).metadata();
    metadata.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}
