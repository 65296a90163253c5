//! The page and the API, over HTTP.
//!
//! `serve` accepts connections, `guard` finds out who asks (`viewer`; `sign_on`: whom a proxy names) and
//! whether he may ask from there, `access` what he may see, `routes` lists all routes. A route of the API
//! is in `recordings`, `audio` (`audio_query`, `live`, `ranges`, `body`, `sound_files`), `picture`, `changes`, `export`,
//! `events` or `info`; `params` and `cursor` read their parameters. `pages` are the pages for people;
//! `local_path` says which of them one may return to after logging in. `peers` is for other hosts.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{header, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use axum::Router;

use crate::server::archive::app::App;
use crate::server::archive::query::encode;
use error::ApiError;
use local_path::local_path;
use sign_on::SignOnRefusal;
use viewer::Viewer;

mod access;
mod audio;
mod audio_query;
mod body;
mod changes;
mod cursor;
mod error;
mod events;
mod export;
mod guard;
mod info;
mod live;
mod local_path;
mod openapi;
mod pages;
mod params;
mod peers;
mod picture;
mod ranges;
mod recordings;
mod routes;
pub(super) mod serve;
mod sign_on;
mod sound_files;
mod viewer;

/// The longest body of a request.
const BODY_BYTES: usize = 64 * 1024;

/// Everything that is served.
pub(super) fn router(app: Arc<App>) -> Router {
    let for_peers = match app.peers.key {
        Some(_) => peers::router(&app),
        None => Router::new(),
    };
    if app.settings.peers.running_only {
        return for_peers.fallback(audio::no_such_page);
    }
    for_people(app).merge(for_peers)
}

/// The page and the API.
fn for_people(app: Arc<App>) -> Router {
    let mut router = Router::new();
    for route in &routes::ROUTES {
        let handler = match route.name {
            "openapi" => get(openapi::openapi),
            name => routes::handler(name),
        };
        let handler = match route.least {
            Some(_) => handler.route_layer(from_fn_with_state(app.clone(), log_in_first)),
            None => handler,
        };
        router = router.route(route.path, handler);
    }
    #[cfg(feature = "oidc")]
    let router = pages::with_oidc(router);
    router
        .fallback(no_such_page)
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(from_fn_with_state(app.clone(), guard::guard))
        .layer(from_fn(harden))
        .with_state(app)
}

/// People read a page, programs JSON.
async fn no_such_page(State(app): State<Arc<App>>, request: Request) -> Response {
    if request.uri().path().starts_with("/api/") {
        return audio::no_such_page().await;
    }
    let error = ApiError::new(StatusCode::NOT_FOUND, "not-found", "there is no such page");
    pages::refusal(&app, request.headers(), &error)
}

/// Whoever has not logged in is told how; whom a proxy has let in, why he may not come further.
async fn log_in_first(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    if request.extensions().get::<Viewer>().is_some() {
        return next.run(request).await;
    }
    let path = request.uri().path();
    if let Some(SignOnRefusal(problem)) = request.extensions().get() {
        let error = ApiError::new(StatusCode::FORBIDDEN, "sign-on", problem);
        if path.starts_with("/api/") {
            return error.into_response();
        }
        return pages::refusal(&app, request.headers(), &error);
    }
    if path.starts_with("/api/") {
        let words = "log in first, or send a token";
        let mut response = ApiError::new(StatusCode::UNAUTHORIZED, "login", words).into_response();
        let bearer = HeaderValue::from_static("Bearer");
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, bearer);
        return response;
    }
    let page = request
        .uri()
        .path_and_query()
        .map_or("/", |page| page.as_str());
    // An issuer sends people back to where they were; a form must not be sent again.
    let is_away = app.settings.oidc.issuer().is_some() && request.method() == Method::GET;
    match local_path(page) {
        page if is_away && page != "/" => Redirect::to(&format!("/login?return={}", encode(page))),
        _ => Redirect::to("/login"),
    }
    .into_response()
}

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self' blob:; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What browsers are told about every answer; refusals of the framework are told as ours are.
async fn harden(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = next.run(request).await;
    let status = response.status();
    let is_json = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind == "application/json");
    if is_api
        && status.is_client_error()
        && !is_json
        && !response.headers().contains_key(header::CONTENT_RANGE)
    {
        let (token, words) = match status {
            StatusCode::PAYLOAD_TOO_LARGE => ("too-large", "a body has at most 64 KiB"),
            StatusCode::METHOD_NOT_ALLOWED => ("method", "there is no such method here"),
            _ => ("bad-request", "the request cannot be read"),
        };
        let allow = response.headers().get(header::ALLOW).cloned();
        response = ApiError::new(status, token, words).into_response();
        response
            .headers_mut()
            .extend(allow.map(|allow| (header::ALLOW, allow)));
    }
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: &'static str| {
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "private, no-store");
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    response
}
