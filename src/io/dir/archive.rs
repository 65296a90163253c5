//! Operations that only a server needs in its folder: subfolders, files replaced as a whole, and a
//! sync of the whole file system.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use nix::fcntl::{openat, renameat, AtFlags, OFlag};
use nix::sys::stat::{fstat, mkdirat, Mode};
use nix::unistd::{faccessat, syncfs, AccessFlags};

use super::{retry, Dir, Names, FOLDER};
use crate::io::file::claim;

const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

impl Dir {
    /// Opens a subfolder; a symbolic link is an error.
    pub fn folder(&self, name: &[u8]) -> io::Result<Self> {
        Ok(Self {
            fd: retry(|| openat(&self.fd, name, FOLDER | OFlag::O_NOFOLLOW, Mode::empty()))?,
        })
    }

    /// Opens a subfolder, and creates it if it does not exist.
    pub fn make_folder(&self, name: &[u8]) -> io::Result<Self> {
        match retry(|| mkdirat(&self.fd, name, Mode::from_bits_truncate(FOLDER_MODE))) {
            Err(error) if error.raw_os_error() != Some(libc::EEXIST) => Err(error),
            _ => self.folder(name),
        }
    }

    /// Creates a file and claims it; an error if it exists.
    pub fn create_file(&self, name: &[u8]) -> io::Result<File> {
        let flags =
            OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_RDWR | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW;
        let file = File::from(retry(|| {
            openat(&self.fd, name, flags, Mode::from_bits_truncate(FILE_MODE))
        })?);
        claim(&file);
        Ok(file)
    }

    /// Opens a file to append to it, and creates it if it does not exist.
    pub fn append_file(&self, name: &[u8]) -> io::Result<File> {
        let flags = OFlag::O_CREAT
            | OFlag::O_APPEND
            | OFlag::O_WRONLY
            | OFlag::O_CLOEXEC
            | OFlag::O_NOFOLLOW;
        let mode = Mode::from_bits_truncate(FILE_MODE);
        Ok(File::from(retry(|| openat(&self.fd, name, flags, mode))?))
    }

    /// Replaces a file as a whole: whoever opens `name` finds the new content or the old one.
    pub fn put_file(&self, name: &[u8], bytes: &[u8]) -> io::Result<()> {
        let new = [name, b".new"].concat();
        let flags = OFlag::O_CREAT
            | OFlag::O_TRUNC
            | OFlag::O_WRONLY
            | OFlag::O_CLOEXEC
            | OFlag::O_NOFOLLOW;
        let fd = retry(|| {
            openat(
                &self.fd,
                new.as_slice(),
                flags,
                Mode::from_bits_truncate(FILE_MODE),
            )
        })?;
        let written = File::from(fd).write_all_at(bytes, 0);
        let done =
            written.and_then(|()| retry(|| renameat(&self.fd, new.as_slice(), &self.fd, name)));
        if done.is_err() {
            let _ = self.remove(&new);
        }
        done
    }

    /// Device and inode, to be compared with those of a path (`mounts::identity`).
    pub fn identity(&self) -> io::Result<(u64, u64)> {
        let entry = retry(|| fstat(&self.fd))?;
        #[allow(clippy::unnecessary_cast)] // 32 bits on some targets
        Ok((entry.st_dev as u64, entry.st_ino as u64))
    }

    /// Checks that files may be created in it. An error says why not, for example that the file
    /// system is read-only.
    pub fn check_writable(&self) -> io::Result<()> {
        retry(|| {
            faccessat(
                &self.fd,
                ".",
                AccessFlags::W_OK | AccessFlags::X_OK,
                AtFlags::empty(),
            )
        })
    }

    /// Returns once all that was written to this file system is on the medium.
    pub fn sync_file_system(&self) -> io::Result<()> {
        retry(|| syncfs(&self.fd))
    }
}

impl Names {
    /// The next name that may be a folder, without `.` and `..`; `None` at the end.
    pub fn next_folder(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            let Some((kind, name)) = self.next_record()? else {
                return Ok(None);
            };
            let folder = kind == libc::DT_DIR || kind == libc::DT_UNKNOWN;
            if folder && !matches!(&self.buffer[name.clone()], b"." | b"..") {
                return Ok(Some(&self.buffer[name]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_its_makers_and_a_link_leads_nowhere() {
        let path = std::env::temp_dir().join(format!("callrec-archive-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        let root = Dir::open(path.to_str().unwrap().as_bytes()).unwrap();
        let folder = root.make_folder(b"phone").unwrap();
        root.make_folder(b"phone").unwrap();
        std::os::unix::fs::symlink("/tmp", path.join("link")).unwrap();
        assert!(root.make_folder(b"link").is_err() && root.make_folder(b"a/b").is_err());
        let held = folder.create_file(b"a").unwrap();
        assert_eq!(
            folder.create_file(b"a").err().map(|e| e.kind()),
            Some(io::ErrorKind::AlreadyExists)
        );
        let other = folder.open_file(b"a").unwrap();
        assert!(!claim(&other));
        drop(held);
        assert!(claim(&other));
        folder.put_file(b"b", b"one").unwrap();
        folder.put_file(b"b", b"two").unwrap();
        assert_eq!(std::fs::read(path.join("phone/b")).unwrap(), b"two");
        let mut names = root.names().unwrap();
        let mut folders = vec![];
        while let Some(name) = names.next_folder().unwrap() {
            folders.push(name.to_vec());
        }
        assert_eq!(folders, [b"phone"]);
        root.sync_file_system().unwrap();
        root.check_writable().unwrap();
        let at =
            |path: &std::path::Path| crate::io::mounts::identity(path.to_str().unwrap().as_bytes());
        assert_eq!(root.identity().ok(), at(&path));
        // A folder that has been made anew under the same name is another one.
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(at(&path), None);
        std::fs::create_dir(&path).unwrap();
        assert_ne!(root.identity().ok(), at(&path));
        std::fs::remove_dir_all(&path).unwrap();
    }
}
