//! Words of a command line: numbers with 0x, and standard input for `-`.

use std::io::Read as _;

use crate::cli::failure::Failure;
use crate::config::number;

/// What is read of standard input at most.
const MAX_INPUT: u64 = 64 * 1024;

/// A word of 32 bits, decimal or `0x` and hexadecimal.
pub(in crate::server) fn control_word(text: &str) -> Result<u32, String> {
    let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) else {
        return number(text, 0, u32::MAX);
    };
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let word = u32::from_str_radix(digits, 16).ok().filter(|_| is_plain);
    word.ok_or_else(|| format!("must be a number of 32 bits, decimal or 0x, not '{text}'"))
}

/// The word, or the first line of standard input for `-`.
pub(in crate::server) fn given(word: &str, what: &str) -> Result<String, Failure> {
    if word != "-" {
        return Ok(word.to_owned());
    }
    let mut bytes = vec![];
    let read = std::io::stdin().take(MAX_INPUT).read_to_end(&mut bytes);
    read.map_err(|problem| Failure::Failed(format!("{what}: standard input: {problem}")))?;
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next();
    Ok(String::from_utf8_lossy(line.unwrap_or_default()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_decimal_or_hexadecimal() {
        assert_eq!(control_word("3222536192"), Ok(3_222_536_192));
        assert_eq!(control_word("0xC0140000"), Ok(0xC014_0000));
        for text in ["", "0x", "0x+1", "-1", "4294967296", "0x1C0140000", "12h"] {
            assert!(control_word(text).is_err(), "{text}");
        }
    }
}
