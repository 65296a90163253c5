//! Where a tool's words go. What strangers can choose, names above all, is made harmless for a terminal.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::cli::Failure;
use crate::wire::json::{self, steers};

/// Takes bytes, all or none. Smaller in a program than `dyn Write`.
pub trait Sink {
    /// Writes them all.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()>;
}

impl<W: Write> Sink for W {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).and_then(|()| self.flush())
    }
}

/// Standard output and standard error, or what stands for them in a test.
pub(super) struct Console<'a> {
    pub(super) out: &'a mut dyn Sink,
    pub(super) err: &'a mut dyn Sink,
}

impl Console<'_> {
    /// Prints to standard output. A reader that has gone away (`| head`) is no failure.
    pub(super) fn print(&mut self, text: &str) -> Result<ExitCode, Failure> {
        match self.out.put(text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => {
                Err(Failure::Failed(format!("standard output: {error}")))
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    /// A line on standard error.
    pub(super) fn note(&mut self, words: &str) {
        let _ = self.err.put(format!("callrec: {words}\n").as_bytes());
    }

    /// The end of a tool that goes on past what fails: a line for each problem, status 1 if there was one.
    pub(super) fn conclude(&mut self, problems: &[String]) -> Result<ExitCode, Failure> {
        let Some((last, others)) = problems.split_last() else {
            return Ok(ExitCode::SUCCESS);
        };
        others.iter().for_each(|problem| self.note(problem));
        Err(Failure::Failed(last.clone()))
    }
}

/// A path to be printed.
pub(super) fn shown(path: &Path) -> String {
    harmless(&path.to_string_lossy())
}

/// A text without what would steer a terminal or turn the reading direction.
pub(super) fn harmless(text: &str) -> String {
    text.chars()
        .map(|c| {
            if steers(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// Adds `text` as a JSON string. What steers a terminal is escaped, too.
pub(super) fn quote(json: &mut String, text: &str) {
    let _ = json::quote(json, text.as_bytes());
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
