//! What the tools name of `run.rs` on Windows, where no recorder runs.

use std::path::PathBuf;

use crate::cli::failure::Failure;

/// A stick has a letter of its own: it is named, else the current folder is meant.
pub(super) fn default_folder() -> Result<PathBuf, Failure> {
    Ok(".".into())
}
