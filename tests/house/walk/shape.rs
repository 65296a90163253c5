//! Compares what a README shows of a program's output with what the program prints: numbers may
//! differ, `...` stands for anything, and everything else must agree.

/// Each number is 0, and blanks are one blank.
fn shape(line: &str) -> String {
    let mut shape = String::new();
    for letter in line.trim_end().chars() {
        let letter = if letter.is_ascii_digit() { '0' } else { letter };
        let repeats = (letter == '0' || letter == ' ') && shape.ends_with(letter);
        if !repeats {
            shape.push(letter);
        }
    }
    shape
}

pub fn agrees(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (shape(shown), shape(printed));
    let pieces: Vec<&str> = shown.split("...").collect();
    let [first, middle @ .., last] = &pieces[..] else {
        return shown == printed;
    };
    let Some(mut rest) = printed.strip_prefix(first) else {
        return false;
    };
    for piece in middle {
        let Some((_, behind)) = rest.split_once(piece) else {
            return false;
        };
        rest = behind;
    }
    rest.ends_with(last)
}

/// Every line that is shown is printed, and no other.
pub fn assert_agree(place: &str, shown: &[String], printed: &str) {
    let lines: Vec<&str> = printed.lines().collect();
    let is_same = shown.len() == lines.len()
        && shown
            .iter()
            .zip(&lines)
            .all(|(shown, line)| agrees(shown, line));
    let shown = shown.join("\n");
    assert!(is_same, "{place} shows\n{shown}\nbut it prints\n{printed}");
}

/// The lines in an order that does not depend on numbers.
pub fn sorted(lines: &[String]) -> Vec<String> {
    let mut lines = lines.to_vec();
    lines.sort_by_key(|line| shape(line));
    lines
}

#[test]
fn only_numbers_and_dots_may_differ() {
    for (shown, printed, expected) in [
        ("a=1&b=20", "a=17&b=3", true),
        ("a=1&b=20", "a=17&c=3", false),
        ("a=1&b=20", "a=17&b=3&c=1", false),
        ("a=1&...", "a=17&b=3&c=1", true),
        ("a=R_...&c=1", "a=R_1.wav&b=1&c=2", true),
        ("a=R_...&c=1", "a=R_1.wav&b=1", false),
        ("file     30 x", "file  1 x", true),
    ] {
        assert_eq!(agrees(shown, printed), expected, "{shown} {printed}");
    }
}
