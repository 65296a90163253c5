//! The list of recordings, and one of them.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::Extension;
use serde_json::{json, Map, Value};

use super::cursor;
use super::error::ApiError;
use super::live;
use super::params::{self, Search};
use super::viewer::Viewer;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::search::{self, Page, Row};

pub(super) type Pairs = Vec<(String, String)>;

/// `GET /api/v1/recordings`
pub(super) async fn list(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    pairs: Result<Query<Pairs>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(pairs) =
        pairs.map_err(|_| ApiError::bad("query", "the parameters cannot be read"))?;
    let search = params::search(&pairs)?;
    let body = app.run(move |app| {
        let page = page(app, &viewer, search, &pairs)?;
        let recordings: Vec<Value> = page.rows.iter().map(|row| shown(app, row)).collect();
        let next = page.next.map(|next| cursor::make(&app.key, next));
        Ok(json!({"recordings": recordings, "next": next}))
    });
    Ok(json_response(&body.await?))
}

/// A page of a search, as far as somebody may see it. Searches for people are logged as asked.
pub(super) fn page(
    app: &App,
    viewer: &Viewer,
    search: Search,
    pairs: &Pairs,
) -> Result<Page, ApiError> {
    if search.asks_for_people {
        viewer.require(Role::Supervisor)?;
    }
    if search.asks_for_deleted {
        viewer.require(Role::Admin)?;
    }
    let mut query = search.query;
    if let Some(cursor) = &search.cursor {
        query.before = Some(cursor::read(&app.key, cursor)?);
    }
    query.folders = app.folders_of(viewer, &search.devices)?;
    let is_asked =
        |(key, _): &&(String, String)| !["cursor", "limit", "tz"].contains(&key.as_str());
    let asked: Vec<String> = pairs
        .iter()
        .filter(is_asked)
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    if !asked.is_empty() && search.cursor.is_none() {
        app.log(viewer, "search", "", json!(asked))?;
    }
    Ok(app
        .catalogue
        .read(|session| search::search(session, &query))?)
}

/// A recording as the API shows it.
pub(super) fn shown(app: &App, row: &Row) -> Value {
    let mut document: Value = serde_json::from_str(&row.document).unwrap_or_default();
    if let Value::Object(members) = &mut document {
        if row.state == "running" {
            // The catalogue does not follow each second.
            members.insert("duration_ms".into(), live::sound(app, row).into());
            show_host(app, row, members);
        }
        if row.state != "deleted" {
            let tags: Value = serde_json::from_str(&row.tags).unwrap_or_default();
            members.insert("tags".into(), tags);
            members.insert("note".into(), row.note.as_str().into());
            members.insert("hold".into(), row.hold.into());
        }
    }
    document
}

/// The host that records it, and that it is away if it is: then nothing of it can be heard.
fn show_host(app: &App, row: &Row, members: &mut Map<String, Value>) {
    let files = members.get("files").and_then(Value::as_array);
    let names = files
        .into_iter()
        .flatten()
        .filter_map(|file| file["file"].as_str());
    let there = names
        .map(|name| {
            app.peers
                .running(&row.folder, name.trim_end_matches(".wav"))
        })
        .find_map(|there| there);
    let is_on_peer = members.get("place").is_some_and(|place| place == "peer");
    let host = match there.filter(|_| is_on_peer) {
        Some(there) => {
            if !there.answers {
                members.insert("place".into(), "away".into());
            }
            there.host
        }
        None if is_on_peer => return,
        None => app.settings.host_name(),
    };
    members.insert("host".into(), host.into());
}

/// `GET /api/v1/recordings/ID`
pub(super) async fn one(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let found = app.run(move |app| {
        let row = app.recording(&viewer, &id, Role::Agent)?;
        Ok((shown(app, &row), version(&row)))
    });
    let (body, version) = found.await?;
    let mut response = json_response(&body);
    if let Ok(tag) = version.parse() {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// Changes with what people have added.
pub(super) fn version(row: &Row) -> String {
    format!("\"{}\"", row.version)
}

pub(super) fn json_response(body: &Value) -> Response {
    (
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
