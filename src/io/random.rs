//! Random numbers from the system.

use std::fs::File;
use std::io::{self, Read};

use crate::io::sys;

/// A source of random bytes. `/dev/urandom` is kept open for kernels before 3.17, and for the
/// minutes after boot in which `getrandom` would block.
pub struct Random {
    device: Option<File>,
}

impl Random {
    /// Opens the source.
    pub fn open() -> Self {
        Self {
            device: File::open("/dev/urandom").ok(),
        }
    }

    /// Three random words.
    pub fn words(&mut self) -> [u32; 3] {
        let mut bytes = [0; 12];
        let filled = self.fill(&mut bytes);
        debug_assert!(filled.is_ok(), "no source of random numbers");
        let word =
            |i: usize| u32::from_ne_bytes([bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]]);
        [word(0), word(4), word(8)]
    }

    /// A secret from which ids are made that nobody can guess.
    #[cfg(feature = "intercom")]
    pub fn seed(&mut self) -> io::Result<[u8; 32]> {
        let mut seed = [0; 32];
        self.fill(&mut seed)?;
        Ok(seed)
    }

    /// Fills the buffer; for a secret, which must not be made without a source.
    pub fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        if sys::random(bytes) {
            return Ok(());
        }
        match &mut self.device {
            Some(device) => device.read_exact(bytes),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
