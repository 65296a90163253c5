//! Who makes a request, and how he has shown it.

use axum::http::{header, HeaderMap};

use super::error::ApiError;
use crate::server::archive::accounts::outside_sessions::OutsideUser;
use crate::server::archive::accounts::users::{Rights, Role};
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::scan::now;
use crate::server::archive::settings::ArchiveSettings;

/// How somebody has shown who he is.
#[derive(Clone, Debug)]
pub(super) enum Proof {
    Session(String),
    /// A session of one whom an issuer of OpenID Connect has named.
    Outside {
        session: String,
        has_account: bool,
    },
    Token(String),
    /// A proxy has let him in; with an account of the same name he has a password here, too.
    Proxy {
        has_account: bool,
    },
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
            Proof::Outside { session, .. } => {
                return outside_user(app, session).is_ok_and(|user| user.is_some());
            }
            Proof::Token(token) => app.accounts.token(token, now()),
            // Whether the proxy still lets him in shows at his next request.
            Proof::Proxy { has_account } => {
                let account = app.accounts.user(&self.name);
                return account.is_ok_and(|account| match account {
                    Some(account) => !account.is_disabled,
                    None => !has_account,
                });
            }
        };
        found.is_ok_and(|user| user.is_some())
    }
}

/// Whose session it is, if the issuer that has named him is still the one who may.
pub(super) fn outside_user(app: &App, session: &str) -> Result<Option<OutsideUser>, String> {
    match app.settings.oidc.issuer() {
        Some(issuer) => app.accounts.outside_session(session, issuer, now()),
        None => Ok(None),
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
