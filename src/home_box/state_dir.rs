//! The folder `stateDir`.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

/// Makes the folder if it does not exist; only its owner may look into it.
pub(super) fn create(folder: &str) -> Result<(), String> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let created = builder.create(folder);
    created.map_err(|problem| format!("{folder}: {problem}"))
}
