//! `io::Error`s with a message of our own.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};

#[derive(Debug)]
struct Words(&'static str);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Words {}

/// An error with this message. `io::Error::new` with a `&str` would add Unicode tables of 4 KB to
/// the program.
pub fn error(kind: ErrorKind, words: &'static str) -> io::Error {
    io::Error::new(kind, Words(words))
}
