//! base64 with padding (RFC 4648 section 4), as messages of the cloud have it. The alphabet differs
//! from `base64url` in two letters.

use crate::wire::base64url;

/// The longest text.
const TEXT_BYTES: usize = 1024;

/// The bytes of a text, at the beginning of `buffer`; `None` if it is no such text, or longer than
/// the buffer.
pub fn parse<'a>(text: &[u8], buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    let unpadded = text.strip_suffix(b"=").unwrap_or(text);
    let unpadded = unpadded.strip_suffix(b"=").unwrap_or(unpadded);
    let mut letters = heapless::Vec::<u8, TEXT_BYTES>::new();
    for letter in unpadded {
        let letter = match letter {
            b'+' => b'-',
            b'/' => b'_',
            b'-' | b'_' => return None,
            letter => *letter,
        };
        letters.push(letter).ok()?;
    }
    base64url::parse(&letters, buffer)
}

/// Appends the bytes as text.
pub fn emit(text: &mut String, bytes: &[u8]) {
    let from = text.len();
    let mut letters = String::new();
    base64url::emit(&mut letters, bytes);
    for letter in letters.bytes() {
        text.push(match letter {
            b'-' => '+',
            b'_' => '/',
            letter => letter.into(),
        });
    }
    while (text.len() - from) % 4 != 0 {
        text.push('=');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_and_read() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (&[0xfb, 0xff, 0xbf], "+/+/"),
        ] {
            let mut written = String::new();
            emit(&mut written, bytes);
            assert_eq!(written, text);
            assert_eq!(parse(text.as_bytes(), &mut [0; 8]), Some(bytes));
        }
        assert_eq!(parse(b"-_-_", &mut [0; 8]), None);
        assert_eq!(parse(b"Zm9v", &mut [0; 2]), None);
    }
}
