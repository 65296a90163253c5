//! The keys of calls through the cloud: `cloud...`.

use core::fmt::{self, Display};
use core::net::IpAddr;

use crate::base::limits::cloud::MAX_RELAYS;
use crate::base::limits::PATH_BYTES;
use crate::base::time::Duration;
use crate::config::pairs::{write_pairs, MissingKey};
use crate::config::values::{absolute, auto, host, number, switch};
use crate::proto::cloud::phone::settings::{Authority, Settings};

/// This program can speak TLS.
const HAS_TLS: bool = cfg!(feature = "tls");

/// A server's URL: `http://HOST[:PORT][/PATH]`, or `https://...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl {
    /// Where the server is.
    pub authority: Authority,
    /// What stands before all its paths; empty, or begins with a slash.
    pub prefix: String,
}

/// The configuration of a phone in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys of board/README.md
pub struct CloudConfig {
    /// `None`: the phone is in no cloud.
    pub server: Option<BaseUrl>,
    /// 0 if it is not set.
    pub cid: u32,
    pub token_file: Option<String>,
    pub calls: Option<BaseUrl>,
    pub relays: Vec<Authority>,
    /// `None`: `auto`
    pub ca: Option<String>,
    /// Seconds.
    pub ring_timeout: u32,
    pub transport: Option<String>,
    pub init_file: Option<String>,
    pub allow_plain_http: bool,
}

impl Default for CloudConfig {
    fn default() -> Self {
        Self {
            server: None,
            cid: 0,
            token_file: None,
            calls: None,
            relays: vec![],
            ca: None,
            ring_timeout: 45,
            transport: None,
            init_file: None,
            allow_plain_http: false,
        }
    }
}

