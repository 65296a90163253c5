//! Logging in and out, and the link of the first administrator.

use std::sync::Arc;

use axum::extract::{Form, Query, State};
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::Extension;
use maud::{html, Markup};
use serde_json::{json, Value};

use super::forms::field;
use super::layout::Reader;
use crate::server::archive::accounts::users::{Rights, Role};
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::lock::lock;
#[cfg(feature = "oidc")]
use crate::server::archive::query::encode;
use crate::server::archive::scan::now;
use crate::server::archive::tenants::DEFAULT_TENANT;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::local_path::local_path;
use crate::server::archive::web::recordings::Pairs;
use crate::server::archive::web::viewer::{cookie, cookie_name, is_behind_tls, Address};

/// How an attempt to log in ends.
enum Attempt {
    Session(String),
    Wrong,
    /// Seconds to wait.
    TooMany(u64),
}

pub(super) async fn page(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(fields): Query<Pairs>,
) -> Response {
    let path = local_path(field(&fields, "return"));
    form(&app, &Reader::of(&app, &headers), path, None)
}

fn form(app: &App, reader: &Reader, path: &str, problem: Option<&str>) -> Response {
    let content = html! {
        @if let Some(problem) = problem { p role="alert" { (problem) } }
        (sign_in_elsewhere(app, reader, path))
        form.login method="post" action="/login" {
            @if path != "/" { input type="hidden" name="return" value=(path); }
            label { (reader.say("User")) input name="user" autocomplete="username" autofocus required; }
            label { (reader.say("Password")) input type="password" name="password" autocomplete="current-password" required; }
            button { (reader.say("Log in")) }
        }
    };
    reader.page(reader.say("Log in"), None, &content)
}

/// A link to the issuer: a form's answer may not lead to another site (`form-action`).
#[cfg(feature = "oidc")]
fn sign_in_elsewhere(app: &App, reader: &Reader, path: &str) -> Markup {
    let Some(oidc) = &app.oidc else {
        return html! {};
    };
    // The cookie of the sign-in has to be where the issuer sends the browser back to.
    let public = app.settings.public.as_deref().unwrap_or_default();
    let url = format!("{public}/oidc/start?return={}", encode(path));
    html! {
        p { a.button href=(url) { (reader.say("Sign in with")) " " (oidc.issuer.host()) } }
    }
}

#[cfg(not(feature = "oidc"))]
fn sign_in_elsewhere(_: &App, _: &Reader, _: &str) -> Markup {
    html! {}
}

/// `POST /login`
pub(super) async fn log_in(
    State(app): State<Arc<App>>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    Form(fields): Form<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let path = local_path(field(&fields, "return")).to_owned();
    let attempt = app.run(move |app| attempt(app, &fields, &address)).await;
    match attempt {
        Ok(Attempt::Session(value)) => {
            with_cookie(&app, Redirect::to(&path).into_response(), &value, None)
        }
        Ok(Attempt::Wrong) => {
            let words = reader.say("User or password is wrong.");
            let mut response = form(&app, &reader, &path, Some(words));
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            response
        }
        Ok(Attempt::TooMany(seconds)) => {
            let words = reader.say("Too many attempts; wait a little.");
            let mut response = form(&app, &reader, &path, Some(words));
            *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            response
        }
        Err(error) => reader.refusal(None, &error),
    }
}

fn attempt(app: &App, fields: &Pairs, address: &str) -> Result<Attempt, ApiError> {
    let (name, password) = (field(fields, "user"), field(fields, "password"));
    let wait = lock(&app.logins).wait(name, address, now());
    if wait > 0 {
        return Ok(Attempt::TooMany(wait));
    }
    let mut actor = Actor {
        who: name.chars().take(64).collect(),
        from: address.to_owned(),
        ..Actor::default()
    };
    let log = |actor: &Actor, what: &str| {
        let logged = app
            .audit
            .append(&app.accounts, actor, what, "", Value::Null, now());
        logged.map_err(|problem| ApiError::audit(&problem))
    };
    let Some(user) = app.accounts.log_in(name, password)? else {
        lock(&app.logins).fail(name, address, now());
        log(&actor, "login-failed")?;
        return Ok(Attempt::Wrong);
    };
    lock(&app.logins).succeed(name, address);
    actor.role = user.rights.role.name().into();
    actor.tenant = user.rights.tenant;
    log(&actor, "login")?;
    Ok(Attempt::Session(app.accounts.begin_session(
        &user.name,
        now(),
        app.settings.session_hours,
    )?))
}

