//! The settings of peers.

use std::net::IpAddr;
use std::path::PathBuf;

use axum::http::Uri;

use super::key::PeerKey;

/// What the options say of peers.
#[derive(Clone, Debug, Default)]
pub(in crate::server::archive) struct PeerSettings {
    /// The archives that are asked.
    pub(in crate::server::archive) urls: Vec<String>,
    pub(in crate::server::archive) key_file: Option<PathBuf>,
    pub(in crate::server::archive) ca: Option<PathBuf>,
    /// It serves its running calls to its peers, and nothing else.
    pub(in crate::server::archive) running_only: bool,
}

impl PeerSettings {
    /// The key that is shared with the peers; `None`: there are none.
    pub(in crate::server::archive) fn key(&self) -> Result<Option<PeerKey>, String> {
        self.key_file.as_deref().map(PeerKey::read).transpose()
    }

    /// What the options do not allow together.
    pub(in crate::server::archive) fn check(&self, plain_http: bool) -> Result<(), String> {
        let needs = if self.running_only {
            Some("runningOnly")
        } else {
            self.urls.first().map(|_| "peer")
        };
        if let (Some(needs), None) = (needs, &self.key_file) {
            return Err(format!(
                "{needs} needs peerKeyFile, the key that all peers share; 'openssl rand -hex 32' makes one"
            ));
        }
        self.key()?;
        let plain = self.urls.iter().find(|url| is_in_the_clear(url));
        match plain {
            Some(url) if !plain_http => Err(format!(
                "peer {url}: is not loopback, and calls would travel in the clear; must be https://, or set plainHttp = 1"
            )),
            _ => Ok(()),
        }
    }
}

/// Without TLS, and not to this computer.
fn is_in_the_clear(url: &str) -> bool {
    let uri: Option<Uri> = url.parse().ok();
    let host = uri.as_ref().and_then(Uri::host).unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = host == "localhost"
        || bare
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback());
    !url.starts_with("https://") && !is_loopback
}

/// The value of `peer`.
pub(in crate::server::archive) fn peer_url(value: &str) -> Result<String, String> {
    let wrong = || format!("must be https://HOST:PORT, not '{value}'");
    let uri: Uri = value.parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("https" | "http"));
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let has_path = !["", "/"].contains(&uri.path()) || uri.query().is_some();
    if !is_http || authority.is_empty() || authority.contains('@') || has_path {
        return Err(wrong());
    }
    Ok(value.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_is_a_host_and_other_hosts_than_this_one_need_tls() {
        for (url, is_clear) in [
            ("https://10.0.0.2:8090", false),
            ("https://rec-1.example.org", false),
            ("http://127.0.0.1:8090", false),
            ("http://[::1]:8090", false),
            ("http://localhost:8090", false),
            ("http://10.0.0.2:8090", true),
            ("http://127.0.0.1.example.org:8090", true),
        ] {
            assert_eq!(peer_url(url), Ok(url.to_owned()));
            assert_eq!(is_in_the_clear(url), is_clear, "{url}");
        }
        for url in [
            "",
            "10.0.0.2:8090",
            "ftp://10.0.0.2",
            "https://",
            "https://a:b@10.0.0.2",
            "https://10.0.0.2/path",
            "https://10.0.0.2/?q",
            "https://10.0.0.2 x",
        ] {
            assert!(peer_url(url).is_err(), "{url}");
        }
    }
}
