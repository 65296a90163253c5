//! Sign-on by OpenID Connect: authorization code flow with PKCE.
//!
//! ```text
//! /oidc/start      sign_in makes state, nonce and PKCE verifier of one secret, which a cookie keeps;
//!                  the browser is sent to the issuer
//! /oidc/callback   sign_in finds the cookie of the state, once; issuer exchanges the code for an ID
//!                  token and checks it; claims says whom it names
//! ```
//!
//! `issuer` asks the issuer (`issuer_http`) when somebody signs in, never before: the archive starts without it. What
//! somebody may do is decided where a proxy's people are (`web::sign_on`); pages are in `web::pages`.

use crate::server::archive::settings::ArchiveSettings;

use issuer::Issuer;
use sign_in::SignIns;

pub(super) mod claims;
pub(super) mod issuer;
mod issuer_http;
pub(super) mod sign_in;

/// The issuer, and the sign-ins that are under way.
pub(super) struct Oidc {
    pub(super) issuer: Issuer,
    pub(super) sign_ins: SignIns,
}

impl Oidc {
    /// `None`: no issuer is configured.
    pub(super) fn new(settings: &ArchiveSettings) -> Result<Option<Self>, String> {
        if settings.oidc.issuer().is_none() {
            return Ok(None);
        }
        Ok(Some(Self {
            issuer: Issuer::new(settings)?,
            sign_ins: SignIns::new()?,
        }))
    }
}
