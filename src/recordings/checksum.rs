//! The checksum of a recording's audio, as sidecars have it.

use std::fs::File;
use std::io::{self, ErrorKind};

use sha2::{Digest, Sha256};

use crate::io::host::FileExt;

/// Bytes read by one call.
const PIECE: usize = 64 * 1024;

/// SHA-256 of `length` bytes from `position` on, or of those that the file has. The file's own
/// position does not matter.
pub fn sha256(file: &File, position: u64, length: u64) -> io::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE];
    let mut done = 0;
    while done < length {
        let wanted = usize::try_from(length - done).unwrap_or(PIECE).min(PIECE);
        match file.read_at(&mut piece[..wanted], position + done) {
            Ok(0) => break,
            Ok(read) => {
                digest.update(&piece[..read]);
                done += read as u64;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(digest.finalize().into())
}
