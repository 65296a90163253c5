//! Tags, notes, holds and deletion of one recording.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::Extension;
use serde_json::{json, Map, Value};

use super::audio::text;
use super::error::ApiError;
use super::params::Members;
use super::recordings::{json_response, shown, version};
use super::viewer::{Proof, Viewer};
use crate::recordings::start_time::StartTime;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::deletion::{delete, DeletionRefusal};
use crate::server::archive::lock::lock;
use crate::server::archive::parts::PartWriter;
use crate::server::archive::records;
use crate::server::archive::scan::now;

const MAX_TAGS: usize = 20;
const MAX_TAG_CHARS: usize = 40;
const MAX_NOTE_CHARS: usize = 10_000;
const MAX_REASON_CHARS: usize = 1000;

/// A JSON body, or why it is none.
pub(super) fn json_body(headers: &HeaderMap, body: &[u8]) -> Result<Members, ApiError> {
    let kind = text(headers, header::CONTENT_TYPE).unwrap_or_default();
    if !kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    {
        let words = "the body must be application/json";
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json",
            words,
        ));
    }
    Members::new(body)
}

/// He has a password here: neither a program has one nor somebody whom only a proxy or an issuer knows.
pub(super) fn has_password(viewer: &Viewer) -> bool {
    match viewer.proof {
        Proof::Session(_) => true,
        Proof::Token(_) => false,
        Proof::Outside { has_account, .. } | Proof::Proxy { has_account } => has_account,
    }
}

/// Some changes ask for the password again: a session may have been left open.
pub(super) fn confirm(app: &App, viewer: &Viewer, password: Option<&str>) -> Result<(), ApiError> {
    if !has_password(viewer) {
        return Ok(());
    }
    let is_right = match password {
        Some(password) => app.accounts.log_in(&viewer.name, password)?.is_some(),
        None => false,
    };
    if !is_right {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "password",
            "password: your password is asked for again",
        ));
    }
    Ok(())
}

/// `PATCH /api/v1/recordings/ID`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let changed = app.run(move |app| {
        app.recording(&viewer, &id, Role::Supervisor)?;
        let mut members = json_body(&headers, &body)?;
        let change = checked(&mut members)?;
        let password = members.text("password")?;
        members.finish()?;
        let condition = text(&headers, header::IF_MATCH).map(str::to_owned);
        apply(app, &viewer, &id, change, condition, password.as_deref())
    });
    let (body, version) = changed.await?;
    let mut response = json_response(&body);
    if let Ok(tag) = version.parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

pub(super) fn checked(members: &mut Members) -> Result<Map<String, Value>, ApiError> {
    let mut change = Map::new();
    let wrong = |words: &str| ApiError::bad("bad-value", words);
    if let Some(tags) = members.take("tags") {
        let tags = tags
            .as_array()
            .ok_or_else(|| wrong("tags: must be a list of strings"))?;
        let is_tag = |tag: &Value| {
            let chars = tag.as_str().map(|tag| tag.trim().chars().count());
            chars.is_some_and(|chars| (1..=MAX_TAG_CHARS).contains(&chars))
        };
        if tags.len() > MAX_TAGS || !tags.iter().all(is_tag) {
            return Err(wrong("tags: at most 20, of 1 to 40 characters each"));
        }
        let tags = tags
            .iter()
            .filter_map(Value::as_str)
            .map(|tag| tag.trim().to_owned());
        change.insert("tags".into(), tags.collect::<Vec<_>>().into());
    }
    if let Some(note) = members.text("note")? {
        if note.chars().count() > MAX_NOTE_CHARS {
            return Err(wrong("note: at most 10000 characters"));
        }
        change.insert("note".into(), note.into());
    }
    if let Some(hold) = members.take("hold") {
        let hold = hold
            .as_bool()
            .ok_or_else(|| wrong("hold: must be true or false"))?;
        change.insert("hold".into(), hold.into());
    }
    Ok(change)
}

