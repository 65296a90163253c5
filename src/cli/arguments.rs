//! Command lines, read argument by argument.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(not(feature = "tools"))]
use lexopt::prelude::{Long, Short, Value};

use crate::cli::console::{shown, Console};
use crate::cli::failure::Failure;
use crate::recordings::folder;
use crate::wire::recording::name::has_recording_suffix;

/// The arguments of one command.
pub(crate) fn parser(arguments: Vec<OsString>) -> lexopt::Parser {
    lexopt::Parser::from_args(arguments)
}

#[cfg(not(feature = "tools"))]
/// `[--json] PATH...`; `None`: `--help` was given.
pub(super) fn json_and_paths(
    arguments: Vec<OsString>,
) -> Result<Option<(bool, Vec<PathBuf>)>, Failure> {
    let mut parser = parser(arguments);
    let mut json = false;
    let mut paths = vec![];
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(None),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((json, paths)))
}

/// The paths, each folder replaced by the `*.wav` files below it. Folders that cannot be read are
/// added to `problems`.
pub(super) fn expand(
    paths: &[PathBuf],
    console: &mut Console,
    problems: &mut Vec<String>,
) -> Vec<PathBuf> {
    let mut files = vec![];
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let before = problems.len();
        let mut found = folder::search(path, has_recording_suffix, &mut |folder, error| {
            problems.push(format!("{}: {error}", shown(folder)));
        });
        if found.is_empty() && problems.len() == before {
            console.note(&format!("{}: no recordings in it", shown(path)));
        }
        files.append(&mut found);
    }
    files
}

/// `SECONDS`, `M:SS` or `H:MM:SS`, with fractions, in samples.
#[cfg(feature = "tools")]
pub(super) fn samples(text: &std::ffi::OsStr) -> Result<u64, Failure> {
    use std::path::Path;

    let text = text.to_string_lossy();
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'.' || byte == b':';
    let has_form = text.bytes().all(is_digit) && text.split(':').count() <= 3;
    let add = |sum: Option<f64>, part: &str| Some(sum? * 60.0 + part.parse::<f64>().ok()?);
    let value = text.split(':').fold(Some(0.0), add);
    match value.filter(|seconds| has_form && *seconds < 1e9) {
        Some(seconds) => {
            let rate = crate::recordings::joined::RATE as f64;
            Ok((seconds * rate).round() as u64)
        }
        None => crate::cli::failure::usage(&format!(
            "'{}' is not a time; write seconds, or M:SS",
            shown(Path::new(&*text))
        )),
    }
}
