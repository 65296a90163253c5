//! The syntax of configuration files: `key = value` lines. `#` begins a comment.

use core::fmt::{self, Display};

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The line's number, from 1.
    pub line: usize,
    /// The key; empty when the line has none.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        f.write_str(&self.problem)
    }
}

/// A key that a file lacks because another key needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(any(feature = "fsp", feature = "intercom")), allow(dead_code))]
pub(crate) struct MissingKey {
    /// The key that needs the other one. The error names its line.
    pub(super) needed_by: &'static str,
    /// The key that the error names.
    pub(super) key: &'static str,
    pub(super) problem: &'static str,
}

#[cfg_attr(not(any(feature = "fsp", feature = "intercom")), allow(dead_code))]
impl MissingKey {
    /// The error about this key in a file's text.
    pub(crate) fn error(self, text: &str) -> Error {
        let needed_by = |line: &str| line.trim_start().starts_with(self.needed_by);
        Error {
            line: 1 + text.lines().position(needed_by).unwrap_or(0),
            key: self.key.into(),
            problem: self.problem.into(),
        }
    }
}

/// Writes keys and their values, a line each.
pub(super) fn write_pairs(
    f: &mut fmt::Formatter<'_>,
    pairs: &[(&str, &dyn Display)],
) -> fmt::Result {
    for (key, value) in pairs {
        writeln!(f, "{key} = {value}")?;
    }
    Ok(())
}

/// Gives each pair of a text to `set`, up to the first error. A key may appear once, unless it is
/// `repeatable`.
pub(crate) fn each_pair(
    text: &str,
    repeatable: &[&str],
    mut set: impl FnMut(&str, &str) -> Result<(), String>,
) -> Result<(), Error> {
    let mut seen: Vec<(&str, usize)> = vec![];
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let error = |key: &str, problem: String| Error {
            line: number,
            key: key.into(),
            problem,
        };
        let Some((key, value)) = line.split_once('=') else {
            let problem = format!("expected 'key = value', found '{line}'");
            return Err(error("", problem));
        };
        let (key, value) = (key.trim(), value.trim());
        let first = seen.iter().find(|(known, _)| *known == key);
        if let Some((_, first)) = first.filter(|_| !repeatable.contains(&key)) {
            return Err(error(key, format!("is set already on line {first}")));
        }
        seen.push((key, number));
        set(key, value).map_err(|problem| error(key, problem))?;
    }
    Ok(())
}
