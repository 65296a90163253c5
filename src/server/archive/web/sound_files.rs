//! The files of a recording's parts, wherever they are: in a folder, or in a bucket, from which a copy
//! is made.

use std::path::PathBuf;

use serde_json::Value;

use super::error::ApiError;
use super::live::files;
use crate::server::archive::app::App;
use crate::server::archive::search::Row;

/// All parts' files, in order. A refusal says that one of them is not here now.
pub(super) fn sound_files(app: &App, row: &Row) -> Result<Vec<PathBuf>, ApiError> {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let parts = document["files"].as_array().cloned().unwrap_or_default();
    let paths = files(&app.settings.dirs(), row);
    let mut found = vec![];
    for (path, part) in paths.into_iter().zip(&parts) {
        if path.exists() || app.cache.buckets().is_empty() {
            found.push(path);
            continue;
        }
        let (name, bytes) = (part["file"].as_str(), part["size_bytes"].as_u64());
        let copy = app
            .cache
            .copy(&row.folder, name.unwrap_or_default(), bytes.unwrap_or(0));
        let copy = copy.map_err(|problem| {
            log::warn!("{problem}");
            ApiError::unavailable("moving", "the bucket that has its file does not answer")
                .retry_after(30)
        })?;
        found.push(copy.ok_or_else(not_here)?);
    }
    Ok(found)
}

/// It is on its way to another place, or nowhere.
pub(super) fn not_here() -> ApiError {
    ApiError::unavailable("moving", "its file is not here now").retry_after(30)
}
