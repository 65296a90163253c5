//! Deleting a recording: a line in the audit log, a tombstone, then the files, then the row. A crash
//! between any two is finished at the next scan, because the tombstone says what is to go.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};

use crate::io::file::claim;
use crate::recordings::start_time::StartTime;
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::catalogue::{fault, lock};
use crate::server::archive::parts::{Change, PartWriter};
use crate::server::archive::records;
use crate::server::archive::scan::now;
use crate::server::archive::search::find;

/// Why a recording is not deleted.
#[derive(Debug)]
pub(super) enum DeletionRefusal {
    NotFound,
    Held,
    Running,
    /// Another process has the file.
    Locked,
    Audit(String),
    Failed(String),
}

impl From<String> for DeletionRefusal {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

/// Deletes a recording, and all that people have added to it.
pub(super) fn delete(
    app: &App,
    actor: &Actor,
    id: &str,
    reason: &str,
) -> Result<(), DeletionRefusal> {
    let _changing = lock(&app.changing);
    // The record itself decides, not the catalogue: a hold may be a moment old.
    let failed = |error: io::Error| DeletionRefusal::Failed(format!("the record of {id}: {error}"));
    let added = app.records.read(id).map_err(failed)?;
    if added.tombstone.is_some() {
        return Err(DeletionRefusal::NotFound);
    }
    if added.hold {
        return Err(DeletionRefusal::Held);
    }
    let row = app.catalogue.read(|connection| find(connection, id))?;
    let row = row.ok_or(DeletionRefusal::NotFound)?;
    if row.state == "running" {
        return Err(DeletionRefusal::Running);
    }
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let paths = files_of(&app.settings.dirs(), &row.folder, &document);
    let _claimed = claim_all(&paths)?;
    let tombstone = tombstone(&document, row.key >> 24, actor, reason);
    let more = json!({"reason": reason});
    let logged = app
        .audit
        .append(&app.accounts, actor, "delete", id, more, now());
    logged.map_err(DeletionRefusal::Audit)?;
    app.records.bury(id, &tombstone).map_err(failed)?;
    for path in &paths {
        remove_part(path)
            .map_err(|error| DeletionRefusal::Failed(format!("{}: {error}", path.display())))?;
    }
    let change = forget(app, id)?;
    app.events.add(change.into_iter().collect());
    Ok(())
}

/// What is left of it: neither number nor name, note or tag.
fn tombstone(document: &Value, start: i64, actor: &Actor, reason: &str) -> Map<String, Value> {
    let files = document["files"].as_array().cloned().unwrap_or_default();
    let sums: Vec<Value> = files.iter().map(|file| file["sha256"].clone()).collect();
    let tombstone = json!({
        "folder": document["folder"], "start": document["start"], "start_s": start, "end_time": document["end_time"],
        "duration_ms": document["duration_ms"], "deleted_time": StartTime::of_seconds(now()).start.to_string(),
        "deleted_by": actor.who, "deleted_reason": reason, "parts": sums.len(), "sha256": sums,
    });
    match tombstone {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// The audio of all parts, in all places.
fn files_of(dirs: &[PathBuf], folder: &str, document: &Value) -> Vec<PathBuf> {
    let files = document["files"].as_array().cloned().unwrap_or_default();
    let names = files
        .iter()
        .filter_map(|file| file["file"].as_str().map(str::to_owned));
    let paths = |name: String| {
        dirs.iter()
            .map(move |dir| dir.join(folder).join(&name))
            .collect::<Vec<_>>()
    };
    names
        .flat_map(paths)
        .filter(|path| path.symlink_metadata().is_ok())
        .collect()
}

/// Holds the locks by which recorders know a file that is in use.
fn claim_all(paths: &[PathBuf]) -> Result<Vec<File>, DeletionRefusal> {
    let mut claimed = vec![];
    for path in paths {
        // Without the permission to write there is no lock, nor a deletion that could be finished.
        let file = File::options().read(true).write(true).open(path);
        let file =
            file.map_err(|error| DeletionRefusal::Failed(format!("{}: {error}", path.display())))?;
        if !claim(&file) {
            return Err(DeletionRefusal::Locked);
        }
        claimed.push(file);
    }
    Ok(claimed)
}

/// Audio first: a sidecar alone is nothing that can be heard.
fn remove_part(audio: &Path) -> io::Result<()> {
    for suffix in ["wav", "json", "json.part"] {
        match fs::remove_file(audio.with_extension(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    if let Some(folder) = audio.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// The catalogue keeps what the tombstone tells, and nothing of the parts.
fn forget(app: &App, id: &str) -> Result<Option<Change>, String> {
    let added = app
        .records
        .read(id)
        .map_err(|error| format!("the record of {id}: {error}"))?;
    app.catalogue.write(|connection| {
        records::put(connection, id, &added)?;
        connection
            .execute("DELETE FROM part WHERE id = ?1", [id])
            .map_err(fault)?;
        let writer = PartWriter {
            connection,
            key: &app.key,
            now: now(),
        };
        writer.rejoin(id, true)
    })
}

/// Finishes deletions that a crash has interrupted, and removes copies that have come back.
pub(super) fn finish_interrupted(app: &App) -> Result<(), String> {
    let left = app.catalogue.read(|connection| {
        let sql = "SELECT part.id, part.place, folder.name, part.stem FROM part JOIN added ON added.id = part.id
            JOIN folder ON folder.id = part.folder WHERE added.tombstone IS NOT NULL";
        let mut find = connection.prepare_cached(sql).map_err(fault)?;
        type Row = (String, i64, String, String);
        let of = |row: &rusqlite::Row| -> rusqlite::Result<Row> { Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)) };
        let rows = find.query_map([], of).map_err(fault)?;
        rows.collect::<Result<Vec<_>, _>>().map_err(fault)
    })?;
    for (id, place, folder, stem) in left {
        let _changing = lock(&app.changing);
        let dirs = app.settings.dirs();
        let Some(dir) = dirs.get(place as usize) else {
            continue;
        };
        let path = dir.join(&folder).join(format!("{stem}.wav"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        remove_part(&path).map_err(failed)?;
        log::info!(
            "{}: was deleted before; the copy is removed",
            path.display()
        );
        forget(app, &id)?;
    }
    Ok(())
}
