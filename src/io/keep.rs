//! A small file that is replaced as a whole: after a power cut there is the old one or the new one.

use core::fmt::Write as _;
use std::fs::{remove_file, rename, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::base::limits::PATH_BYTES;

/// Only we may read it.
const MODE: u32 = 0o600;

/// Reads the file's beginning; `None` when there is none.
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

/// Replaces the file; returns when it is on the medium.
pub fn replace(path: &str, bytes: &[u8]) -> io::Result<()> {
    let mut new = heapless::String::<{ PATH_BYTES + 4 }>::new();
    write!(new, "{path}.new").map_err(|_| io::Error::from_raw_os_error(libc::ENAMETOOLONG))?;
    let _ = remove_file(&*new); // what a power cut has left
    let mut file = File::options().write(true).create_new(true).mode(MODE).open(&*new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&*new, path)?;
    let folder = Path::new(path).parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()
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
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!Path::new(&format!("{path}.new")).exists());
        assert!(replace("/proc/nothing/here", b"x").is_err());
        std::fs::remove_file(path).unwrap();
    }
}
