//! The id of a recording: 26 characters of base32, the first 128 bits of HMAC-SHA-256 of its
//! device's folder and the name of its first part. It outlives every database, and nobody can count.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// RFC 4648, in lower case: nothing that is taken for something else.
const DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Characters of an id.
pub(super) const ID_CHARS: usize = 26;

/// The secret that ids are made with.
#[derive(Clone)]
pub(super) struct IdKey([u8; 32]);

impl IdKey {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// The id of a call; `call` is the stem of its first part.
    pub(super) fn id(&self, folder: &str, call: &str) -> String {
        base32(&self.sum(&[folder.as_bytes(), b"/", call.as_bytes()])[..16])
    }

    /// HMAC-SHA-256 of some text.
    pub(super) fn sum(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = match Hmac::<Sha256>::new_from_slice(&self.0) {
            Ok(mac) => mac,
            Err(_) => return [0; 32], // no length of a key is wrong for HMAC
        };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().into()
    }
}

/// It looks like an id.
pub(super) fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| DIGITS.contains(&byte))
}

/// The first 24 bits of an id, for the order of recordings that begin in one second.
pub(super) fn order_of(id: &str) -> i64 {
    let digit = |byte: u8| DIGITS.iter().position(|digit| *digit == byte).unwrap_or(0) as i64;
    let bits = id
        .bytes()
        .take(5)
        .fold(0, |bits, byte| bits << 5 | digit(byte));
    bits >> 1
}

/// Base32 without padding.
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(DIGITS[(bits >> count & 31) as usize]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(DIGITS[(bits << (5 - count) & 31) as usize]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32_is_that_of_the_rfc() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "my"),
            (b"fo", "mzxq"),
            (b"foobar", "mzxw6ytboi"),
        ] {
            assert_eq!(base32(bytes), text);
        }
    }

    #[test]
    fn an_id_depends_on_key_folder_and_call() {
        let key = IdKey::new([7; 32]);
        let id = key.id("0c383e000001", "Record_20260102_030405_17");
        assert!(is_id(&id), "{id}");
        assert_eq!(id, key.id("0c383e000001", "Record_20260102_030405_17"));
        assert_ne!(id, key.id("0c383e000002", "Record_20260102_030405_17"));
        assert_ne!(
            id,
            IdKey::new([8; 32]).id("0c383e000001", "Record_20260102_030405_17")
        );
        assert!(!is_id("../../etc/passwd") && !is_id(&id.to_uppercase()));
        assert!(order_of(&id) < 1 << 24);
    }
}
