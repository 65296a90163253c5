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

/// Reads a secret. What is odd about the file is logged, the secret never.
pub(in crate::server) fn read(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let problem = |problem: &dyn std::fmt::Display| format!("{shown}: {problem}");
    let file = fs::File::open(path).map_err(|error| problem(&error))?;
    let mode = file.metadata().map_err(|error| problem(&error))?.permissions().mode();
    if mode & 0o004 != 0 {
        warn!("{shown}: others can read it; 'chmod 600 {shown}' prevents that");
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
    Ok(line)
}

/// Reads the key of an app.
pub(in crate::server) fn read_app_key(path: &Path) -> Result<String, String> {
    let key = read(path)?;
    let chars = key.chars().count();
    if chars != APP_KEY_CHARS {
        warn!("{}: the key has {chars} characters, those of the cloud have {APP_KEY_CHARS}", path.display());
    }
    Ok(key)
}