/// Sets the session's cookie; `age`: so many seconds, 0 removes it.
pub(super) fn with_cookie(
    app: &App,
    response: Response,
    value: &str,
    age: Option<u64>,
) -> Response {
    with_named_cookie(app, response, cookie_name(&app.settings), value, age)
}

/// The same for a cookie of this name.
pub(super) fn with_named_cookie(
    app: &App,
    mut response: Response,
    name: &str,
    value: &str,
    age: Option<u64>,
) -> Response {
    let secure = if is_behind_tls(&app.settings) {
        " Secure;"
    } else {
        ""
    };
    let age = age.map_or(String::new(), |age| format!(" Max-Age={age};"));
    let cookie = format!("{name}={value};{secure}{age} HttpOnly; SameSite=Lax; Path=/");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

/// `POST /logout`
pub(super) async fn log_out(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    if let Some(value) = cookie(&headers, cookie_name(&app.settings)) {
        let ended = app
            .run(move |app| Ok(app.accounts.end_session(&value)?))
            .await;
        if let Err(error) = ended {
            return error.into_response();
        }
    }
    with_cookie(&app, Redirect::to("/login").into_response(), "", Some(0))
}

/// `GET /first?token=...`
pub(super) async fn first_page(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(fields): Query<Pairs>,
) -> Response {
    let token = field(&fields, "token").to_owned();
    let asked = token.clone();
    let is_first = app
        .run(move |app| Ok(app.accounts.is_first(&asked, now())?))
        .await;
    let reader = Reader::of(&app, &headers);
    match is_first {
        Ok(true) => first_form(&reader, &token, None),
        Ok(false) => not_valid(&reader),
        Err(error) => reader.refusal(None, &error),
    }
}

fn not_valid(reader: &Reader) -> Response {
    let words = reader.say("This link is not valid any more.");
    reader.refusal(None, &ApiError::new(StatusCode::GONE, "first", words))
}

fn first_form(reader: &Reader, token: &str, problem: Option<&str>) -> Response {
    let content = html! {
        @if let Some(problem) = problem { p role="alert" { (problem) } }
        form.login method="post" action="/first" {
            input type="hidden" name="token" value=(token);
            label { (reader.say("User")) input name="user" autocomplete="username" autofocus required; }
            label { (reader.say("Password")) input type="password" name="password" autocomplete="new-password" minlength="12" required; }
            p.note { (reader.say("12 characters at least")) }
            button { (reader.say("Make the administrator")) }
        }
    };
    reader.page(reader.say("The first administrator"), None, &content)
}

/// `POST /first`
pub(super) async fn first(
    State(app): State<Arc<App>>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    Form(fields): Form<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let token = field(&fields, "token").to_owned();
    let made = app.run(move |app| make_first(app, &fields, &address)).await;
    match made {
        Ok(Ok(value)) => with_cookie(&app, Redirect::to("/").into_response(), &value, None),
        Ok(Err(Some(problem))) => {
            let mut response = first_form(&reader, &token, Some(&problem));
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
        Ok(Err(None)) => not_valid(&reader),
        Err(error) => reader.refusal(None, &error),
    }
}

/// The first administrator's session; or what is wrong with name and password, or `None` with the link.
type Made = Result<String, Option<String>>;

fn make_first(app: &App, fields: &Pairs, address: &str) -> Result<Made, ApiError> {
    let _changing = lock(&app.changing);
    if !app.accounts.is_first(field(fields, "token"), now())? {
        return Ok(Err(None));
    }
    let name = field(fields, "user").trim().to_owned();
    let rights = Rights {
        role: Role::Admin,
        tenant: DEFAULT_TENANT.into(),
        devices: vec![],
    };
    if let Err(problem) = app
        .accounts
        .add_user(&name, field(fields, "password"), &rights)
    {
        return Ok(Err(Some(problem)));
    }
    app.accounts.use_up_first_link(&app.home)?;
    let actor = Actor {
        who: name.clone(),
        role: "admin".into(),
        tenant: DEFAULT_TENANT.into(),
        from: address.to_owned(),
    };
    let logged = app.audit.append(
        &app.accounts,
        &actor,
        "first-administrator",
        &name,
        json!(null),
        now(),
    );
    logged.map_err(|problem| ApiError::audit(&problem))?;
    Ok(Ok(app.accounts.begin_session(
        &name,
        now(),
        app.settings.session_hours,
    )?))
}
