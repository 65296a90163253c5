//! Files on a stick that may stall, fill up or vanish: a file that is written once, from the
//! beginning to the end, and a file that is read.

use std::fs::File;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;

use nix::errno::Errno;
use nix::fcntl::{
    fallocate, fcntl, posix_fadvise, FallocateFlags, FcntlArg, OFlag, PosixFadviseAdvice,
};
use nix::sys::stat::Mode;

use crate::io::dir::{open_at, retry};

/// A regular file that is being read, on a stick that may be slow.
pub struct Input(File);

impl Input {
    /// Opens a regular file in a folder, and returns it with its length; links, devices and pipes
    /// are errors.
    pub fn open(directory: BorrowedFd, name: &[u8]) -> io::Result<(Self, u64)> {
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = open_at(directory, name, flags, Mode::empty())?;
        let entry = file.metadata()?;
        if entry.is_file() {
            Ok((Self(file), entry.len()))
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    /// Reads until `buffer` is full or the file ends.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match self.0.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(more) => done += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Asks the system to read ahead in the background, so that a later `read` finds the data in
    /// memory.
    pub fn read_ahead(&self, offset: u64, bytes: u64) {
        let range = (libc::off_t::try_from(offset), libc::off_t::try_from(bytes));
        if let (Ok(offset), Ok(bytes)) = range {
            let _ = posix_fadvise(
                &self.0,
                offset,
                bytes,
                PosixFadviseAdvice::POSIX_FADV_WILLNEED,
            );
        }
    }
}

/// A file that is being written.
pub struct Output(File);

impl Output {
    /// Creates a file; an error if it exists.
    pub fn create(directory: BorrowedFd, name: &str) -> io::Result<Self> {
        Self::create_for(directory, name, 0o644)
    }

    /// Creates a file with these permission bits.
    pub fn create_for(directory: BorrowedFd, name: &str, mode: libc::mode_t) -> io::Result<Self> {
        let flags =
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let mode = Mode::from_bits_truncate(mode);
        let file = open_at(directory, name.as_bytes(), flags, mode)?;
        claim(&file);
        Ok(Self(file))
    }

    /// Writes at least one of the bytes; returns how many.
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
        let length =
            libc::off_t::try_from(bytes).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
        retry(|| fallocate(&self.0, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, length))
    }

    /// Sets the length, and releases blocks that were reserved beyond it.
    pub fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}

/// Locks the file until it is closed, by which our programs recognize a file that is being written;
/// `false` when another program has locked it. Returns `true` on a file system without locks.
pub fn claim(file: &File) -> bool {
    let taken = [Err(Errno::EAGAIN), Err(Errno::EACCES)];
    !taken.contains(&fcntl(file, FcntlArg::F_OFD_SETLK(&whole_file())))
}

/// Another program has claimed the file.
pub fn is_claimed(file: &File) -> bool {
    let mut lock = whole_file();
    let asked = fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock));
    asked.is_ok() && i32::from(lock.l_type) != libc::F_UNLCK
}

fn whole_file() -> libc::flock {
    libc::flock {
        l_type: libc::F_WRLCK as _,
        l_whence: libc::SEEK_SET as _,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    }
}

/// Reads the beginning of a small file, up to the size of the buffer; nothing if it does not exist.
pub fn read_small<'a>(path: &str, buffer: &'a mut [u8]) -> &'a [u8] {
    let read = |buffer: &mut [u8]| File::open(path)?.read_at(buffer, 0);
    let len = read(buffer).unwrap_or(0);
    &buffer[..len]
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_file_is_claimed_from_its_creation_until_it_is_closed() {
        let path = std::env::temp_dir().join(format!("callrec-claim-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let folder = File::open(std::env::temp_dir()).unwrap();
        let output =
            Output::create(folder.as_fd(), path.file_name().unwrap().to_str().unwrap()).unwrap();
        let (reader, writer) = (
            File::open(&path).unwrap(),
            File::options().write(true).open(&path).unwrap(),
        );
        assert!(is_claimed(&reader) && is_claimed(&writer) && !claim(&writer));
        drop(output);
        assert!(
            !is_claimed(&reader) && claim(&writer) && is_claimed(&reader) && !is_claimed(&writer)
        );
        std::fs::remove_file(&path).unwrap();
    }
}
