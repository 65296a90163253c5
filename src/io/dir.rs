//! An open folder: calls relative to it always reach the same folder, even if its path changes. No
//! heap.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::fcntl::renameat;
use nix::fcntl::{open, openat, AtFlags, OFlag};
use nix::sys::stat::{fstatat, Mode, SFlag};
use nix::sys::statvfs::fstatvfs;
use nix::unistd::fsync;
use nix::unistd::{unlinkat, UnlinkatFlags};

use crate::io::sys;

#[cfg(feature = "server")]
mod archive;
#[cfg(feature = "s3")]
pub mod folder_change;

/// An open folder.
pub struct Dir {
    fd: OwnedFd,
}

/// The attributes of a file that are known without opening it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its length in bytes.
    pub bytes: u64,
    /// Seconds since 1970.
    pub modified: i64,
}

/// An iteration over the names in a folder, one buffer at a time.
pub struct Names {
    fd: OwnedFd,
    buffer: [u8; 2048],
    len: usize,
    at: usize,
}

const FOLDER: OFlag = OFlag::O_RDONLY
    .union(OFlag::O_DIRECTORY)
    .union(OFlag::O_CLOEXEC);

impl Dir {
    /// Opens a folder.
    pub fn open(path: &[u8]) -> io::Result<Self> {
        Ok(Self {
            fd: retry(|| open(path, FOLDER, Mode::empty()))?,
        })
    }

    /// The descriptor, for calls relative to the folder.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Free bytes that are available to us.
    pub fn free_bytes(&self) -> io::Result<u64> {
        let space = retry(|| fstatvfs(&self.fd))?;
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        Ok(space.blocks_available() as u64 * space.fragment_size() as u64)
    }

    /// Deletes a file.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        let mut buffer = NAME_BUFFER;
        let name = c_name(name, &mut buffer)?;
        retry(|| unlinkat(&self.fd, name, UnlinkatFlags::NoRemoveDir))
    }

    /// Renames a file, replacing an existing one; returns when the change is on the medium.
    pub fn rename(&self, old: &[u8], new: &[u8]) -> io::Result<()> {
        let mut buffers = [NAME_BUFFER; 2];
        let [old_buffer, new_buffer] = &mut buffers;
        let old = c_name(old, old_buffer)?;
        let new = c_name(new, new_buffer)?;
        retry(|| renameat(&self.fd, old, &self.fd, new))?;
        retry(|| fsync(&self.fd))
    }

    /// Opens a regular file for reading and writing; links, devices and pipes are errors.
    pub fn open_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let file = open_at(self.fd.as_fd(), name, flags, Mode::empty())?;
        if file.metadata()?.is_file() {
            Ok(file)
        } else {
            Err(io::Error::from_raw_os_error(libc::EINVAL))
        }
    }

    /// The attributes of a regular file; an error for anything else.
    pub fn stat(&self, name: &[u8]) -> io::Result<Entry> {
        let mut buffer = NAME_BUFFER;
        let name = c_name(name, &mut buffer)?;
        let stat = retry(|| fstatat(&self.fd, name, AtFlags::AT_SYMLINK_NOFOLLOW))?;
        let bytes = stat.st_size.unsigned_abs();
        let modified = stat.st_mtime;
        match SFlag::from_bits_truncate(stat.st_mode & SFlag::S_IFMT.bits()) {
            SFlag::S_IFREG => Ok(Entry { bytes, modified }),
            _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
        }
    }

    /// Begins an iteration over the names.
    pub fn names(&self) -> io::Result<Names> {
        let fd = retry(|| openat(&self.fd, c".", FOLDER, Mode::empty()))?;
        Ok(Names {
            fd,
            buffer: [0; 2048],
            len: 0,
            at: 0,
        })
    }
}

