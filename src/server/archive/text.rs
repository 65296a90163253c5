//! Numbers and names as they are compared: what people write in different ways is the same here.

use unicode_normalization::char::is_combining_mark;
use unicode_normalization::UnicodeNormalization;

/// Letters, digits and `+*#@` of a number, without case.
pub(super) fn number(text: &str) -> String {
    let kept = text
        .chars()
        .filter(|c| c.is_alphanumeric() || "+*#@".contains(*c));
    kept.flat_map(char::to_lowercase).collect()
}

/// The same with `+` for a leading `00`: two ways to write an international number.
pub(super) fn international(text: &str) -> String {
    let number = number(text);
    match number.strip_prefix("00") {
        Some(rest) => format!("+{rest}"),
        None => number,
    }
}

/// Backwards, so that an index finds endings.
pub(super) fn reversed(text: &str) -> String {
    text.chars().rev().collect()
}

/// A name without case, accents, and differences of width.
pub(super) fn name(text: &str) -> String {
    let plain: String = text.nfkd().filter(|c| !is_combining_mark(*c)).collect();
    // Upper case first: `ß` and `SS` are the same.
    plain.to_uppercase().to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_without_what_people_add() {
        assert_eq!(number("+49 (30) 123-45/6"), "+4930123456");
        assert_eq!(number("sip:Ann@PBX.example"), "sipann@pbxexample");
        assert_eq!(international("0049 30 1"), "+49301");
        assert_eq!(international("030 1"), "0301");
        assert_eq!(reversed("+49"), "94+");
    }

    #[test]
    fn names_are_compared_without_case_accents_and_width() {
        assert_eq!(name("Zoë MÜLLER"), "zoe muller");
        assert_eq!(name("Straße"), name("STRASSE"));
        assert_eq!(name("\u{ff21}nn"), "ann");
        assert_eq!(name("王伟"), "王伟");
    }
}
