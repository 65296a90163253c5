//! Errors of our own where the system's are expected.

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

/// An error that says this. One made of a `&str` by `io::Error::new` brings Unicode's tables into the program, 4 KB.
pub fn error(kind: ErrorKind, words: &'static str) -> io::Error {
    io::Error::new(kind, Words(words))
}
