//! The encryption of a rendezvous message's attributes: AES-256 in ECB mode, with the 32 characters
//! of the key as its bytes, encoded as base64.
//!
//! The format is the vendor's. It has neither nonce nor authentication: equal texts have equal
//! ciphertexts, and a changed block decrypts to other bytes. `rendezvous::Attributes::open`
//! therefore accepts only complete lines of names and values; with a wrong key, one of 10^10 texts
//! of one block would pass. `Key::mac` is ours: our own programs prove their identity with it,
//! which encryption does not.

use crate::wire::aes::Aes256;

/// The bytes of a block. Sealed texts are a multiple of it.
pub use crate::wire::aes::BLOCK_BYTES;

/// An agent's key: 32 printable characters, used as bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key of 32 printable ASCII characters without blanks.
    pub fn new(text: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = text.try_into().ok()?;
        bytes
            .iter()
            .all(u8::is_ascii_graphic)
            .then_some(Self(bytes))
    }

    /// A key of 128 bits, as hex digits.
    pub fn of_bits(bits: [u8; 16]) -> Self {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        Self(core::array::from_fn(|i| {
            let byte = bits[i / 2];
            let digit = if i % 2 == 0 { byte >> 4 } else { byte & 15 };
            HEX[usize::from(digit)]
        }))
    }

    /// Converts a key from or to the form that a 201 response has: characters 8-9 and 10-11 are
    /// swapped.
    pub fn swapped(&self) -> Self {
        let mut bytes = self.0;
        bytes.swap(8, 10);
        bytes.swap(9, 11);
        Self(bytes)
    }

    /// The characters of the key.
    pub fn text(&self) -> &[u8; 32] {
        &self.0
    }

    /// The CBC-MAC of a text, with the text's length before it. The first block has NULs before
    /// other bytes, which no sealed text has, so that a sealed message cannot be used as a part of
    /// a MAC.
    pub fn mac(&self, text: &[u8]) -> [u8; BLOCK_BYTES] {
        let cipher = Aes256::new(&self.0);
        let mut block = [0xFF; BLOCK_BYTES];
        block[..4].copy_from_slice(&(text.len() as u32).to_be_bytes());
        cipher.encrypt(&mut block);
        for piece in text.chunks(BLOCK_BYTES) {
            block
                .iter_mut()
                .zip(piece)
                .for_each(|(place, byte)| *place ^= byte);
            cipher.encrypt(&mut block);
        }
        block
    }

    /// Encrypts complete blocks in place; the remainder is left unchanged.
    pub fn encrypt(&self, bytes: &mut [u8]) {
        let cipher = Aes256::new(&self.0);
        blocks(bytes).for_each(|block| cipher.encrypt(block));
    }

    /// Decrypts complete blocks in place; the remainder is left unchanged.
    pub fn decrypt(&self, bytes: &mut [u8]) {
        let cipher = Aes256::new(&self.0);
        blocks(bytes).for_each(|block| cipher.decrypt(block));
    }
}

fn blocks(bytes: &mut [u8]) -> impl Iterator<Item = &mut [u8; BLOCK_BYTES]> {
    bytes
        .chunks_exact_mut(BLOCK_BYTES)
        .filter_map(|block| block.first_chunk_mut())
}

