//! Deletions that a crash has interrupted, and copies of deleted recordings that have come back.

use std::io;

use log::info;

use crate::server::archive::app::App;
use crate::server::archive::database::{values, Row};
use crate::server::archive::deletion::{forget, give_up, remove_part, resume, DeletionRefusal};
use crate::server::archive::lock::lock;
use crate::server::archive::pending_deletion::PendingDeletion;
use crate::server::archive::schema::DELETED_PARTS;

/// Deletions that a crash has interrupted after their line in the audit log and before their tombstone.
/// One without a line has not begun.
pub(super) fn find_interrupted(app: &App) -> Result<(), String> {
    let mut interrupted = vec![];
    for (id, text) in app.accounts.deletions()? {
        let deletion = PendingDeletion::parse(&id, &text);
        let record = app.records.read(&id);
        let is_buried = record.is_ok_and(|record| record.tombstone.is_some());
        if is_buried || !is_logged(app, &deletion)? {
            app.accounts.end_deletion(&id)?;
            continue;
        }
        interrupted.push(deletion);
    }
    *lock(&app.interrupted) = interrupted;
    Ok(())
}

/// The newest line about it says that it is deleted.
fn is_logged(app: &App, deletion: &PendingDeletion) -> Result<bool, String> {
    let is_about = |line: &serde_json::Value| {
        line["id"] == deletion.id.as_str()
            && ["delete", "delete-failed"]
                .iter()
                .any(|what| line["what"] == *what)
    };
    let newest = app.audit.latest(1, &is_about)?;
    Ok(newest.first().is_some_and(|line| line["what"] == "delete"))
}

/// Goes on with them; what cannot be deleted now is tried at the next scan again.
pub(super) fn finish_interrupted(app: &App) -> Result<(), String> {
    let interrupted = lock(&app.interrupted).clone();
    for deletion in interrupted {
        let id = &deletion.id;
        match resume(app, &deletion) {
            Ok(()) => info!("{id}: its deletion was interrupted, and is finished"),
            Err(DeletionRefusal::Held) => give_up(app, &deletion, "held")?,
            Err(DeletionRefusal::Failed(problem) | DeletionRefusal::Audit(problem)) => {
                return Err(problem);
            }
            // Its file is not there now, or in use.
            Err(
                DeletionRefusal::NotFound
                | DeletionRefusal::Running
                | DeletionRefusal::Locked
                | DeletionRefusal::Bucket(_),
            ) => continue,
        }
        lock(&app.interrupted).retain(|other| other.id != *id);
    }
    remove_what_is_deleted(app)
}

/// Parts whose recording has a tombstone: a crash has left them behind, or a backup has brought them back.
fn remove_what_is_deleted(app: &App) -> Result<(), String> {
    let left = app.catalogue.read(|session| {
        let sql =
            format!("SELECT part.id, part.place, folder.name, part.stem FROM {DELETED_PARTS}");
        type Part = (String, i64, String, String);
        let of = |row: &Row| -> Result<Part, String> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        };
        session.rows(&sql, values![], of)
    })?;
    for (id, place, folder, stem) in left {
        let _changing = lock(&app.changing);
        let Some(dir) = app.places.dir(place) else {
            continue;
        };
        let path = dir.join(&folder).join(format!("{stem}.wav"));
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        remove_part(&path).map_err(failed)?;
        info!("{}: is deleted; the file is removed", path.display());
        forget(app, &id)?;
    }
    Ok(())
}
