//! Times, coordinates and text as they stand in a picture.

/// `0.02 s`, `1.5 s`, `59 s`, `1:05`, `2:00:00`.
pub(super) fn length(ms: u64) -> String {
    match ms {
        0..100 => format!("0.{:02} s", ms / 10),
        100..10_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        10_000..60_000 => format!("{} s", ms / 1000),
        _ => clock(ms / 1000),
    }
}

/// `M:SS` or `H:MM:SS`.
pub(super) fn clock(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A coordinate, given in tenths of a unit.
pub(super) fn tenths(value: u64) -> String {
    match value % 10 {
        0 => (value / 10).to_string(),
        rest => format!("{}.{rest}", value / 10),
    }
}

/// Any text as text of XML 1.0, of so many characters at the most.
pub(super) fn escape(text: &str, most: usize) -> String {
    let mut escaped = String::new();
    let end = text.char_indices().nth(most).map_or("", |_| "\u{2026}");
    for c in text.chars().take(most).chain(end.chars()) {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{FFFE}' | '\u{FFFF}') => {
                escaped.push(char::REPLACEMENT_CHARACTER)
            }
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_short() {
        for (ms, words) in [
            (20, "0.02 s"),
            (1500, "1.5 s"),
            (59_999, "59 s"),
            (65_000, "1:05"),
            (7_200_000, "2:00:00"),
        ] {
            assert_eq!(length(ms), words);
        }
    }
}
