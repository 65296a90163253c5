//! Who makes a request, and whether it may come from where it does.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{header, HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::ApiError;
use crate::server::archive::accounts::tokens::PREFIX;
use crate::server::archive::accounts::users::{Rights, Role};
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::scan::now;
use crate::server::archive::settings::ArchiveSettings;

/// How somebody has shown who he is.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    Session(String),
    Token(String),
}

/// Somebody who has logged in, or a program with its token.
#[derive(Clone, Debug)]
pub(super) struct Viewer {
    pub(super) name: String,
    pub(super) rights: Rights,
    pub(super) from: String,
    pub(super) proof: Proof,
}

/// The address of whoever makes a request, as far as proxies are trusted.
#[derive(Clone, Debug)]
pub(super) struct Address(pub(super) String);

impl Viewer {
    pub(super) fn require(&self, least: Role) -> Result<(), ApiError> {
        if self.rights.role < least {
            return Err(ApiError::role());
        }
        Ok(())
    }

    pub(super) fn actor(&self) -> Actor {
        Actor {
            who: self.name.clone(),
            role: self.rights.role.name().into(),
            tenant: self.rights.tenant.clone(),
            from: self.from.clone(),
        }
    }

    /// He may still do what he could when he began: users are disabled and tokens revoked meanwhile.
    pub(super) fn is_valid(&self, app: &App) -> bool {
        let found = match &self.proof {
            Proof::Session(value) => app.accounts.session(value, now()),
            Proof::Token(token) => app.accounts.token(token, now()),
        };
        found.is_ok_and(|user| user.is_some())
    }
}

/// The name of the cookie: one that other hosts cannot set, where the browser knows TLS.
pub(super) fn cookie_name(settings: &ArchiveSettings) -> &'static str {
    if is_behind_tls(settings) {
        "__Host-callrec"
    } else {
        "callrec"
    }
}

/// People reach it over TLS.
pub(super) fn is_behind_tls(settings: &ArchiveSettings) -> bool {
    settings.plain_http
        || settings.has_tls()
        || settings
            .public
            .as_ref()
            .is_some_and(|url| url.starts_with("https://"))
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
    let proof = proof(&app.settings, request.headers());
    let is_cookie = !matches!(proof, Some(Proof::Token(_)));
    let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(request.method());
    if is_cookie && !is_safe && !is_same_origin(request.headers()) {
        let words = "a request that changes something must come from this site";
        return ApiError::new(StatusCode::FORBIDDEN, "origin", words).into_response();
    }
    if let Some(proof) = proof {
        let viewer = app.run(move |app| Ok(viewer(app, proof, address)?)).await;
        match viewer {
            Ok(Some(viewer)) => drop(request.extensions_mut().insert(viewer)),
            Ok(None) => {}
            Err(error) => return error.into_response(),
        }
    }
    next.run(request).await
}

fn viewer(app: &App, proof: Proof, from: String) -> Result<Option<Viewer>, String> {
    let user = match &proof {
        Proof::Session(value) => app.accounts.session(value, now())?,
        Proof::Token(token) => app.accounts.token(token, now())?,
    };
    Ok(user.map(|user| Viewer {
        name: user.name,
        rights: user.rights,
        from,
        proof,
    }))
}

fn proof(settings: &ArchiveSettings, headers: &HeaderMap) -> Option<Proof> {
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if let Some(token) = bearer.and_then(|value| value.strip_prefix("Bearer ")) {
        return Some(Proof::Token(token.trim().to_owned()))
            .filter(|_| token.trim().starts_with(PREFIX));
    }
    cookie(headers, cookie_name(settings)).map(Proof::Session)
}

/// A cookie's value.
pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    let pairs = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    values.next().map(str::to_owned)
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
    let is_trusted = |ip: &IpAddr| {
        settings
            .trusted_proxy
            .iter()
            .any(|network| network.contains(ip))
    };
    if !is_trusted(&peer) {
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
    let client = named.into_iter().rev().find(|ip| !is_trusted(ip));
    client.unwrap_or(peer).to_string()
}
