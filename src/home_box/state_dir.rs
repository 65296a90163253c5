//! The folder `stateDir`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use crate::io::file_lock::FileLock;

/// Held by the running box.
const RUNNING: &str = "running";

/// Takes the folder for this box until the lock is dropped: two boxes would replace each other's
/// files.
pub(super) fn lock(folder: &str) -> Result<FileLock, String> {
    create(folder)?;
    let path = format!("{folder}/{RUNNING}");
    match FileLock::try_acquire(&path) {
        Ok(Some(lock)) => Ok(lock),
        Ok(None) => Err(format!(
            "stateDir {folder}: another callrec-box uses it; stop that one, or give each its own stateDir"
        )),
        Err(problem) => Err(format!("{path}: {problem}")),
    }
}

/// Makes the folder if it does not exist; only its owner may look into it.
pub(super) fn create(folder: &str) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let created = builder.create(folder);
    created.map_err(|problem| format!("{folder}: {problem}"))
}