impl Names {
    /// The next name that may be a regular file; `None` at the end.
    pub fn next_file(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let Some((kind, name)) = self.next_record()? else {
                return Ok(None);
            };
            if kind == libc::DT_REG || kind == libc::DT_UNKNOWN {
                // Borrowed again, because the borrow checker does not accept a returned borrow in a
                // loop.
                return Ok(Some(&self.buffer[name]));
            }
        }
    }

    /// The type of the next entry, and the range of its name in the buffer.
    fn next_record(&mut self) -> io::Result<Option<(u8, core::ops::Range<usize>)>> {
        // struct linux_dirent64: inode 8, offset 8, length of the record 2, type 1, name with NUL.
        const NAME: usize = 19;
        if self.at >= self.len {
            self.len = sys::directory_entries(self.fd.as_fd(), &mut self.buffer)?;
            self.at = 0;
        }
        let start = self.at;
        let record = &self.buffer[start..self.len];
        let Some([low, high, kind]) = record.get(16..NAME) else {
            return Ok(None);
        };
        let length = usize::from(u16::from_ne_bytes([*low, *high]));
        let name = record.get(NAME..length).unwrap_or_default();
        let ends = name.iter().position(|b| *b == 0).unwrap_or(name.len());
        self.at += length.max(NAME);
        Ok(Some((*kind, start + NAME..start + NAME + ends)))
    }
}

/// Opens a file in a folder.
pub(super) fn open_at(
    folder: BorrowedFd,
    name: &[u8],
    flags: OFlag,
    mode: Mode,
) -> io::Result<File> {
    let mut buffer = NAME_BUFFER;
    let name = c_name(name, &mut buffer)?;
    let fd = retry(|| openat(folder, name, flags, mode))?;
    Ok(File::from(fd))
}

/// Room for a name and its NUL: a name of vfat has up to 255 characters, 765 bytes.
const NAME_BUFFER: [u8; 1024] = [0; 1024];

/// A name with a NUL behind it, as the system takes it. The functions of `nix` take a name without,
/// but have code of their own for each call, which allocates if the name is long.
fn c_name<'a>(name: &[u8], buffer: &'a mut [u8; 1024]) -> io::Result<&'a CStr> {
    let Some(with_nul) = buffer.get_mut(..=name.len()) else {
        return Err(io::Error::from_raw_os_error(libc::ENAMETOOLONG));
    };
    with_nul[..name.len()].copy_from_slice(name);
    with_nul[name.len()] = 0;
    let name = CStr::from_bytes_with_nul(with_nul);
    name.map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Repeats a call that was interrupted by a signal.
pub(super) fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            done => return Ok(done?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_over_all_files_and_removes() {
        let path = std::env::temp_dir().join(format!("callrec-dir-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let wanted: std::collections::BTreeSet<String> =
            (0..300).map(|i| format!("file-{i}")).collect();
        for name in &wanted {
            std::fs::write(path.join(name), name).unwrap();
        }
        let dir = Dir::open(path.to_str().unwrap().as_bytes()).unwrap();
        let mut found = std::collections::BTreeSet::new();
        let mut names = dir.names().unwrap();
        std::fs::create_dir(path.join("folder")).unwrap();
        std::os::unix::fs::symlink("/etc/hostname", path.join("link")).unwrap();
        while let Some(name) = names.next_file().unwrap() {
            assert!(found.insert(String::from_utf8(name.to_vec()).unwrap()));
        }
        assert_eq!(found, wanted);
        assert!(dir.free_bytes().unwrap() > 0);
        let entry = dir.stat(b"file-10").unwrap();
        assert!(entry.bytes == 7 && entry.modified > 1_700_000_000);
        for name in &found {
            dir.remove(name.as_bytes()).unwrap();
        }
        assert!(dir.open_file(b"folder").is_err());
        assert!(dir.open_file(b"link").is_err());
        assert!(
            dir.stat(b"link").is_err()
                && dir.stat(b"folder").is_err()
                && dir.stat(b"nothing").is_err()
        );
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn a_name_that_the_system_cannot_take_is_an_error() {
        let dir = Dir::open(std::env::temp_dir().to_str().unwrap().as_bytes()).unwrap();
        let error = |name: &[u8]| dir.stat(name).unwrap_err().raw_os_error();
        assert_eq!(error(b"a\0b"), Some(libc::EINVAL));
        for len in [256, 1023, 1024, 5000] {
            assert_eq!(error(&vec![b'x'; len]), Some(libc::ENAMETOOLONG), "{len}");
        }
    }
}
