//! The output of commands. Text that strangers choose, names above all, is made harmless for a
//! terminal.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::failure::Failure;
use crate::wire::json::{self, steers};

/// Takes bytes, all or none. It makes a smaller program than `dyn Write`.
pub trait ByteSink {
    /// Writes and flushes them.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl<W: Write> ByteSink for W {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).and_then(|()| self.flush())
    }
}

/// Prints to standard output. A reader that has gone away (`| head`) is not a failure.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    put(&mut std::io::stdout(), text)
}

fn put(out: &mut dyn ByteSink, text: &str) -> Result<ExitCode, Failure> {
    match out.put(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Standard output and standard error, or their substitutes in a test.
pub(super) struct Console<'a> {
    pub(super) out: &'a mut dyn ByteSink,
    pub(super) err: &'a mut dyn ByteSink,
}

impl Console<'_> {
    /// Prints to standard output.
    pub(super) fn print(&mut self, text: &str) -> Result<ExitCode, Failure> {
        put(self.out, text)
    }

    /// A line on standard error.
    pub(super) fn note(&mut self, message: &str) {
        let line = format!("callrec: {message}\n");
        let _ = self.err.put(line.as_bytes());
    }

    /// Ends a command that continues after failures: prints a line for each, and returns status 1
    /// if there was one.
    pub(super) fn conclude(&mut self, problems: &[String]) -> Result<ExitCode, Failure> {
        let Some((last, others)) = problems.split_last() else {
            return Ok(ExitCode::SUCCESS);
        };
        others.iter().for_each(|problem| self.note(problem));
        Err(Failure::Failed(last.clone()))
    }
}

/// A path to be printed.
pub(crate) fn shown(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

/// The text without characters that control a terminal or change the direction of writing.
pub(crate) fn harmless(text: &str) -> String {
    let replaced = |c: char| {
        if steers(c) {
            char::REPLACEMENT_CHARACTER
        } else {
            c
        }
    };
    text.chars().map(replaced).collect()
}

/// Appends `text` as a JSON string; characters that control a terminal are escaped.
pub(super) fn quote(json: &mut String, text: &str) {
    let _ = json::quote(json, text.as_bytes());
}

#[cfg(feature = "tools")]
impl From<crate::recordings::part::FileError> for Failure {
    fn from(error: crate::recordings::part::FileError) -> Self {
        Self::Failed(format!("{}: {}", shown(&error.path), error.reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let hostile = "a\u{1b}[2J\r\n\u{9b}31m\u{202e}b é\u{1F600}\u{7f}\0";
        let clean = harmless(hostile);
        assert!(
            !clean.contains(steers)
                && clean.starts_with("a\u{FFFD}[2J")
                && clean.contains("b é\u{1F600}")
        );
        let mut json = String::new();
        quote(&mut json, &format!("\"\\{hostile}"));
        assert!(!json.contains(steers));
        assert_eq!(
            serde_json::from_str::<String>(&json).unwrap(),
            format!("\"\\{hostile}")
        );
    }
}
