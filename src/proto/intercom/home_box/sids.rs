//! Keys that nobody can guess, for calls and alarms that came without one.

use sha2::{Digest, Sha256};

use crate::wire::control::Text;

/// A generator: a hash of a random seed and a number.
pub(super) struct Sids {
    seed: [u8; 32],
    number: u64,
}

impl Sids {
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self { seed, number: 0 }
    }

    /// 16 hexadecimal digits.
    pub(super) fn make(&mut self) -> Text<64> {
        self.number += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.number.to_be_bytes());
        let digest = hash.finalize();
        let digits = digest
            .iter()
            .take(8)
            .flat_map(|byte| [byte >> 4, byte & 15]);
        digits
            .map(|digit| b"0123456789abcdef"[usize::from(digit)])
            .collect()
    }
}
