//! The files of a recording's parts, wherever they are: in a folder, in a bucket or on a peer, from which
//! a copy is made.

use std::path::PathBuf;

use serde_json::Value;

use super::error::ApiError;
use crate::server::archive::app::App;
use crate::server::archive::peer::peers::NoCopy;
use crate::server::archive::search::Row;

/// All parts' files, in order. A refusal says that one of them is not here now.
pub(super) fn sound_files(app: &App, row: &Row) -> Result<Vec<PathBuf>, ApiError> {
    files(app, row, true)
}

/// The same for somebody who hears the call while it runs: what comes from a peer may lag behind.
pub(super) fn live_files(app: &App, row: &Row) -> Result<Vec<PathBuf>, ApiError> {
    files(app, row, row.state != "running")
}

fn files(app: &App, row: &Row, is_whole: bool) -> Result<Vec<PathBuf>, ApiError> {
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let parts = document["files"].as_array().cloned().unwrap_or_default();
    let is_on_its_way =
        row.state == "running" || document["place"] == "moving" || document["place"] == "peer";
    let mut found = vec![];
    for part in &parts {
        let name = part["file"].as_str().unwrap_or_default();
        let path = path_here(&app.settings.dirs(), &row.folder, name);
        if path.exists() {
            found.push(path);
            continue;
        }
        if is_on_its_way && app.peers.is_any() {
            let stem = name.trim_end_matches(".wav");
            match app.peers.copy(&row.folder, stem, is_whole) {
                Ok(copy) => {
                    found.push(copy);
                    continue;
                }
                Err(NoCopy::Away(problem)) if row.state == "running" => return Err(away(&problem)),
                Err(_) => {}
            }
        }
        if app.cache.buckets().is_empty() {
            found.push(path);
            continue;
        }
        // How long a peer's file has become shows only in the listing of the bucket.
        let bytes = match is_on_its_way && app.peers.is_any() {
            true => 0,
            false => part["size_bytes"].as_u64().unwrap_or(0),
        };
        let copy = app.cache.copy(&row.folder, name, bytes);
        let copy = copy.map_err(|problem| {
            log::warn!("{problem}");
            ApiError::unavailable("moving", "the bucket that has its file does not answer")
                .retry_after(30)
        })?;
        found.push(copy.ok_or_else(not_here)?);
    }
    Ok(found)
}

/// The path of a file in the folder that has it; if none has, in the first one.
pub(super) fn path_here(dirs: &[PathBuf], folder: &str, name: &str) -> PathBuf {
    let paths = dirs.iter().map(|dir| dir.join(folder).join(name));
    let mut paths: Vec<PathBuf> = paths.collect();
    let at = paths.iter().position(|path| path.exists()).unwrap_or(0);
    paths.swap_remove(at)
}

/// It is on its way to another place, or nowhere.
pub(super) fn not_here() -> ApiError {
    ApiError::unavailable("moving", "its file is not here now").retry_after(30)
}

/// The host that records it cannot be asked. Why is in the log: it is of no use to listeners.
fn away(problem: &str) -> ApiError {
    log::debug!("a running call cannot be heard: {problem}");
    ApiError::unavailable("away", "the host that records it does not answer").retry_after(5)
}
