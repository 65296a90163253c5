//! Deleting a recording: what is going to be done, a line in the audit log, a tombstone, then the files,
//! then the row. A crash before the line leaves everything as it was; after it `interrupted_deletion`
//! goes on at the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{json, Map, Value};

use crate::io::file::claim;
use crate::recordings::start_time::StartTime;
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::database::values;
use crate::server::archive::lock::lock;
use crate::server::archive::parts::{Change, PartWriter};
use crate::server::archive::pending_deletion::PendingDeletion;
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
    /// The bucket does not say whether it is held.
    Bucket(String),
    Failed(String),
}

impl From<String> for DeletionRefusal {
    fn from(problem: String) -> Self {
        Self::Failed(problem)
    }
}

/// The recording that is to be deleted, with the locks of its files.
struct Target {
    folder: String,
    document: Value,
    start: i64,
    /// Of the audio in folders.
    paths: Vec<PathBuf>,
    _claimed: Vec<File>,
}

/// Deletes a recording, and all that people have added to it.
pub(super) fn delete(
    app: &App,
    actor: &Actor,
    id: &str,
    reason: &str,
) -> Result<(), DeletionRefusal> {
    let _changing = lock(&app.changing);
    if app.is_being_deleted(id) {
        return Err(DeletionRefusal::NotFound);
    }
    let target = find_target(app, id)?;
    let deletion = PendingDeletion {
        id: id.to_owned(),
        actor: actor.clone(),
        reason: reason.to_owned(),
        time: now(),
    };
    let begun = app
        .accounts
        .begin_deletion(id, &deletion.to_json().to_string());
    begun.map_err(DeletionRefusal::Audit)?;
    let more = json!({"reason": reason});
    let logged = app
        .audit
        .append(&app.accounts, actor, "delete", id, more, deletion.time);
    if let Err(problem) = logged {
        app.accounts.end_deletion(id)?;
        return Err(DeletionRefusal::Audit(problem));
    }
    if let Err(refusal) = bury(app, &target, &deletion) {
        let why = match refusal {
            DeletionRefusal::Held => "held",
            _ => "failed",
        };
        give_up(app, &deletion, why)?;
        return Err(refusal);
    }
    app.accounts.end_deletion(id)?;
    Ok(remove(app, &target, id)?)
}

/// Carries out a deletion that a crash has interrupted before its tombstone was there.
pub(super) fn resume(app: &App, deletion: &PendingDeletion) -> Result<(), DeletionRefusal> {
    let _changing = lock(&app.changing);
    let target = find_target(app, &deletion.id)?;
    bury(app, &target, deletion)?;
    app.accounts.end_deletion(&deletion.id)?;
    Ok(remove(app, &target, &deletion.id)?)
}

/// The log of a deletion that was not carried out says so.
pub(super) fn give_up(app: &App, deletion: &PendingDeletion, why: &str) -> Result<(), String> {
    let (actor, more) = (&deletion.actor, json!({"reason": why}));
    app.audit.append(
        &app.accounts,
        actor,
        "delete-failed",
        &deletion.id,
        more,
        now(),
    )?;
    app.accounts.end_deletion(&deletion.id)
}

fn find_target(app: &App, id: &str) -> Result<Target, DeletionRefusal> {
    // The record itself decides, not the catalogue: a hold may be a moment old.
    let added = app.records.read(id);
    let added = added.map_err(|error| refused_by_record(app, of_record(id, &error)))?;
    if added.tombstone.is_some() {
        return Err(DeletionRefusal::NotFound);
    }
    if added.hold {
        return Err(DeletionRefusal::Held);
    }
    let row = app.catalogue.read(|session| find(session, id))?;
    let row = row.ok_or(DeletionRefusal::NotFound)?;
    if row.state == "running" {
        return Err(DeletionRefusal::Running);
    }
    let document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    let paths = files_of(&app.settings.dirs(), &row.folder, &document);
    Ok(Target {
        document,
        start: row.key >> 24,
        _claimed: claim_all(&paths)?,
        paths,
        folder: row.folder,
    })
}

fn of_record(id: &str, error: &io::Error) -> String {
    format!("the record of {id}: {error}")
}

fn refused_by_record(app: &App, problem: String) -> DeletionRefusal {
    if app.records.are_in_bucket() {
        return DeletionRefusal::Bucket(problem);
    }
    DeletionRefusal::Failed(problem)
}

/// From here on it is deleted, whatever becomes of its files.
fn bury(app: &App, target: &Target, deletion: &PendingDeletion) -> Result<(), DeletionRefusal> {
    let id = &deletion.id;
    let tombstone = tombstone(target, deletion);
    let buried = app.records.bury(id, &tombstone);
    match buried.map_err(|error| refused_by_record(app, of_record(id, &error)))? {
        true => Ok(()),
        false => Err(DeletionRefusal::Held),
    }
}

fn remove(app: &App, target: &Target, id: &str) -> Result<(), String> {
    if let Err(problem) = remove_files(app, target) {
        // The next scan tries again: it sees the tombstone beside the parts.
        let added = app.records.read(id);
        let added = added.map_err(|error| of_record(id, &error))?;
        app.catalogue
            .write(|session| records::put(session, id, &added))?;
        return Err(problem);
    }
    let change = forget(app, id)?;
    app.announce(change.into_iter().collect());
    Ok(())
}

/// All copies: in folders, and in buckets, also one that no listing has shown yet.
fn remove_files(app: &App, target: &Target) -> Result<(), String> {
    for path in &target.paths {
        remove_part(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let files = target.document["files"].as_array();
    let names = files
        .into_iter()
        .flatten()
        .filter_map(|file| file["file"].as_str());
    for stem in names.filter_map(|name| name.strip_suffix(".wav")) {
        app.cache.delete(&target.folder, stem)?;
    }
    Ok(())
}

/// What is left of it: neither number nor name, note or tag.
fn tombstone(target: &Target, deletion: &PendingDeletion) -> Map<String, Value> {
    let document = &target.document;
    let files = document["files"].as_array().cloned().unwrap_or_default();
    let sums: Vec<Value> = files.iter().map(|file| file["sha256"].clone()).collect();
    let time = StartTime::of_seconds(deletion.time).start.to_string();
    let tombstone = json!({
        "folder": document["folder"], "start": document["start"], "start_s": target.start, "end_time": document["end_time"],
        "duration_ms": document["duration_ms"], "deleted_time": time, "deleted_by": deletion.actor.who,
        "deleted_reason": deletion.reason, "parts": sums.len(), "sha256": sums,
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
pub(super) fn remove_part(audio: &Path) -> io::Result<()> {
    for suffix in ["wav", "json", "json.part"] {
        match fs::remove_file(audio.with_extension(suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match audio.parent().map(File::open) {
        Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Some(Ok(folder)) => folder.sync_all(),
        _ => Ok(()),
    }
}

/// The catalogue keeps what the tombstone tells, and nothing of the parts.
pub(super) fn forget(app: &App, id: &str) -> Result<Option<Change>, String> {
    let added = app
        .records
        .read(id)
        .map_err(|error| format!("the record of {id}: {error}"))?;
    app.catalogue.write(|session| {
        records::put(session, id, &added)?;
        session.execute("DELETE FROM part WHERE id = ?1", values![id])?;
        let writer = PartWriter {
            session,
            key: &app.key,
            now: now(),
        };
        writer.rejoin(id, true)
    })
}
