//! Comparison of passwords and codes that leaks nothing about them through its duration.

use core::hint::black_box;

/// Compares two byte strings. The duration depends on the length of `given` only, not on the
/// content or length of `secret`.
pub fn is_equal(given: &[u8], secret: &[u8]) -> bool {
    let pairs = given.iter().zip(secret.iter().cycle());
    let difference = pairs.fold(given.len() ^ secret.len(), |all, (a, b)| {
        black_box(all | usize::from(a ^ b))
    });
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_is_equal_in_length_and_in_each_byte() {
        for (given, secret, equal) in [
            ("", "", true),
            ("a", "a", true),
            ("", "a", false),
            ("a", "", false),
            ("aa", "a", false),
            ("ab", "ac", false),
        ] {
            assert_eq!(
                is_equal(given.as_bytes(), secret.as_bytes()),
                equal,
                "{given} {secret}"
            );
        }
    }
}
