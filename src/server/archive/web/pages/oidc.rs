//! Signing in with an issuer of OpenID Connect: the way there, and the way back.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::{header, HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::Extension;
use serde_json::json;

use super::forms::field;
use super::layout::Reader;
use super::login::{with_cookie, with_named_cookie};
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::lock::lock;
use crate::server::archive::oidc::claims::{named, Named};
use crate::server::archive::oidc::issuer::Problem;
use crate::server::archive::oidc::sign_in::{cookie_suffix, End, SignIn, SECONDS};
use crate::server::archive::oidc::Oidc;
use crate::server::archive::scan::now;
use crate::server::archive::web::error::ApiError;
use crate::server::archive::web::local_path::local_path;
use crate::server::archive::web::recordings::Pairs;
use crate::server::archive::web::sign_on::{admission, Admission};
use crate::server::archive::web::viewer::{cookie, cookie_name, Address};

/// Codes are short; a longer one is none.
const CODE_BYTES: usize = 4096;
/// Sign-ins of one browser at once; when there are more, their cookies are removed.
const SIGN_INS: usize = 16;

const AWAY: &str =
    "The sign-in service does not answer; try again later, or log in with a password.";
const ENDED: &str = "This sign-in has ended or does not belong to this browser; begin again.";
const REFUSED: &str =
    "The sign-in was refused. The administrator of this archive finds the reason in the audit log.";
const NO_ROLE: &str =
    "You have signed in, but have no role here. Ask the administrator of this archive for one.";

/// Why a sign-in does not end with a session.
enum Refusal {
    /// Nothing here belongs to what has come back.
    NotOurs(&'static str),
    Away(String),
    Refused(String),
    NoRole {
        user: String,
        why: String,
    },
    Failed(ApiError),
}

/// The name of a sign-in's cookie.
fn sign_in_cookie(app: &App, suffix: &str) -> String {
    format!("{}-oidc-{suffix}", cookie_name(&app.settings))
}

/// `GET /oidc/start?return=PATH`
pub(super) async fn start(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Query(fields): Query<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let Some(oidc) = &app.oidc else {
        return reader.refusal(None, &ApiError::not_found());
    };
    let sign_in = oidc
        .sign_ins
        .begin(local_path(field(&fields, "return")), now());
    let sign_in = match sign_in {
        Ok(sign_in) => sign_in,
        Err(problem) => return reader.refusal(None, &ApiError::internal(&problem)),
    };
    let url = match oidc.issuer.sign_in_url(&sign_in).await {
        Ok(url) => url,
        Err(_) => return away(&reader),
    };
    let mut response = Redirect::to(&url).into_response();
    for name in too_many(&app, &headers) {
        response = with_named_cookie(&app, response, &name, "", Some(0));
    }
    let name = sign_in_cookie(&app, cookie_suffix(&sign_in.state).unwrap_or_default());
    let value = oidc.sign_ins.cookie(&sign_in);
    with_named_cookie(&app, response, &name, &value, Some(SECONDS as u64))
}

/// The cookies of a browser's sign-ins, once there are too many for a request.
fn too_many(app: &App, headers: &HeaderMap) -> Vec<String> {
    let prefix = sign_in_cookie(app, "");
    let lines = headers.get_all(header::COOKIE).into_iter();
    let lines = lines.filter_map(|line| line.to_str().ok());
    let names = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(&prefix));
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() < SIGN_INS {
        return vec![];
    }
    names
}

fn away(reader: &Reader) -> Response {
    let error = ApiError::unavailable("sign-on", reader.say(AWAY));
    reader.refusal(None, &error)
}

/// `GET /oidc/callback?state=...&code=...`
pub(super) async fn callback(
    State(app): State<Arc<App>>,
    Extension(Address(address)): Extension<Address>,
    headers: HeaderMap,
    Query(fields): Query<Pairs>,
) -> Response {
    let reader = Reader::of(&app, &headers);
    let Some(oidc) = &app.oidc else {
        return reader.refusal(None, &ApiError::not_found());
    };
    // Strangers' attempts are slowed down by their address; no user can have this name.
    let guessing = format!("oidc {address}");
    let wait = lock(&app.logins).wait(&guessing, &address, now());
    if wait > 0 {
        return too_many_attempts(&reader, wait);
    }
    let ended = finish(&app, oidc, &headers, &fields, &address).await;
    let response = match ended {
        Ok((session, path)) => {
            lock(&app.logins).succeed(&guessing, &address);
            let response = Redirect::to(&path).into_response();
            with_cookie(&app, response, &session, None)
        }
        Err(refusal) => {
            if matches!(refusal, Refusal::NotOurs(_) | Refusal::Refused(_)) {
                lock(&app.logins).fail(&guessing, &address, now());
            }
            refused(&app, &reader, refusal, &address).await
        }
    };
    match cookie_suffix(field(&fields, "state")) {
        Some(suffix) => {
            let name = sign_in_cookie(&app, suffix);
            with_named_cookie(&app, response, &name, "", Some(0))
        }
        None => response,
    }
}

fn too_many_attempts(reader: &Reader, wait: u64) -> Response {
    let words = reader.say("Too many attempts; wait a little.");
    let error = ApiError::new(StatusCode::TOO_MANY_REQUESTS, "sign-on", words);
    let mut response = reader.refusal(None, &error);
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(wait));
    response
}