/// A key is a secret, and is not printed.
impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key(..)")
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Writes `bytes` as base64 (RFC 4648, with padding); `None` if `text` is too short.
pub fn encode(bytes: &[u8], text: &mut [u8]) -> Option<usize> {
    let len = bytes.len().div_ceil(3) * 4;
    let text = text.get_mut(..len)?;
    for (three, four) in bytes.chunks(3).zip(text.chunks_exact_mut(4)) {
        let byte = |i: usize| u32::from(three.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (i, place) in four.iter_mut().enumerate() {
            *place = if i <= three.len() {
                ALPHABET[(bits >> (18 - 6 * i) & 63) as usize]
            } else {
                b'='
            };
        }
    }
    Some(len)
}

/// Decodes base64 with padding; `None` if it is not valid, or `bytes` is too short.
pub fn decode(text: &[u8], bytes: &mut [u8]) -> Option<usize> {
    let padding = text.iter().rev().take_while(|c| **c == b'=').count();
    if text.len() % 4 != 0 || padding > 2 {
        return None;
    }
    let len = text.len() / 4 * 3 - padding;
    let bytes = bytes.get_mut(..len)?;
    for (three, four) in bytes.chunks_mut(3).zip(text.chunks_exact(4)) {
        let mut bits = 0;
        for &c in &four[..=three.len()] {
            bits = bits << 6 | sextet(c)?;
        }
        bits <<= 6 * (3 - three.len());
        for (i, place) in three.iter_mut().enumerate() {
            *place = (bits >> (16 - 8 * i)) as u8;
        }
    }
    Some(len)
}

fn sextet(c: u8) -> Option<u32> {
    let value = match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypts_as_openssl_does() {
        // printf 'service: FSP\r\noid: default\r\n\0\0\0\0' | openssl enc -aes-256-ecb -nopad -a \
        //   -K "$(printf 0123456789abcdefghijklmnopqrstuv | xxd -p -c 64)"
        let key = Key::new(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        let mut text = *b"service: FSP\r\noid: default\r\n\0\0\0\0";
        let plain = text;
        key.encrypt(&mut text);
        let mut base64 = [0; 44];
        assert_eq!(encode(&text, &mut base64), Some(44));
        assert_eq!(
            core::str::from_utf8(&base64),
            Ok("lz6e42HhDtoz5FXpTcujxX4XX9JbY7kdw353VHQEaYA=")
        );
        key.decrypt(&mut text);
        assert_eq!(text, plain);
    }

    #[test]
    fn a_mac_depends_on_its_key_and_on_all_of_its_text() {
        let key = Key::new(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        // printf '\0\0\0\3\xff...' (12 of them), encrypted as above, xor 'abc', encrypted once
        // more.
        let mut block = [0xFF; 16];
        block[..4].copy_from_slice(&[0, 0, 0, 3]);
        key.encrypt(&mut block);
        block
            .iter_mut()
            .zip(b"abc")
            .for_each(|(place, byte)| *place ^= byte);
        key.encrypt(&mut block);
        assert_eq!(key.mac(b"abc"), block);
        let texts = [
            &b""[..],
            b"\0",
            b"abc",
            b"abc\0",
            &[7; 16],
            &[7; 17],
            &[7; 32],
        ];
        let macs: std::collections::BTreeSet<_> = texts.iter().map(|text| key.mac(text)).collect();
        assert!(macs.len() == texts.len() && key.swapped().mac(b"abc") != key.mac(b"abc"));
    }

    #[test]
    fn base64_is_decoded_as_it_was_encoded_at_every_length() {
        // RFC 4648, section 10.
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            let mut buffer = [0; 8];
            let len = encode(bytes.as_bytes(), &mut buffer).unwrap();
            assert_eq!(&buffer[..len], text.as_bytes());
        }
        let all: Vec<u8> = (0..=255).collect();
        for len in 0..=256 {
            let (mut text, mut bytes) = ([0; 344], [0; 256]);
            let written = encode(&all[..len], &mut text).unwrap();
            assert_eq!(decode(&text[..written], &mut bytes), Some(len));
            assert_eq!(bytes[..len], all[..len]);
            assert!(len == 0 || decode(&text[..written], &mut bytes[..len - 1]).is_none());
            assert!(len == 0 || encode(&all[..len], &mut text[..written - 1]).is_none());
        }
    }

    #[test]
    fn invalid_base64_is_refused() {
        let mut bytes = [0; 16];
        for text in [
            "A", "AA", "AAA", "A===", "====", "AA=A", "AAA\n", "AA A", "AAAA=", "AA==AAAA", "AA-_",
            "\0\0\0\0",
        ] {
            assert_eq!(decode(text.as_bytes(), &mut bytes), None, "{text:?}");
        }
    }

    #[test]
    fn a_key_has_32_characters_and_is_swapped_in_responses() {
        let key = Key::new(b"0123456789abcdefghijklmnopqrstuv").unwrap();
        assert_eq!(key.swapped().text(), b"01234567ab89cdefghijklmnopqrstuv");
        assert_eq!(key.swapped().swapped(), key);
        assert_eq!(format!("{key:?}"), "Key(..)");
        for text in [
            &b""[..],
            &[b'a'; 31],
            &[b'a'; 33],
            b"0123456789abcdefghijklmnopqrst v",
            &[0xC3; 32],
            &[10; 32],
        ] {
            assert_eq!(Key::new(text), None);
        }
        let hex = Key::of_bits(core::array::from_fn(|i| i as u8 * 17));
        assert_eq!(hex.text(), b"00112233445566778899aabbccddeeff");
    }
}
