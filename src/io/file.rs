//! A file that is written once, from front to back, on a stick that may stall, fill up or vanish.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use nix::fcntl::{fallocate, openat, FallocateFlags, OFlag};
use nix::sys::stat::Mode;

use crate::io::dir::retry;

/// A file that is being written.
pub struct Output(File);

impl Output {
    /// Creates a file that must not exist.
    pub fn create(directory: BorrowedFd, name: &str) -> io::Result<Self> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let fd = retry(|| openat(directory, name, flags, Mode::from_bits_truncate(0o644)))?;
        Ok(Self(File::from(fd)))
    }

    /// Writes some of the bytes, at least one.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write_at(bytes, offset) {
                Ok(0) => return Err(io::Error::from_raw_os_error(libc::EIO)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    /// Returns when data and length are on the medium.
    pub fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    /// Reserves blocks up to `bytes`; the file's length stays.
    pub fn reserve(&self, bytes: u64) -> io::Result<()> {
        let length = libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
        retry(|| fallocate(&self.0, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length))
    }

    /// Sets the length, and gives back what was reserved beyond.
    pub fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}
