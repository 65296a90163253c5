//! The digests of a file: the store is sent them, and asked for them afterwards.

use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest, Sha256};

use crate::wire::rendezvous::cipher::encode;

/// Bytes read by one call.
const PIECE: usize = 64 * 1024;

/// Length and digests of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileDigests {
    pub(super) length: u64,
    md5: [u8; 16],
    sha256: [u8; 32],
}

impl FileDigests {
    /// Reads the file to its end.
    pub(super) fn of(mut file: impl Read) -> io::Result<Self> {
        let mut length = 0;
        let mut md5 = Md5::default();
        let mut sha256 = Sha256::default();
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece) {
                Ok(0) => {
                    return Ok(Self {
                        length,
                        md5: md5_of(md5),
                        sha256: sha256.finalize().into(),
                    })
                }
                Ok(read) => {
                    length += read as u64;
                    md5::Digest::update(&mut md5, &piece[..read]);
                    sha256.update(&piece[..read]);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// For `Content-MD5`.
    pub(super) fn md5_base64(&self) -> String {
        base64(&self.md5)
    }

    /// For `x-amz-checksum-sha256`.
    pub(super) fn sha256_base64(&self) -> String {
        base64(&self.sha256)
    }

    /// The tag is the MD5 sum, as that of an object uploaded in one request, with or without
    /// quotes.
    pub(super) fn is_tag(&self, tag: &str) -> bool {
        let hex: String = self.md5.iter().map(|byte| format!("{byte:02x}")).collect();
        tag.trim_matches('"').eq_ignore_ascii_case(&hex)
    }
}

fn md5_of(sum: Md5) -> [u8; 16] {
    md5::Digest::finalize(sum).into()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = vec![0; bytes.len().div_ceil(3) * 4];
    let len = encode(bytes, &mut text).unwrap_or_default();
    text.truncate(len);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_that_others_make() {
        let sums = FileDigests::of(&b"abc"[..]).unwrap();
        assert_eq!(sums.length, 3);
        assert_eq!(sums.md5_base64(), "kAFQmDzST7DWlj99KOF/cg==");
        assert_eq!(
            sums.sha256_base64(),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="
        );
        assert!(
            sums.is_tag("\"900150983cd24fb0d6963f7d28e17f72\"")
                && sums.is_tag("900150983CD24FB0D6963F7D28E17F72")
        );
        assert!(!sums.is_tag("\"900150983cd24fb0d6963f7d28e17f73\"") && !sums.is_tag(""));
    }
}
