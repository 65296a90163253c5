//! The forms of a call's page.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Extension;
use serde_json::{Map, Value};

use super::layout::Reader;
use crate::server::archive::accounts::users::Role;
use crate::server::archive::app::App;
use crate::server::archive::web::changes::{apply, checked, confirm, remove_for};
use crate::server::archive::web::params::Members;
use crate::server::archive::web::recordings::Pairs;
use crate::server::archive::web::viewer::Viewer;

/// The value of a field.
pub(super) fn field<'a>(fields: &'a Pairs, name: &str) -> &'a str {
    let found = fields.iter().find(|(key, _)| key == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// `POST /call/ID`: tags, note and hold.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let (who, call) = (viewer.clone(), id.clone());
    let changed = app.run(move |app| {
        app.recording(&who, &call, Role::Supervisor)?;
        let tags = field(&fields, "tags")
            .split(',')
            .map(str::trim)
            .filter(|tag| !tag.is_empty());
        let mut wanted = Map::new();
        wanted.insert(
            "tags".into(),
            tags.map(str::to_owned).collect::<Vec<_>>().into(),
        );
        // A browser sends the end of a line as two characters.
        wanted.insert(
            "note".into(),
            field(&fields, "note").replace("\r\n", "\n").into(),
        );
        for (name, hold) in [("hold", true), ("release", false)] {
            if field(&fields, name) == "1" {
                wanted.insert("hold".into(), hold.into());
            }
        }
        let mut members = Members::new(Value::Object(wanted).to_string().as_bytes())?;
        let change = checked(&mut members)?;
        let password = Some(field(&fields, "password"));
        apply(app, &who, &call, change, None, password)
    });
    match changed.await {
        Ok(_) => Redirect::to(&format!("/call/{id}")).into_response(),
        Err(error) => reader.refusal(Some(&viewer), &error),
    }
}

/// `POST /call/ID/delete`
pub(super) async fn remove(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let removed = app.run(move |app| {
        app.recording(&who, &id, Role::Admin)?;
        confirm(app, &who, Some(field(&fields, "password")))?;
        remove_for(app, &who, &id, field(&fields, "reason"))
    });
    match removed.await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => reader.refusal(Some(&viewer), &error),
    }
}
