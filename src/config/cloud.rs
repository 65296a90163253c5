//! The keys of calls through the cloud: `cloud...`.

use core::fmt::{self, Display};

use crate::base::limits::cloud::MAX_RELAYS;
use crate::base::limits::PATH_BYTES;
use crate::base::time::Duration;
use crate::config::cloud_urls::{
    authorities, authority, base_url, is_local, BaseUrl, Relay, HAS_TLS,
};
use crate::config::pairs::{write_pairs, MissingKey};
use crate::config::values::{absolute, number, switch};
use crate::proto::cloud::phone::settings::{Authority, Settings};

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
        let mut relays = vec![self.server.as_ref()?.authority.clone()];
        relays.extend_from_slice(&self.relays);
        Some(Settings {
            cid: self.cid,
            relays,
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
            ("cloudRelay = x", "line 1: cloudRelay must be HOST:PORT"),
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
