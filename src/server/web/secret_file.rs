//! Keys, from files: the first line without its end.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use log::warn;

/// The longest file that is read.
const MAX_BYTES: u64 = 4096;
/// Characters of an app key as the cloud gives them out.
const APP_KEY_CHARS: usize = 32;
/// The bit of a file's mode.
const OTHERS_READ: u32 = 0o004;

/// Reads a secret. What is odd about the file is logged, the secret never.
pub(in crate::server) fn read(path: &Path) -> Result<String, String> {
    let (key, warnings) = read_with_warnings(path, false)?;
    warnings.iter().for_each(|warning| warn!("{warning}"));
    Ok(key)
}

/// Reads the key of an app.
pub(in crate::server) fn read_app_key(path: &Path) -> Result<String, String> {
    let (key, warnings) = read_with_warnings(path, true)?;
    warnings.iter().for_each(|warning| warn!("{warning}"));
    Ok(key)
}

/// The same for a command, which has no log: what is odd is printed.
#[allow(clippy::print_stderr)] // a warning beside the result
pub(in crate::server) fn read_app_key_for_a_person(path: &Path) -> Result<String, String> {
    let (key, warnings) = read_with_warnings(path, true)?;
    for warning in warnings {
        eprintln!("callrec-server: warning: {warning}");
    }
    Ok(key)
}

/// The secret, and what is odd about the file.
fn read_with_warnings(path: &Path, is_app_key: bool) -> Result<(String, Vec<String>), String> {
    let shown = path.display();
    let problem = |problem: &dyn std::fmt::Display| format!("{shown}: {problem}");
    let mut warnings = vec![];
    let file = fs::File::open(path).map_err(|error| problem(&error))?;
    let mode = file
        .metadata()
        .map_err(|error| problem(&error))?
        .permissions()
        .mode();
    if mode & OTHERS_READ != 0 {
        warnings.push(format!(
            "{shown}: others can read it; 'chmod o-r {shown}' prevents that"
        ));
    }
    let mut bytes = vec![];
    let read = file.take(MAX_BYTES).read_to_end(&mut bytes);
    read.map_err(|error| problem(&error))?;
    let mut lines = bytes.split(|byte| matches!(byte, b'\n' | b'\r'));
    let line = String::from_utf8(lines.next().unwrap_or_default().to_vec());
    let line = line.map_err(|_| problem(&"its first line is not UTF-8 text"))?;
    if line.is_empty() {
        return Err(problem(&"its first line is empty; it must be the key"));
    }
    let chars = line.chars().count();
    if is_app_key && chars != APP_KEY_CHARS {
        warnings.push(format!(
            "{shown}: the key has {chars} characters, those of the cloud have {APP_KEY_CHARS}"
        ));
    }
    Ok((line, warnings))
}
