//! One range of bytes (RFC 9110, 14): several, or what cannot be read, is the whole.

/// What a `Range` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Whole,
    /// The first and the last byte.
    Part(u64, u64),
    /// Nothing that there is.
    Beyond,
}

/// The range of a file of this length.
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    match parse(header) {
        None => Wanted::Whole,
        Some((Some(first), last)) => {
            let last = last.unwrap_or(u64::MAX).min(length.saturating_sub(1));
            if first >= length {
                Wanted::Beyond
            } else {
                Wanted::Part(first, last)
            }
        }
        Some((None, Some(count))) if count == 0 || length == 0 => Wanted::Beyond,
        Some((None, Some(count))) => Wanted::Part(length.saturating_sub(count), length - 1),
        Some((None, None)) => Wanted::Whole,
    }
}

/// First and last byte; without the first, the last is a number of bytes from the end.
pub(super) fn parse(header: Option<&str>) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = header?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (first, last) = range.trim().split_once('-')?;
    let first = number(first)?;
    let last = number(last)?;
    match (first, last) {
        (None, None) => None,
        (Some(first), Some(last)) if last < first => None,
        range => Some(range),
    }
}

/// A number of digits only, or nothing; `None`: neither.
fn number(text: &str) -> Option<Option<u64>> {
    if text.is_empty() {
        return Some(None);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // Longer than any file: still a number.
    Some(Some(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_served_and_all_else_is_the_whole_or_nothing() {
        for (header, expected) in [
            ("bytes=0-1", Wanted::Part(0, 1)),
            ("bytes=5-", Wanted::Part(5, 99)),
            ("bytes=-10", Wanted::Part(90, 99)),
            ("bytes=-1000", Wanted::Part(0, 99)),
            ("bytes=99-500", Wanted::Part(99, 99)),
            ("BYTES=0-0", Wanted::Part(0, 0)),
            ("bytes=100-", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
            ("bytes=99999999999999999999999-", Wanted::Beyond),
            ("bytes=0-1,5-6", Wanted::Whole),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=+5-", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("lines=0-1", Wanted::Whole),
        ] {
            assert_eq!(wanted(Some(header), 100), expected, "{header}");
        }
        assert_eq!(wanted(None, 100), Wanted::Whole);
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Beyond);
    }
}
