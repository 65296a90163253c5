//! Addresses of other servers, and whether a secret may go there.

use std::fmt::{self, Display};
use std::net::IpAddr;

use hyper::Uri;

/// `http://HOST[:PORT][/PATH]` or `https://...`, without a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct BaseUrl {
    text: String,
    is_plain: bool,
    is_loopback: bool,
    host: String,
    port: u16,
}

impl BaseUrl {
    /// Reads one; the error says what would be right.
    pub(in crate::server) fn parse(value: &str) -> Result<Self, String> {
        let problem =
            || format!("must be http://HOST[:PORT] or https://HOST[:PORT], not '{value}'");
        let uri: Uri = value.parse().map_err(|_| problem())?;
        let is_plain = match uri.scheme_str() {
            Some("http") => true,
            Some("https") => false,
            _ => return Err(problem()),
        };
        let has_user = uri.authority().is_some_and(|it| it.as_str().contains('@'));
        let host = uri.host().unwrap_or_default().to_owned();
        if host.is_empty() || has_user || uri.query().is_some() {
            return Err(problem());
        }
        let port = uri.port_u16().unwrap_or(if is_plain { 80 } else { 443 });
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = match bare.parse::<IpAddr>() {
            Ok(address) => address.is_loopback(),
            Err(_) => bare.eq_ignore_ascii_case("localhost"),
        };
        Ok(Self {
            text: value.trim_end_matches('/').to_owned(),
            is_plain,
            is_loopback,
            host,
            port,
        })
    }

    /// The URL of a path, which begins with `/`.
    pub(in crate::server) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// A secret would be readable on the way.
    pub(in crate::server) fn exposes_secrets(&self) -> bool {
        self.is_plain && !self.is_loopback
    }

    /// Host and port, for people.
    pub(in crate::server) fn host_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_to_loopback_or_through_tls() {
        for (text, exposes) in [
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080/", false),
            ("http://localhost", false),
            ("https://api.example.org/base", false),
            ("http://api.topvdn.com", true),
            ("http://192.0.2.1:80", true),
            ("http://127.0.0.1.example.org", true),
        ] {
            assert_eq!(
                BaseUrl::parse(text).unwrap().exposes_secrets(),
                exposes,
                "{text}"
            );
        }
        for text in [
            "",
            "api.example.org",
            "ftp://x",
            "http://",
            "http://a@b",
            "http://a?b",
            "/x",
        ] {
            assert!(BaseUrl::parse(text).is_err(), "{text}");
        }
        let url = BaseUrl::parse("https://a.example/base/").unwrap();
        assert_eq!(url.join("/v2/x"), "https://a.example/base/v2/x");
        assert_eq!(url.host_port(), "a.example:443");
    }
}
