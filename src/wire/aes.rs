//! AES with keys of 256 bits (FIPS 197), one block at a time, for sealed rendezvous messages. It
//! has a quarter of the size of the `aes` crate, with which the tests compare it.
//!
//! It uses lookup tables, so that another program on the same processor could derive the indices
//! from the time that the lookups take. Phones run no other programs.

/// The bytes of a block.
pub const BLOCK_BYTES: usize = 16;
const ROUNDS: usize = 14;
const KEY_WORDS: usize = 8;

/// The S-box and its inverse: a byte's inverse in GF(2^8), then an affine map of its bits (FIPS
/// 197, 5.1.1).
const TABLES: [[u8; 256]; 2] = tables();

const fn tables() -> [[u8; 256]; 2] {
    let mut tables = [[0; 256]; 2];
    // 3 generates all bytes except 0; the inverse of 3^n is (1/3)^n, and 1/3 is 0xF6.
    let (mut power, mut inverse, mut n) = (1u8, 1u8, 0);
    while n < 255 {
        put(&mut tables, power, inverse);
        power ^= double(power);
        inverse = times(inverse, 0xF6);
        n += 1;
    }
    put(&mut tables, 0, 0);
    tables
}

const fn put(tables: &mut [[u8; 256]; 2], byte: u8, inverse: u8) {
    let turned = inverse.rotate_left(1)
        ^ inverse.rotate_left(2)
        ^ inverse.rotate_left(3)
        ^ inverse.rotate_left(4);
    let substitute = inverse ^ turned ^ 0x63;
    tables[0][byte as usize] = substitute;
    tables[1][substitute as usize] = byte;
}

/// Multiplies by x in GF(2^8).
const fn double(byte: u8) -> u8 {
    (byte << 1) ^ ((byte >> 7) * 0x1B)
}

const fn times(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        product ^= a * (b & 1);
        a = double(a);
        b >>= 1;
    }
    product
}

/// An expanded key.
pub struct Aes256 {
    words: [[u8; 4]; 4 * (ROUNDS + 1)],
}

impl Aes256 {
    /// Expands a key (FIPS 197, 5.2).
    pub fn new(key: &[u8; 32]) -> Self {
        let mut words = [[0; 4]; 4 * (ROUNDS + 1)];
        for (word, bytes) in words.iter_mut().zip(key.chunks_exact(4)) {
            word.copy_from_slice(bytes);
        }
        let mut constant = 1;
        for i in KEY_WORDS..words.len() {
            let mut word = words[i - 1];
            if i % KEY_WORDS == 0 {
                word.rotate_left(1);
            }
            if i % 4 == 0 {
                word = word.map(|byte| TABLES[0][usize::from(byte)]);
            }
            if i % KEY_WORDS == 0 {
                word[0] ^= constant;
                constant = double(constant);
            }
            for (byte, other) in word.iter_mut().zip(words[i - KEY_WORDS]) {
                *byte ^= other;
            }
            words[i] = word;
        }
        Self { words }
    }

    /// Encrypts a block in place.
    pub fn encrypt(&self, block: &mut [u8; BLOCK_BYTES]) {
        self.add(block, 0);
        for round in 1..=ROUNDS {
            // Rows are rotated to the left: column c of row r comes from column c + r.
            substitute(block, &TABLES[0], 5);
            if round < ROUNDS {
                mix(block, false);
            }
            self.add(block, round);
        }
    }

    /// Decrypts a block in place.
    pub fn decrypt(&self, block: &mut [u8; BLOCK_BYTES]) {
        for round in (1..=ROUNDS).rev() {
            self.add(block, round);
            if round < ROUNDS {
                mix(block, true);
            }
            substitute(block, &TABLES[1], 13);
        }
        self.add(block, 0);
    }

    fn add(&self, block: &mut [u8; BLOCK_BYTES], round: usize) {
        let words = self.words.iter().skip(4 * round);
        for (byte, other) in block.iter_mut().zip(words.flatten()) {
            *byte ^= other;
        }
    }
}

/// Substitutes bytes and rotates rows (FIPS 197, 5.1.1 and 5.1.2).
fn substitute(block: &mut [u8; BLOCK_BYTES], table: &[u8; 256], step: usize) {
    let old = *block;
    for (i, byte) in block.iter_mut().enumerate() {
        *byte = table[usize::from(old[i * step % BLOCK_BYTES])];
    }
}

/// Multiplies each column by a polynomial or its inverse (FIPS 197, 5.1.3 and 5.3.3).
fn mix(block: &mut [u8; BLOCK_BYTES], back: bool) {
    for column in block.chunks_exact_mut(4) {
        let [a, b, c, d] = [column[0], column[1], column[2], column[3]];
        // The inverse is the polynomial itself times 4x^2 + 5.
        let (even, odd) = if back {
            (double(double(a ^ c)), double(double(b ^ d)))
        } else {
            (0, 0)
        };
        let [a, b, c, d] = [a ^ even, b ^ odd, c ^ even, d ^ odd];
        let all = a ^ b ^ c ^ d;
        let mixed = [
            a ^ double(a ^ b),
            b ^ double(b ^ c),
            c ^ double(c ^ d),
            d ^ double(d ^ a),
        ];
        for (byte, mixed) in column.iter_mut().zip(mixed) {
            *byte = mixed ^ all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;
    use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};

    #[test]
    fn the_example_of_the_standard_is_reproduced() {
        // FIPS 197, appendix C.3.
        let aes = Aes256::new(&core::array::from_fn(|i| i as u8));
        let plain: [u8; 16] = core::array::from_fn(|i| i as u8 * 0x11);
        let mut block = plain;
        aes.encrypt(&mut block);
        assert_eq!(
            u128::from_be_bytes(block),
            0x8ea2_b7ca_5167_45bf_eafc_4990_4b49_6089
        );
        aes.decrypt(&mut block);
        assert_eq!(block, plain);
    }

    #[test]
    fn it_agrees_with_the_aes_crate() {
        let mut random = Random(1);
        let mut byte = || random.next() as u8;
        for _ in 0..2000 {
            let key: [u8; 32] = core::array::from_fn(|_| byte());
            let plain: [u8; 16] = core::array::from_fn(|_| byte());
            let (ours, theirs) = (Aes256::new(&key), aes::Aes256::new(&key.into()));
            let (mut block, mut other) = (plain, plain.into());
            ours.encrypt(&mut block);
            theirs.encrypt_block(&mut other);
            assert_eq!(block[..], other[..]);
            let (mut block, mut other) = (plain, plain.into());
            ours.decrypt(&mut block);
            theirs.decrypt_block(&mut other);
            assert_eq!(block[..], other[..]);
        }
    }
}
