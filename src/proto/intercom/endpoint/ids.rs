//! Ids that nobody can guess: of calls, of streams, and the jitter of pauses.

use sha2::{Digest, Sha256};

use crate::wire::control::Text;
use crate::wire::intercom::cut;

/// A generator of ids from the system's randomness, without a call to the system for each.
pub(in crate::proto) struct IdSource {
    seed: [u8; 32],
    count: u64,
}

impl IdSource {
    /// The seed must be secret.
    pub(in crate::proto) fn new(seed: [u8; 32]) -> Self {
        Self { seed, count: 0 }
    }

    /// 16 hexadecimal digits: 64 random bits.
    pub(in crate::proto) fn id<const N: usize>(&mut self) -> Text<N> {
        cut(&self.digits())
    }

    fn digits(&mut self) -> [u8; 16] {
        let number = self.number();
        core::array::from_fn(|digit| {
            let digit = number >> (60 - 4 * digit) & 15;
            b"0123456789abcdef"[digit as usize]
        })
    }

    /// 64 random bits.
    pub(in crate::proto) fn number(&mut self) -> u64 {
        self.count += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed);
        hash.update(self.count.to_be_bytes());
        let digest = hash.finalize();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_16_digits_and_differ() {
        let mut ids = IdSource::new([7; 32]);
        let one: Text<64> = ids.id();
        let two: Text<64> = ids.id();
        assert!(one.len() == 16 && one.iter().all(u8::is_ascii_hexdigit) && one != two);
        let other: Text<64> = IdSource::new([8; 32]).id();
        assert_ne!(one, other);
    }
}
