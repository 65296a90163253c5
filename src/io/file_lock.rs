//! A lock between processes: a file that only one of them holds at a time.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// The lock, held until it is dropped or the process ends.
pub struct FileLock {
    _held: Flock<File>,
}

impl FileLock {
    /// Waits until no other process holds the lock. The file is made if it does not exist, and
    /// stays.
    pub fn acquire(path: &str) -> io::Result<Self> {
        let mut file = open(path)?;
        loop {
            match Flock::lock(file, FlockArg::LockExclusive) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((again, Errno::EINTR)) => file = again,
                Err((_, problem)) => return Err(problem.into()),
            }
        }
    }

    /// The same without waiting; `None`: another process holds the lock.
    pub fn try_acquire(path: &str) -> io::Result<Option<Self>> {
        match Flock::lock(open(path)?, FlockArg::LockExclusiveNonblock) {
            Ok(held) => Ok(Some(Self { _held: held })),
            Err((_, Errno::EAGAIN)) => Ok(None),
            Err((_, problem)) => Err(problem.into()),
        }
    }
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_it_at_a_time() {
        let path = std::env::temp_dir().join(format!("callrec-lock-{}", std::process::id()));
        let path = path.to_str().unwrap();
        let held = FileLock::acquire(path).unwrap();
        let file = || File::open(path).unwrap();
        assert!(Flock::lock(file(), FlockArg::LockExclusiveNonblock).is_err());
        assert!(FileLock::try_acquire(path).unwrap().is_none());
        drop(held);
        assert!(Flock::lock(file(), FlockArg::LockExclusiveNonblock).is_ok());
        drop(FileLock::acquire(path).unwrap());
        std::fs::remove_file(path).unwrap();
        assert!(FileLock::acquire("/proc/nothing/here").is_err());
    }
}
