//! A small file that is replaced atomically: after a power failure, it has either the old or the
//! new content.

use std::fs::File;
use std::io::{self, Read};

#[cfg(any(feature = "fsp", feature = "box", feature = "intercom"))]
use crate::base::limits::PATH_BYTES;
use crate::io::dir::Dir;
use crate::io::file::Output;

/// Only the owner may read it.
#[cfg(any(feature = "fsp", feature = "box", feature = "intercom"))]
const MODE: libc::mode_t = 0o600;

/// Reads the beginning of the file; `None` if it does not exist or cannot be read.
pub fn read<'a>(path: &str, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut file = File::open(path).ok()?;
    let mut len = 0;
    while len < buffer.len() {
        match file.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    buffer.get(..len)
}

/// Removes the file. A failure is harmless: the removal is repeated when the file is read the next
/// time.
#[cfg(any(feature = "fsp", feature = "box"))]
pub fn remove(path: &str) {
    let _ = std::fs::remove_file(path);
}

/// Creates the folder of a file with an absolute path, and the folders above it. `create_dir_all`
/// does the same, but brings 1 400 bytes of code that takes paths apart.
#[cfg(feature = "intercom")]
pub fn create_folder(path: &str) -> io::Result<()> {
    for (end, byte) in path.bytes().enumerate().skip(1) {
        if byte != b'/' {
            continue;
        }
        match std::fs::create_dir(&path[..end]) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

/// Replaces the file; returns when it is on the medium.
#[cfg(any(feature = "fsp", feature = "box", feature = "intercom"))]
pub fn replace(path: &str, bytes: &[u8]) -> io::Result<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or((".", path));
    let mut new = heapless::String::<{ PATH_BYTES + 4 }>::new();
    let fits = new.push_str(name).and_then(|()| new.push_str(".new"));
    fits.map_err(|()| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?;
    let folder = Dir::open(if folder.is_empty() {
        b"/"
    } else {
        folder.as_bytes()
    })?;
    replace_in(&folder, &new, name.as_bytes(), bytes, MODE)
}

/// Replaces a file in this folder, with these permission bits; returns when it is on the medium.
/// Until then it has the name `new`.
pub fn replace_in(
    folder: &Dir,
    new: &str,
    name: &[u8],
    bytes: &[u8],
    mode: libc::mode_t,
) -> io::Result<()> {
    let _ = folder.remove(new.as_bytes()); // left over from a power failure
    let written =
        write(folder, new, bytes, mode).and_then(|()| folder.rename(new.as_bytes(), name));
    if written.is_err() {
        let _ = folder.remove(new.as_bytes());
    }
    written
}

fn write(folder: &Dir, name: &str, bytes: &[u8], mode: libc::mode_t) -> io::Result<()> {
    let file = Output::create_for(folder.fd(), name, mode)?;
    let mut written = 0;
    while written < bytes.len() {
        written += file.write(written as u64, &bytes[written..])?;
    }
    file.sync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nobody_else_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("callrec-keep-{}", std::process::id()));
        let path = path.to_str().unwrap();
        assert_eq!(read(path, &mut [0; 9]), None);
        std::fs::write(format!("{path}.new"), "left over").unwrap();
        for text in ["one", "another one", ""] {
            replace(path, text.as_bytes()).unwrap();
            assert_eq!(read(path, &mut [0; 20]), Some(text.as_bytes()));
        }
        assert_eq!(
            std::fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(!std::path::Path::new(&format!("{path}.new")).exists());
        assert!(replace("/proc/nothing/here", b"x").is_err());
        std::fs::remove_file(path).unwrap();
    }
}
