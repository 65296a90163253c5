//! The options of sign-on by OpenID Connect. A program without the feature `oidc` refuses them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use axum::http::Uri;

use crate::server::options::{all, unknown};

/// The options' values.
#[derive(Clone, Debug, Default)]
pub(super) struct OidcSettings {
    issuer: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret_file: Option<PathBuf>,
    user_claim: Option<String>,
    groups_claim: Option<String>,
    pub(super) ca: Option<PathBuf>,
}

impl OidcSettings {
    /// Sets an option. An error continues the sentence that the option's name begins.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let place = match key {
            "oidcIssuer" => &mut self.issuer,
            "oidcClientId" => &mut self.client_id,
            "oidcUserClaim" => &mut self.user_claim,
            "oidcGroupsClaim" => &mut self.groups_claim,
            "oidcClientSecretFile" => {
                self.client_secret_file = Some(value.into());
                return is_built();
            }
            "oidcCa" => {
                self.ca = Some(value.into());
                return is_built();
            }
            _ => return unknown(),
        };
        is_built()?;
        if value.is_empty() {
            return Err("must not be empty".into());
        }
        if key == "oidcIssuer" {
            check_url(value)?;
        }
        *place = Some(value.to_owned());
        Ok(())
    }

    /// All options with their values, in the order of the help.
    pub(super) fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let path = |path: &Option<PathBuf>| all(path.iter().map(|path| path.display()));
        let named = |claim: &str| all(self.issuer().map(|_| claim.to_owned()));
        vec![
            ("oidcIssuer", all(&self.issuer)),
            ("oidcClientId", all(&self.client_id)),
            ("oidcClientSecretFile", path(&self.client_secret_file)),
            ("oidcUserClaim", named(self.user_claim())),
            ("oidcGroupsClaim", named(self.groups_claim())),
            ("oidcCa", path(&self.ca)),
        ]
    }

    /// Who names people; `None`: nobody.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The claim of the ID token that has somebody's name.
    pub(super) fn user_claim(&self) -> &str {
        self.user_claim.as_deref().unwrap_or("preferred_username")
    }

    /// The claim that has his groups.
    pub(super) fn groups_claim(&self) -> &str {
        self.groups_claim.as_deref().unwrap_or("groups")
    }

    /// What the options do not allow together.
    pub(super) fn check(&self, public: Option<&str>) -> Result<(), String> {
        let is_set = |(key, values): &(&'static str, Vec<String>)| {
            let is_other = *key != "oidcIssuer" && !values.is_empty();
            is_other.then_some(*key)
        };
        if self.issuer.is_none() {
            return match self.pairs().iter().find_map(is_set) {
                Some(key) => Err(format!("{key} needs oidcIssuer = https://...")),
                None => Ok(()),
            };
        }
        if self.client_id.is_none() {
            return Err("oidcIssuer needs oidcClientId, which the issuer gives out".into());
        }
        if public.is_none() {
            return Err(
                "oidcIssuer needs public = https://...: where the issuer sends browsers back to"
                    .into(),
            );
        }
        if let Some(path) = &self.client_secret_file {
            read_secret(path)?;
        }
        Ok(())
    }
}

fn is_built() -> Result<(), String> {
    if cfg!(feature = "oidc") {
        return Ok(());
    }
    let words = "cannot be used: this program was built without sign-on by OpenID Connect; build it with the feature oidc";
    Err(words.into())
}

/// A secret may go to this URL: TLS, or loopback.
pub(super) fn check_url(url: &str) -> Result<(), String> {
    let problem = || format!("must be https://HOST[/PATH], or http:// to loopback, not '{url}'");
    let uri: Uri = url.parse().map_err(|_| problem())?;
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback =
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_safe = match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => is_loopback,
        _ => false,
    };
    if !is_safe || url.contains(['@', '#', '?']) {
        return Err(problem());
    }
    Ok(())
}

/// The longest file with a secret.
const SECRET_BYTES: u64 = 4096;

/// The first line of a file that only its owner may read.
pub(super) fn read_secret(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;
    let shown = path.display();
    let failed =
        |problem: &dyn std::fmt::Display| format!("oidcClientSecretFile {shown}: {problem}");
    let file = std::fs::File::open(path).map_err(|error| failed(&error))?;
    let status = file.metadata().map_err(|error| failed(&error))?;
    if status.permissions().mode() & 0o077 != 0 {
        let words = format!("others can read it; 'chmod 600 {shown}' prevents that");
        return Err(failed(&words));
    }
    let mut text = String::new();
    let read = file.take(SECRET_BYTES).read_to_string(&mut text);
    read.map_err(|error| failed(&error))?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(failed(
            &"its first line is empty; it must be the client's secret",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_loopback_or_through_tls() {
        for url in [
            "https://sso.example.org",
            "https://sso.example.org/realms/office",
            "http://127.0.0.1:8080",
            "http://[::1]:8080/x",
            "http://localhost:9",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for url in [
            "http://sso.example.org",
            "http://127.0.0.1.example.org",
            "http://localhost.example.org",
            "http://127.0.0.1@sso.example.org",
            "https://sso.example.org?x",
            "https://sso.example.org/#x",
            "https://",
            "sso.example.org",
            "ftp://127.0.0.1",
        ] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }
}