impl CloudConfig {
    /// Sets a key; `false` if it is not one of these keys.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<bool, String> {
        match key {
            "cloudServer" => self.server = unless_none(value, |url| base_url(url, HAS_TLS))?,
            "cloudCid" => self.cid = cid(value)?,
            "cloudTokenFile" => self.token_file = unless_none(value, path)?,
            "cloudCalls" => self.calls = unless_none(value, |url| base_url(url, HAS_TLS))?,
            "cloudRelay" if value == "none" => self.relays.clear(),
            "cloudRelay" if self.relays.len() >= MAX_RELAYS => {
                return Err(format!("may stand {MAX_RELAYS} times at most"))
            }
            "cloudRelay" => self.relays.push(authority(value, HAS_TLS)?),
            "cloudCa" => self.ca = authorities(value, HAS_TLS)?,
            "cloudRingTimeout" => self.ring_timeout = number(value, 1, 600)?,
            "cloudTransport" => self.transport = unless_none(value, path)?,
            "cloudInitFile" => self.init_file = unless_none(value, path)?,
            "cloudAllowPlainHttp" => self.allow_plain_http = switch(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The first key that is missing.
    pub(crate) fn missing(&self) -> Option<MissingKey> {
        let needed_by = "cloudServer";
        let server = self.server.as_ref()?;
        let missing = |key, problem| {
            Some(MissingKey {
                needed_by,
                key,
                problem,
            })
        };
        if self.cid == 0 {
            return missing(
                "cloudCid",
                "must be set when cloudServer is: the phone's number in the cloud",
            );
        }
        if self.token_file.is_none() {
            return missing(
                "cloudTokenFile",
                "must be set when cloudServer is: the file with the phone's token",
            );
        }
        let Some(calls) = &self.calls else {
            return missing(
                "cloudCalls",
                "must be set when cloudServer is: the URL of the application server",
            );
        };
        let relays = self.relays.iter().map(|relay| ("cloudRelay", relay));
        let servers = [
            ("cloudServer", &server.authority),
            ("cloudCalls", &calls.authority),
        ];
        let mut exposed = servers.into_iter().chain(relays);
        let is_exposed = |authority: &Authority| !authority.is_tls && !is_local(authority);
        let exposed =
            exposed.find(|(_, authority)| !self.allow_plain_http && is_exposed(authority));
        exposed.map(|(key, _)| MissingKey {
            needed_by: key,
            key,
            problem: "would send the phone's token over plain HTTP to another computer: set cloudAllowPlainHttp = 1 if that network is your own",
        })
    }

    /// A server is spoken to with TLS.
    #[cfg(feature = "tls")]
    pub(crate) fn has_tls(&self) -> bool {
        let servers = [&self.server, &self.calls].into_iter().flatten();
        let mut all = servers.map(|url| &url.authority).chain(&self.relays);
        all.any(|authority| authority.is_tls)
    }

    /// The phone's part of the configuration; `None` without a cloud.
    pub fn settings(&self) -> Option<Settings> {
        let server = self.server.as_ref()?.authority.clone();
        let relays = [server].into_iter().chain(self.relays.iter().cloned());
        Some(Settings {
            cid: self.cid,
            relays: relays.collect(),
            ring_timeout: Duration::from_millis(u64::from(self.ring_timeout) * 1000),
            has_transport: self.transport.is_some(),
        })
    }
}

fn unless_none<T>(
    value: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    (value != "none").then(|| parse(value)).transpose()
}

fn path(value: &str) -> Result<String, String> {
    absolute(value, PATH_BYTES)
}

fn cid(value: &str) -> Result<u32, String> {
    let cid = crate::wire::cloud::token::field(value.as_bytes());
    cid.filter(|cid| *cid > 0)
        .ok_or_else(|| format!("must be a number from 1 to 4294967295, not '{value}'"))
}

/// What a program without TLS says of `https://`.
fn no_tls(value: &str) -> String {
    format!(
        "this phone has no TLS: let a proxy in its network speak HTTPS, and write http:// and the proxy's address, not '{value}'"
    )
}

fn base_url(value: &str, has_tls: bool) -> Result<BaseUrl, String> {
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
fn authority(value: &str, has_tls: bool) -> Result<Authority, String> {
    let secure = value.strip_prefix("https://");
    if secure.is_some() && !has_tls {
        return Err(no_tls(value));
    }
    let or_https = if has_tls { " or https://HOST:PORT" } else { "" };
    with_port(secure.unwrap_or(value), None, secure.is_some())
        .ok_or_else(|| format!("must be HOST:PORT{or_https}, not '{value}'"))
}

/// The file with the authorities of servers.
fn authorities(value: &str, has_tls: bool) -> Result<Option<String>, String> {
    let file = auto(value).map(path).transpose()?;
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

fn is_local(authority: &Authority) -> bool {
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
struct Relay<'a>(&'a Authority);

impl Display for Relay<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_tls {
            f.write_str(self.0.scheme())?;
        }
        self.0.fmt(f)
    }
}

impl Display for CloudConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none: &dyn Display = &"none";
        fn or<'a, T: Display>(value: &'a Option<T>, none: &'a dyn Display) -> &'a dyn Display {
            value.as_ref().map_or(none, |value| value)
        }
        write_pairs(f, &[("cloudServer", or(&self.server, none))])?;
        if self.cid > 0 {
            write_pairs(f, &[("cloudCid", &self.cid)])?;
        }
        for relay in &self.relays {
            write_pairs(f, &[("cloudRelay", &Relay(relay))])?;
        }
        if self.relays.is_empty() {
            write_pairs(f, &[("cloudRelay", none)])?;
        }
        let pairs: [(&str, &dyn Display); 7] = [
            ("cloudTokenFile", or(&self.token_file, none)),
            ("cloudCalls", or(&self.calls, none)),
            ("cloudCa", or(&self.ca, &"auto")),
            ("cloudRingTimeout", &self.ring_timeout),
            ("cloudTransport", or(&self.transport, none)),
            ("cloudInitFile", or(&self.init_file, none)),
            ("cloudAllowPlainHttp", &u8::from(self.allow_plain_http)),
        ];
        write_pairs(f, &pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    const PHONE: &str = "cloudServer = http://127.0.0.1:8080\ncloudCid = 1000001\n\
        cloudTokenFile = /etc/cloud.token\ncloudCalls = http://localhost:8081/app\n";

    fn problem(lines: &str) -> String {
        let text = format!("{PHONE}{lines}");
        Config::parse(&text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_printed_can_be_read() {
        let more = "cloudRelay = 127.0.0.1:9000\ncloudRelay = localhost:80\n\
            cloudTransport = /usr/bin/helper\ncloudInitFile = /etc/init.txt\ncloudRingTimeout = 30\n";
        let config = Config::parse(&format!("{PHONE}{more}")).unwrap();
        assert_eq!(config.cloud.relays.len(), 2);
        assert_eq!(config.cloud.settings().unwrap().relays.len(), 3);
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
    }

    #[test]
    fn a_token_stays_on_this_computer_unless_it_is_allowed() {
        let elsewhere = problem("cloudRelay = 203.0.113.1:80\n");
        assert!(
            elsewhere
                .starts_with("line 5: cloudRelay would send the phone's token over plain HTTP"),
            "{elsewhere}"
        );
        let text = PHONE.replace("127.0.0.1:8080", "cloud.example");
        let error = Config::parse(&text).unwrap_err().to_string();
        assert!(
            error.starts_with("line 1: cloudServer would send"),
            "{error}"
        );
        let allowed = format!("{text}cloudAllowPlainHttp = 1\n");
        let config = Config::parse(&allowed).unwrap();
        assert_eq!(
            config.cloud.server.unwrap().to_string(),
            "http://cloud.example:80"
        );
    }

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

    #[cfg(feature = "tls")]
    #[test]
    fn with_tls_a_token_may_leave_this_computer() {
        let text = PHONE
            .replace("http://127.0.0.1:8080", "https://cloud.example")
            .replace("http://localhost:8081", "https://calls.example");
        let more = "cloudRelay = https://relay.example:443\ncloudCa = /etc/ca.pem\n";
        let config = Config::parse(&format!("{text}{more}")).unwrap();
        assert!(config.cloud.has_tls());
        assert!(config
            .cloud
            .settings()
            .unwrap()
            .relays
            .iter()
            .all(|relay| relay.is_tls));
        assert_eq!(Config::parse(&config.to_string()), Ok(config));
        let mixed = Config::parse(&format!("{text}cloudRelay = relay.example:80\n"));
        let error = mixed.unwrap_err().to_string();
        assert!(
            error.starts_with("line 5: cloudRelay would send"),
            "{error}"
        );
    }

    #[test]
    fn errors_say_what_is_missing_or_wrong() {
        for key in ["cloudCid", "cloudTokenFile", "cloudCalls"] {
            let lines = PHONE.lines().filter(|line| !line.starts_with(key));
            let text = lines.collect::<Vec<_>>().join("\n");
            let error = Config::parse(&text).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("line 1: {key} must be set when")),
                "{error}"
            );
        }
        for (line, expected) in [
            (
                "cloudServer = x:80",
                "line 1: cloudServer must be http://HOST[:PORT][/PATH]",
            ),
            (
                "cloudServer = http://x:0",
                "line 1: cloudServer must be http://",
            ),
            (
                "cloudRelay = x",
                "line 1: cloudRelay must be HOST:PORT, not 'x'",
            ),
            (
                "cloudCid = 0",
                "line 1: cloudCid must be a number from 1 to 4294967295",
            ),
            (
                "cloudTransport = helper",
                "line 1: cloudTransport must be an absolute path",
            ),
            (
                "cloudRingTimeout = 0",
                "line 1: cloudRingTimeout must be a number from 1",
            ),
        ] {
            let error = Config::parse(line).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
