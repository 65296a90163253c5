//! base64url without padding (RFC 4648 section 5). Each byte string has one text: bits behind the
//! last byte must be 0.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Appends the bytes as text.
pub fn emit(text: &mut String, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..=group.len() {
            let six = bits >> (18 - 6 * at) & 63;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
}

/// The bytes of a text, at the beginning of `buffer`; `None` if it is no such text, or longer than
/// the buffer.
pub fn parse<'a>(text: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let mut length = 0;
    for group in text.chunks(4) {
        let mut bits = 0;
        for at in 0..4 {
            bits = bits << 6 | group.get(at).map_or(Some(0), |letter| six_bits(*letter))?;
        }
        let [_, bytes @ ..] = u32::to_be_bytes(bits);
        // One letter alone is less than a byte.
        let count = group.len().checked_sub(1).filter(|count| *count > 0)?;
        let (whole, rest) = bytes.split_at(count);
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        buffer
            .get_mut(length..length + count)?
            .copy_from_slice(whole);
        length += count;
    }
    buffer.get(..length)
}

fn six_bits(letter: u8) -> Option<u32> {
    let bits = match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(bits.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(bytes: &[u8]) -> String {
        let mut text = String::new();
        emit(&mut text, bytes);
        text
    }

    #[test]
    fn bytes_are_put_together_and_taken_apart() {
        // RFC 4648 section 10, without padding.
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg"),
            (b"fo", "Zm8"),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg"),
            (b"fooba", "Zm9vYmE"),
            (b"foobar", "Zm9vYmFy"),
            (&[0xFB, 0xFF], "-_8"),
        ] {
            assert_eq!(text_of(bytes), text);
            assert_eq!(parse(text.as_bytes(), &mut [0; 6]), Some(bytes));
        }
    }

    #[test]
    fn each_byte_string_has_one_text() {
        for text in [
            "Z", "Zm9vY", "Zg==", "Zh", "Zm9", "Zm 8", "Zm+8", "Zm/8", "Zm8\n",
        ] {
            assert_eq!(parse(text.as_bytes(), &mut [0; 9]), None, "{text}");
        }
        assert_eq!(parse(b"Zm9vYg", &mut [0; 3]), None, "it does not fit");
    }
}
