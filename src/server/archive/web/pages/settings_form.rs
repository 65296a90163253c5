//! The forms of the settings.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};
use axum::Extension;
use serde_json::json;

use super::forms::field;
use super::layout::Reader;
use crate::server::archive::accounts::users::{devices_of, Rights, Role};
use crate::server::archive::app::App;
use crate::server::archive::retention;
use crate::server::archive::web::changes::confirm;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::recordings::Pairs;
use crate::server::archive::web::viewer::Viewer;

/// `POST /settings/ACTION`
pub(super) async fn change(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    Path(action): Path<String>,
    headers: HeaderMap,
    Form(fields): Form<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let who = viewer.clone();
    let changed = app.run(move |app| {
        who.require(Role::Admin)?;
        match action.as_str() {
            "add" => add(app, &who, &fields),
            "disable" => disable(app, &who, field(&fields, "user")),
            "retain" => retain(app, &who, field(&fields, "password")),
            _ => Err(ApiError::not_found()),
        }
    });
    match changed.await {
        Ok(()) => Redirect::to("/settings").into_response(),
        Err(error) => reader.refusal(Some(&viewer), &error),
    }
}

fn add(app: &App, viewer: &Viewer, fields: &Pairs) -> Result<(), ApiError> {
    let wrong = |words: &str| ApiError::bad("bad-value", words);
    let role = Role::parse(field(fields, "role"))
        .ok_or_else(|| wrong("role: must be admin, supervisor or agent"))?;
    let tenant = field(fields, "tenant").to_lowercase();
    if !app.settings.tenants.has(&tenant) {
        return Err(wrong(
            "tenant: there is no such tenant in the configuration",
        ));
    }
    if !viewer.rights.is_of_all() && tenant != viewer.rights.tenant {
        return Err(ApiError::role());
    }
    let rights = Rights {
        role,
        tenant,
        devices: devices_of(field(fields, "devices")),
    };
    let name = field(fields, "user").trim();
    let more = json!({"role": role.name(), "tenant": rights.tenant, "devices": rights.devices});
    app.log(viewer, "user-add", name, more)?;
    let added = app
        .accounts
        .add_user(name, field(fields, "new-password"), &rights);
    added.map_err(|problem| wrong(&problem))
}

fn disable(app: &App, viewer: &Viewer, name: &str) -> Result<(), ApiError> {
    let users = app.accounts.users()?;
    let user = users
        .iter()
        .find(|user| user.name == name)
        .ok_or_else(ApiError::not_found)?;
    if !viewer.rights.is_of_all() && user.rights.tenant != viewer.rights.tenant {
        return Err(ApiError::not_found());
    }
    app.log(viewer, "user-disable", name, json!(null))?;
    Ok(app.accounts.disable_user(name)?)
}

fn retain(app: &App, viewer: &Viewer, password: &str) -> Result<(), ApiError> {
    if !viewer.rights.is_of_all() {
        return Err(ApiError::role());
    }
    confirm(app, viewer, Some(password))?;
    app.log(viewer, "retain", "", json!(null))?;
    Ok(app.accounts.set_flag(retention::ALLOWED, "1")?)
}
