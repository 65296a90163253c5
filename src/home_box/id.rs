//! The ids of homes, door units and devices.

use crate::base::limits::home_box::ID_BYTES;

/// Whether this is an id: 1 to 64 printable ASCII characters without blanks, which separate an id
/// from what follows it, and commas, which do so in a token.
pub(crate) fn is_id(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_word() {
        assert!(is_id("2-1-201") && is_id("~") && is_id(&"x".repeat(64)));
        for bad in ["", "a b", "a,b", "a\t", "\u{e9}", &"x".repeat(65)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
