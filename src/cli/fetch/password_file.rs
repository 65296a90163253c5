//! The password for a phone, and the file that it is from.

use std::ffi::OsStr;
use std::fmt::Display;
use std::path::{Path, PathBuf};

use crate::cli::console::shown;
use crate::cli::failure::Failure;

/// A password, and where it is from.
pub(super) struct PasswordFile {
    pub(super) path: PathBuf,
    pub(super) password: Vec<u8>,
}

impl PasswordFile {
    /// Reads the first line of a file.
    pub(super) fn read(path: &OsStr) -> Result<Self, Failure> {
        let path = Path::new(path);
        let problem = |words: &dyn Display| {
            Failure::Usage(format!("fetch: --password-file {}: {words}", shown(path)))
        };
        let text = std::fs::read(path).map_err(|error| problem(&error))?;
        let mut lines = text.split(|byte| matches!(byte, b'\n' | b'\r'));
        let password = lines.next().unwrap_or_default().to_vec();
        if password.is_empty() {
            return Err(problem(
                &"its first line is empty; it must be the phone's fspPassword",
            ));
        }
        Ok(Self {
            path: path.into(),
            password,
        })
    }
}
