//! Patterns for names of devices: `*` stands for any text, `?` for one character, without case.

/// The name matches the pattern.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.to_lowercase().chars().collect();
    let name: Vec<char> = name.to_lowercase().chars().collect();
    let (mut at, mut in_name) = (0, 0);
    // Where the last `*` is, and the name's character up to which it reaches.
    let mut star: Option<(usize, usize)> = None;
    while in_name < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, in_name));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || *wanted == name[in_name] => {
                at += 1;
                in_name += 1;
            }
            _ => {
                let Some((of_star, reach)) = star else {
                    return false;
                };
                star = Some((of_star, reach + 1));
                at = of_star + 1;
                in_name = reach + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_and_question_marks_match_without_case() {
        for (pattern, name, expected) in [
            ("*", "", true),
            ("0c38*", "0C383E01", true),
            ("*01", "0c383e01", true),
            ("*3e*", "0c383e01", true),
            ("?c*1", "0c383e01", true),
            ("0c38", "0c383e01", false),
            ("*02", "0c383e01", false),
            ("", "x", false),
            ("a*b*c", "aXbXbc", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
