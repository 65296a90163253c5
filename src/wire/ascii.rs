//! Words of protocols in ASCII. The standard library's functions do the same, but each call of
//! them is a copy of 60 to 100 bytes.

/// The bytes without white space around them.
#[inline(never)]
pub fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// The words are the same, in large or small letters.
#[inline(never)]
pub fn is_same(word: &[u8], other: &[u8]) -> bool {
    word.eq_ignore_ascii_case(other)
}

/// For a `match`: one of strings compares whole words, one of byte strings each byte by itself.
/// Empty if it is not UTF-8.
pub fn word(bytes: &[u8]) -> &str {
    core::str::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_letters_and_between_blanks() {
        assert_eq!(trim(b" \t a b\r\n"), b"a b");
        assert_eq!(trim(b" \n"), b"");
        assert!(is_same(b"Content-Length", b"content-length"));
        assert!(!is_same(b"content-length", b"content-lengt"));
        assert_eq!((word(b"Online"), word(b"\xFF")), ("Online", ""));
    }
}
