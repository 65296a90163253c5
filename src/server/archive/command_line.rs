//! What the archive's commands have in common on their command lines.

use std::ffi::OsString;

use crate::cli::failure::Failure;
use crate::server::archive::settings::ArchiveSettings;
use crate::server::options::read;

/// The options' values of a command line.
pub(super) fn settings(arguments: Vec<OsString>) -> Result<ArchiveSettings, Failure> {
    let settings = read::<ArchiveSettings>(arguments)?;
    Ok(settings.unwrap_or_default())
}

/// Takes an option without a value out of a command line; `true`: it was there.
pub(super) fn take_flag(arguments: &mut Vec<OsString>, name: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != name);
    arguments.len() < before
}
