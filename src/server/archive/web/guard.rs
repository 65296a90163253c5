//! What is looked at in every request: whether it may come from where it does, and whose it is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{header, HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use super::sign_on::{self, is_trusted, SignOn, SignOnRefusal};
use super::viewer::{cookie, cookie_name, outside_user, Address, Proof, Viewer};
use crate::server::archive::accounts::tokens::PREFIX;
use crate::server::archive::accounts::users::User;
use crate::server::archive::app::App;
use crate::server::archive::scan::now;
use crate::server::archive::settings::ArchiveSettings;

/// What a request brings with it to show who makes it.
enum Claim {
    Session(String),
    Token(String),
    Proxy(SignOn),
}

/// Looks at every request before it is carried out.
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    if !is_our_host(&app.settings, request.headers()) {
        let words = "this host is not served here";
        return ApiError::new(StatusCode::MISDIRECTED_REQUEST, "host", words).into_response();
    }
    let address = address(&app.settings, peer.ip().to_canonical(), request.headers());
    request.extensions_mut().insert(Address(address.clone()));
    let claim = match claim(&app.settings, peer.ip().to_canonical(), request.headers()) {
        Ok(claim) => claim,
        Err(refusal) => {
            request.extensions_mut().insert(refusal);
            None
        }
    };
    // A browser sends cookies by itself, and a proxy names people by itself.
    let is_cookie = !matches!(claim, Some(Claim::Token(_)));
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if is_cookie && !is_safe && !is_same_origin(request.headers()) {
        let words = "a request that changes something must come from this site";
        return ApiError::new(StatusCode::FORBIDDEN, "origin", words).into_response();
    }
    if let Some(claim) = claim {
        let viewer = app.run(move |app| viewer(app, claim, address)).await;
        match viewer {
            Ok(Ok(Some(viewer))) => drop(request.extensions_mut().insert(viewer)),
            Ok(Ok(None)) => {}
            Ok(Err(refusal)) => drop(request.extensions_mut().insert(refusal)),
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}

/// Whose claim it is; `None`: nobody's, or not any more.
fn viewer(
    app: &App,
    claim: Claim,
    from: String,
) -> Result<Result<Option<Viewer>, SignOnRefusal>, ApiError> {
    let (user, proof) = match claim {
        Claim::Session(value) => match app.accounts.session(&value, now())? {
            None => outside(app, value)?,
            user => (user, Proof::Session(value)),
        },
        Claim::Token(token) => (app.accounts.token(&token, now())?, Proof::Token(token)),
        Claim::Proxy(sign_on) => return Ok(sign_on::viewer(app, &sign_on, from)?.map(Some)),
    };
    Ok(Ok(user.map(|user| Viewer {
        name: user.name,
        rights: user.rights,
        from,
        proof,
    })))
}

/// The same for a session of one whom an issuer has named.
fn outside(app: &App, session: String) -> Result<(Option<User>, Proof), String> {
    let found = outside_user(app, &session)?;
    let has_account = found.as_ref().is_some_and(|outside| outside.has_account);
    let proof = Proof::Outside {
        session,
        has_account,
    };
    Ok((found.map(|outside| outside.user), proof))
}

/// A token of ours comes first, then whom the proxy names, then the cookie.
fn claim(
    settings: &ArchiveSettings,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<Option<Claim>, SignOnRefusal> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if let Some(token) = bearer.filter(|token| token.trim().starts_with(PREFIX)) {
        return Ok(Some(Claim::Token(token.trim().to_owned())));
    }
    if let Some(sign_on) = sign_on::named(settings, peer, headers)? {
        return Ok(Some(Claim::Proxy(sign_on)));
    }
    if bearer.is_some() {
        return Ok(None);
    }
    Ok(cookie(headers, cookie_name(settings)).map(Claim::Session))
}

/// Names under which this server may be asked: others are a browser that was led here.
fn is_our_host(settings: &ArchiveSettings, headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = host_of(host).to_ascii_lowercase();
    let public = settings
        .public
        .as_deref()
        .and_then(|url| url.split("://").nth(1));
    let is_public = public.is_some_and(|public| {
        public.eq_ignore_ascii_case(host) || host_of(public).eq_ignore_ascii_case(&name)
    });
    let is_local = name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let ip = name.parse::<IpAddr>();
    let is_listening =
        ip.is_ok_and(|ip| ip == settings.listen.ip() || settings.listen.ip().is_unspecified());
    is_public || is_local || is_listening
}

/// A host without its port.
fn host_of(host: &str) -> &str {
    if let Some(end) = host.strip_prefix('[').and_then(|rest| rest.find(']')) {
        return &host[1..=end];
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// The request comes from a page of this site.
fn is_same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text("origin").and_then(|origin| origin.split_once("://"));
    match (origin, text("host")) {
        (Some((scheme, origin)), Some(host)) => {
            ["http", "https"].contains(&scheme) && origin.eq_ignore_ascii_case(host)
        }
        _ => false,
    }
}

/// The address that a trusted proxy names, else the peer's.
fn address(settings: &ArchiveSettings, peer: IpAddr, headers: &HeaderMap) -> String {
    if !is_trusted(settings, &peer) {
        return peer.to_string();
    }
    let named = headers
        .get_all("x-forwarded-for")
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let named: Vec<IpAddr> = named
        .flat_map(|line| line.split(','))
        .filter_map(|ip| ip.trim().parse().ok())
        .collect();
    // From the right: the nearest that is no proxy of ours.
    let client = named.into_iter().rev().find(|ip| !is_trusted(settings, ip));
    client.unwrap_or(peer).to_string()
}