/// What has come back becomes a session, and the page to go to.
async fn finish(
    app: &Arc<App>,
    oidc: &Oidc,
    headers: &HeaderMap,
    fields: &Pairs,
    address: &str,
) -> Result<(String, String), Refusal> {
    let sign_in = sign_in(app, oidc, headers, field(fields, "state"))?;
    // RFC 9207: another issuer's answer, which a browser was made to bring here.
    let issuer = field(fields, "iss");
    if !issuer.is_empty() && issuer != oidc.issuer.url {
        return Err(Refusal::Refused("the answer is another issuer's".into()));
    }
    let error = field(fields, "error");
    if !error.is_empty() {
        let error: String = error
            .chars()
            .filter(|c| !c.is_control())
            .take(100)
            .collect();
        return Err(Refusal::Refused(format!("the issuer says: {error}")));
    }
    let code = field(fields, "code");
    if code.is_empty() || code.len() > CODE_BYTES {
        return Err(Refusal::Refused("the issuer has sent no code".into()));
    }
    let claims = oidc.issuer.claims(code, &sign_in).await;
    let claims = claims.map_err(|problem| match problem {
        Problem::Away(words) => Refusal::Away(words),
        Problem::Refused(words) => Refusal::Refused(words),
    })?;
    let named = named(&app.settings.oidc, &claims).map_err(Refusal::Refused)?;
    let address = address.to_owned();
    let admitted = app.run(move |app| admit(app, &named, &address)).await;
    let session = admitted.map_err(Refusal::Failed)??;
    Ok((session, sign_in.path))
}

/// The sign-in of this browser that the state belongs to; it ends here.
fn sign_in(app: &App, oidc: &Oidc, headers: &HeaderMap, state: &str) -> Result<SignIn, Refusal> {
    let kept =
        cookie_suffix(state).and_then(|suffix| cookie(headers, &sign_in_cookie(app, suffix)));
    let Some(kept) = kept else {
        return Err(Refusal::NotOurs(
            "this browser has not begun it, or has ended it",
        ));
    };
    let Some(sign_in) = oidc.sign_ins.find(&kept, state, now()) else {
        return Err(Refusal::NotOurs("its state is wrong, or its time is over"));
    };
    match oidc.sign_ins.end(&sign_in, now()) {
        End::Now => Ok(sign_in),
        End::Again => Err(Refusal::NotOurs("it has ended before")),
        End::Full => Err(Refusal::Away("too many sign-ins have ended lately".into())),
    }
}

/// Begins a session for whom the issuer has named, and writes into the audit log that he has come.
fn admit(app: &App, named: &Named, address: &str) -> Result<Result<String, Refusal>, ApiError> {
    let Named {
        user,
        subject,
        groups,
    } = named;
    let admission = admission(app, user, groups.iter().map(String::as_str))?;
    let Admission {
        rights,
        has_account,
    } = match admission {
        Ok(admission) => admission,
        Err(why) => {
            let user = user.clone();
            return Ok(Err(Refusal::NoRole { user, why }));
        }
    };
    let issuer = app.settings.oidc.issuer().unwrap_or_default();
    let actor = Actor {
        who: user.clone(),
        role: rights.role.name().into(),
        tenant: rights.tenant.clone(),
        from: address.to_owned(),
    };
    let more = json!({"by": "oidc", "issuer": issuer, "sub": subject});
    let logged = app
        .audit
        .append(&app.accounts, &actor, "login", "", more, now());
    logged.map_err(|problem| ApiError::audit(&problem))?;
    let by_groups = Some(&rights).filter(|_| !has_account);
    let hours = app.settings.session_hours;
    let session = app
        .accounts
        .begin_outside_session(user, issuer, by_groups, now(), hours)?;
    Ok(Ok(session))
}

/// Writes into the audit log why somebody was not let in, and tells him what to do.
async fn refused(app: &Arc<App>, reader: &Reader, refusal: Refusal, address: &str) -> Response {
    let (status, who, words, reason) = match refusal {
        Refusal::Failed(error) => return reader.refusal(None, &error),
        Refusal::NotOurs(reason) => {
            let words = reader.say(ENDED).to_owned();
            (
                StatusCode::BAD_REQUEST,
                String::new(),
                words,
                reason.to_owned(),
            )
        }
        Refusal::Away(reason) => {
            let words = reader.say(AWAY).to_owned();
            (
                StatusCode::SERVICE_UNAVAILABLE,
                String::new(),
                words,
                reason,
            )
        }
        Refusal::Refused(reason) => {
            let words = reader.say(REFUSED).to_owned();
            (StatusCode::FORBIDDEN, String::new(), words, reason)
        }
        Refusal::NoRole { user, why } => {
            let words = format!("{} ({user}: {why})", reader.say(NO_ROLE));
            (StatusCode::FORBIDDEN, user, words, why)
        }
    };
    let actor = Actor {
        who,
        from: address.to_owned(),
        ..Actor::default()
    };
    let logged = app.run(move |app| {
        let more = json!({"by": "oidc", "reason": reason});
        let logged = app
            .audit
            .append(&app.accounts, &actor, "login-failed", "", more, now());
        logged.map_err(|problem| ApiError::audit(&problem))
    });
    match logged.await {
        Ok(()) => reader.refusal(None, &ApiError::new(status, "sign-on", words)),
        Err(error) => reader.refusal(None, &error),
    }
}
