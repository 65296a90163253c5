//! The pages for people: HTML made here, a style and a script of one file each. All but the live view
//! and the cursor in the waveform works without the script.

use std::sync::Arc;

use axum::extract::Path;
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, MethodRouter};
#[cfg(feature = "oidc")]
use axum::Router;

use crate::server::archive::app::App;
#[cfg(feature = "oidc")]
use crate::server::archive::oidc::issuer::CALLBACK;
use crate::server::archive::web::error::ApiError;

mod audit;
mod call;
mod devices;
mod forms;
mod home;
mod layout;
mod login;
#[cfg(feature = "oidc")]
mod oidc;
mod settings;
mod settings_form;
mod words;

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// A page for whom nobody knows, that says why there is none.
pub(super) fn refusal(app: &App, headers: &HeaderMap, error: &ApiError) -> Response {
    layout::Reader::of(app, headers).refusal(None, error)
}

/// What a page's route does.
pub(super) fn handler(name: &str) -> MethodRouter<Arc<App>> {
    match name {
        "home" => get(home::home),
        "call" => get(call::call),
        "changeCall" => post(forms::change),
        "deleteCall" => post(forms::remove),
        "devicesPage" => get(devices::devices),
        "auditPage" => get(audit::audit),
        "settings" => get(settings::settings),
        "changeSettings" => post(settings_form::change),
        "loginPage" => get(login::page),
        "login" => post(login::log_in),
        "logout" => post(login::log_out),
        "firstPage" => get(login::first_page),
        "first" => post(login::first),
        "static" => get(static_file),
        _ => MethodRouter::new(),
    }
}

/// The pages of sign-on by OpenID Connect.
#[cfg(feature = "oidc")]
pub(super) fn with_oidc(router: Router<Arc<App>>) -> Router<Arc<App>> {
    router
        .route("/oidc/start", get(oidc::start))
        .route(CALLBACK, get(oidc::callback))
}

async fn static_file(Path(name): Path<String>) -> Response {
    let (kind, text) = match name.as_str() {
        "style.css" => ("text/css; charset=utf-8", STYLE),
        "script.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return StatusCode::NOT_FOUND.into_response(),
    };
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "private, max-age=300"),
    ];
    (headers, text).into_response()
}