pub(super) fn apply(
    app: &App,
    viewer: &Viewer,
    id: &str,
    mut change: Map<String, Value>,
    condition: Option<String>,
    password: Option<&str>,
) -> Result<(Value, String), ApiError> {
    let failed = |error: std::io::Error| of_record(app, &format!("the record of {id}: {error}"));
    // Before the lock: it takes some time.
    let releases = change.get("hold") == Some(&Value::Bool(false));
    if releases && app.records.read(id).map_err(failed)?.hold {
        viewer.require(Role::Admin)?;
        confirm(app, viewer, password)?;
    }
    let _changing = lock(&app.changing);
    let mut added = app.records.read(id).map_err(failed)?;
    if added.tombstone.is_some() || app.is_being_deleted(id) {
        return Err(ApiError::not_found());
    }
    let is_expected = |tag: &String| tag == "*" || *tag == format!("\"{}\"", added.version);
    if !condition.as_ref().is_none_or(is_expected) {
        let words = "somebody else has changed it meanwhile";
        return Err(ApiError::new(
            StatusCode::PRECONDITION_FAILED,
            "changed",
            words,
        ));
    }
    if added.hold && releases && viewer.rights.role < Role::Admin {
        return Err(ApiError::role());
    }
    if !change.is_empty() {
        let keys: Vec<&String> = change.keys().collect();
        app.log(
            viewer,
            "change",
            id,
            json!({"members": keys, "hold": change.get("hold")}),
        )?;
        change.insert(
            "time".into(),
            StartTime::of_seconds(now()).start.to_string().into(),
        );
        change.insert("who".into(), viewer.name.as_str().into());
        app.records
            .append(id, &change)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound if app.records.are_in_bucket() => {
                    ApiError::not_found()
                }
                _ => failed(error),
            })?;
        added.apply(&change);
        let changed = app.catalogue.write(|session| {
            records::put(session, id, &added)?;
            let writer = PartWriter {
                session,
                key: &app.key,
                now: now(),
            };
            writer.rejoin(id, true)
        });
        app.announce(changed?.into_iter().collect());
    }
    let row = app.recording(viewer, id, Role::Supervisor)?;
    Ok((shown(app, &row), version(&row)))
}

/// What people have added cannot be read or written.
fn of_record(app: &App, problem: &str) -> ApiError {
    if !app.records.are_in_bucket() {
        return ApiError::internal(problem);
    }
    log::error!("{problem}");
    ApiError::unavailable("store", "the bucket does not answer; nothing was changed")
}

/// `DELETE /api/v1/recordings/ID`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let removed = app.run(move |app| {
        app.recording(&viewer, &id, Role::Admin)?;
        let mut members = json_body(&headers, &body)?;
        let reason = members.text("reason")?.unwrap_or_default();
        let password = members.text("password")?;
        members.finish()?;
        confirm(app, &viewer, password.as_deref())?;
        remove_for(app, &viewer, &id, &reason)
    });
    removed.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Deletes a recording that somebody may delete.
pub(super) fn remove_for(
    app: &App,
    viewer: &Viewer,
    id: &str,
    reason: &str,
) -> Result<(), ApiError> {
    let chars = reason.trim().chars().count();
    if !(1..=MAX_REASON_CHARS).contains(&chars) {
        return Err(ApiError::bad(
            "bad-value",
            "reason: why is it deleted? 1 to 1000 characters",
        ));
    }
    delete(app, &viewer.actor(), id, reason.trim()).map_err(|refusal| match refusal {
        DeletionRefusal::NotFound => ApiError::not_found(),
        DeletionRefusal::Held => {
            ApiError::conflict("held", "it is held; the hold must be released first")
        }
        DeletionRefusal::Running => {
            ApiError::conflict("running", "the call is still being recorded")
        }
        DeletionRefusal::Locked => {
            ApiError::conflict("locked", "another program is using its file")
        }
        DeletionRefusal::Audit(problem) => ApiError::audit(&problem),
        DeletionRefusal::Bucket(problem) => of_record(app, &problem),
        DeletionRefusal::Failed(problem) => problem.into(),
    })
}
