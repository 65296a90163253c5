//! Random numbers from the system.

use std::io;

/// A source of random bytes.
pub struct Random;

impl Random {
    /// Opens the source.
    pub fn open() -> Self {
        Self
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

    /// Fills the buffer; for a secret, which must not be made without a source.
    pub fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        getrandom::getrandom(bytes).map_err(io::Error::from)
    }
}
