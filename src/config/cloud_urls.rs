//! The servers in the keys of calls through the cloud: URLs, and what TLS needs.

use core::fmt::{self, Display};
use core::net::IpAddr;

use crate::base::limits::PATH_BYTES;
use crate::config::values::{absolute, auto, host, number};
use crate::proto::cloud::phone::settings::Authority;

/// This program can speak TLS.
pub(super) const HAS_TLS: bool = cfg!(feature = "tls");

/// A server's URL: `http://HOST[:PORT][/PATH]`, or `https://...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Where the server is.
    pub authority: Authority,
    /// What stands before all its paths; empty, or begins with a slash.
    pub prefix: String,
}

/// What a program without TLS says of `https://`.
fn no_tls(value: &str) -> String {
    format!(
        "this phone has no TLS: let a proxy in its network speak HTTPS, and write http:// and the proxy's address, not '{value}'"
    )
}

/// A server.
pub(super) fn base_url(value: &str, has_tls: bool) -> Result<BaseUrl, String> {
    let secure = value.strip_prefix("https://");
    if secure.is_some() && !has_tls {
        return Err(no_tls(value));
    }
    let or_https = if has_tls { " or https://..." } else { "" };
    let wrong = || format!("must be http://HOST[:PORT][/PATH]{or_https}, not '{value}'");
    let rest = secure.or_else(|| value.strip_prefix("http://"));
    let rest = rest.ok_or_else(wrong)?;
    let (authority_text, prefix) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let prefix = prefix.trim_end_matches('/');
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._~-".contains(&byte);
    if prefix.len() > 64 || !prefix.bytes().all(is_plain) {
        return Err(wrong());
    }
    Ok(BaseUrl {
        authority: match secure {
            Some(_) => with_port(authority_text, Some(443), true),
            None => with_port(authority_text, Some(80), false),
        }
        .ok_or_else(wrong)?,
        prefix: prefix.into(),
    })
}

/// A relay: `HOST:PORT`, with TLS `https://HOST:PORT`.
pub(super) fn authority(value: &str, has_tls: bool) -> Result<Authority, String> {
    let secure = value.strip_prefix("https://");
    if secure.is_some() && !has_tls {
        return Err(no_tls(value));
    }
    let or_https = if has_tls { " or https://HOST:PORT" } else { "" };
    with_port(secure.unwrap_or(value), None, secure.is_some())
        .ok_or_else(|| format!("must be HOST:PORT{or_https}, not '{value}'"))
}

/// The file with the authorities of servers.
pub(super) fn authorities(value: &str, has_tls: bool) -> Result<Option<String>, String> {
    let file = auto(value)
        .map(|path| absolute(path, PATH_BYTES))
        .transpose()?;
    match file {
        Some(_) if !has_tls => Err(format!(
            "must be auto, not '{value}': this phone has no TLS"
        )),
        file => Ok(file),
    }
}

fn with_port(text: &str, usual: Option<u16>, is_tls: bool) -> Option<Authority> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => number(port, 1, 65_535).ok()?,
        None if port.is_empty() => usual?,
        None => return None,
    };
    Some(Authority {
        host: host(name).ok()?.to_ascii_lowercase(),
        port,
        is_tls,
    })
}

/// Nothing that is sent there leaves this computer.
pub(super) fn is_local(authority: &Authority) -> bool {
    let address = authority.host.parse::<IpAddr>();
    address.map_or(authority.host == "localhost", |address| {
        address.is_loopback()
    })
}

impl Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.authority.scheme();
        write!(f, "{scheme}{}{}", self.authority, self.prefix)
    }
}

/// As the configuration has it.
pub(super) struct Relay<'a>(pub(super) &'a Authority);

impl Display for Relay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_tls {
            f.write_str(self.0.scheme())?;
        }
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn without_tls_https_is_refused_with_advice() {
        for refused in [
            base_url("https://x", false).map(drop),
            authority("https://x:443", false).map(drop),
        ] {
            let advice = "this phone has no TLS: let a proxy in its network speak HTTPS";
            assert!(refused.unwrap_err().starts_with(advice));
        }
        let refused = authorities("/etc/ca.pem", false).unwrap_err();
        assert!(refused.ends_with("this phone has no TLS"), "{refused}");
        assert_eq!(authorities("auto", false), Ok(None));
        if !HAS_TLS {
            let error = Config::parse("cloudServer = https://x").unwrap_err();
            let error = error.to_string();
            assert!(error.starts_with("line 1: cloudServer this phone has no TLS"));
        }
    }

    #[test]
    fn https_has_a_port_of_its_own_and_is_printed() {
        for (url, expected) in [
            ("https://Cloud.example", "https://cloud.example:443"),
            (
                "https://cloud.example:8443/a/",
                "https://cloud.example:8443/a",
            ),
            ("https://[fd00::1]/a", "https://[fd00::1]:443/a"),
            ("http://cloud.example", "http://cloud.example:80"),
        ] {
            let parsed = base_url(url, true).unwrap();
            assert_eq!(parsed.to_string(), expected);
            assert_eq!(base_url(expected, true), Ok(parsed));
        }
        for bad in [
            "https://",
            "https://x:0",
            "https://u@x",
            "https:/x",
            "ftp://x",
        ] {
            let error = base_url(bad, true).unwrap_err();
            assert!(error.contains("or https://"), "{error}");
        }
        let relay = authority("https://relay.example:443", true).unwrap();
        assert!(relay.is_tls);
        assert_eq!(Relay(&relay).to_string(), "https://relay.example:443");
        assert_eq!(
            authorities("/etc/ca.pem", true),
            Ok(Some("/etc/ca.pem".into()))
        );
        assert!(authorities("ca.pem", true).is_err());
    }
}
