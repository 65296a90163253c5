//! Decimal numbers in text. The only integer parser of the phone's program: each further one, such
//! as `str::parse` for another integer type, costs about 200 bytes.

/// Parses decimal digits and nothing else: no sign, no blanks, at least one digit.
pub fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, digit| {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(digit.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_nothing_else_are_a_number() {
        for (text, number) in [("0", 0), ("007", 7), ("18446744073709551615", u64::MAX)] {
            assert_eq!(parse_decimal(text.as_bytes()), Some(number), "{text}");
        }
        for text in [
            "", "+1", "-1", " 1", "1 ", "1.0", "1e3", "0x1", "a", "/", ":",
        ] {
            assert_eq!(parse_decimal(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_decimal(b"18446744073709551616"), None, "too large");
    }
}
