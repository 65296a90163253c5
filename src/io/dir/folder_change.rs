//! Whether a folder has changed, without opening it.

use std::io;
use std::time::{Duration, SystemTime};

use nix::fcntl::AtFlags;
use nix::sys::stat::{fstatat, SFlag};

use super::{retry, Dir};

/// The last change of a folder's entries. It is the status change time: unlike the modification
/// time, programs that copy folders cannot set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderChange {
    device: u64,
    inode: u64,
    seconds: i64,
    nanos: i64,
}

impl FolderChange {
    /// By the wall clock.
    pub fn time(&self) -> SystemTime {
        let since_1970 = Duration::new(
            self.seconds.try_into().unwrap_or(0),
            self.nanos.try_into().unwrap_or(0),
        );
        SystemTime::UNIX_EPOCH + since_1970
    }
}

impl Dir {
    /// The last change of a subfolder; an error for anything else.
    pub fn folder_change(&self, name: &[u8]) -> io::Result<FolderChange> {
        let stat = retry(|| fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW))?;
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFDIR => Ok(FolderChange {
                device: stat.st_dev,
                inode: stat.st_ino,
                seconds: stat.st_ctime,
                nanos: stat.st_ctime_nsec,
            }),
            _ => Err(io::Error::from_raw_os_error(libc::ENOTDIR)),
        }
    }
}
