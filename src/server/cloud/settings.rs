//! The options of the open cloud.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::cli::command::{command, CommandSpec};
use crate::config::number;
use crate::server::database_url::{is_url, DatabaseUrl};
use crate::server::options::{all, one, unknown, ServerOptions};
use crate::server::web::checked_options::{CheckedOptions, KeyProblem};

pub(in crate::server) const CLOUD: CommandSpec = command! {
    "callrec-server", "cloud", "",
    "is an open cloud for calls between phones: the vendor's Web API, presence, messages, streams";
    [
        ("c", "config", "FILE",
            "a file of 'key = value' lines; the keys are the long options without dashes"),
        ("", "listen", "ADDR:PORT",
            "the address for the Web API, devices and streams, HTTP [127.0.0.1:8080]"),
        ("", "app", "ID KEY-FILE FIRST-LAST",
            "an app, the file with its key, the first and last cid of its devices; may be repeated; required"),
        ("", "public", "HOST:PORT",
            "what devices are told as tracker and relay [the address of --listen]"),
        ("", "presence", "SECONDS",
            "how long a device counts as online after its channel has gone [120]"),
        ("", "webhook", "URL",
            "where messages of devices are reported [none]"),
        ("", "stateWebhook", "URL",
            "where states of devices are reported [none]"),
        ("", "database", "FILE or URL",
            "devices, webhooks and revocations: a file, or postgres://USER:PASSWORD@HOST/DB, which several \
             processes share [callrec-cloud.db]"),
    ];
    "\
Two lines --app with one ID: both keys are accepted, so that a key can be changed; the last one signs. SIGHUP reads the key
files again. It speaks plain HTTP: towards the world, put a reverse proxy with TLS in front of it. The log goes to
standard error.";
    [
        "callrec-server cloud --app 'Test /etc/callrec/app.key 1000000-1999999'",
    ]
};

/// The longest host that devices are told: the URL of a call must fit into a message.
const MAX_HOST_CHARS: usize = 52;
/// Characters of an app's id.
const MAX_ID_CHARS: usize = 32;

/// A line `app`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) struct AppLine {
    pub(super) id: String,
    pub(super) key_file: PathBuf,
    pub(super) first: u32,
    pub(super) last: u32,
}

/// The options' values.
#[derive(Clone, Debug)]
pub(in crate::server) struct CloudSettings {
    pub(super) listen: SocketAddr,
    pub(super) apps: Vec<AppLine>,
    pub(super) public: Option<(String, u16)>,
    pub(super) presence: u32,
    pub(super) webhook: Option<String>,
    pub(super) state_webhook: Option<String>,
    pub(super) database: Database,
}

/// Where what has to be kept is kept.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// A file of this process alone.
    File(String),
    /// PostgreSQL, for all processes.
    Shared(Box<DatabaseUrl>),
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => f.write_str(name),
            Self::Shared(url) => write!(f, "{url}"),
        }
    }
}

impl Default for CloudSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            apps: vec![],
            public: None,
            presence: 120,
            webhook: None,
            state_webhook: None,
            database: Database::File("callrec-cloud.db".into()),
        }
    }
}

impl ServerOptions for CloudSettings {
    const REPEATABLE: &'static [&'static str] = &["app"];

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "listen" => {
                self.listen = value.parse().map_err(|_| {
                    format!("must be ADDRESS:PORT, for example 127.0.0.1:8080, not '{value}'")
                })?;
            }
            "app" => self.apps.push(app(value)?),
            "public" => self.public = Some(host_port(value)?),
            "presence" => self.presence = number(value, 1, 86_400)?,
            "webhook" => self.webhook = Some(hook(value)?),
            "stateWebhook" => self.state_webhook = Some(hook(value)?),
            "database" if value.is_empty() => return Err("must name a file".into()),
            "database" if is_url(value) => {
                self.database = Database::Shared(Box::new(DatabaseUrl::parse(value)?));
            }
            "database" => self.database = Database::File(value.into()),
            _ => return unknown(),
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&'static str, Vec<String>)> {
        let apps = self.apps.iter().map(|app| {
            let file = app.key_file.display();
            format!("{} {file} {}-{}", app.id, app.first, app.last)
        });
        let public = self
            .public
            .as_ref()
            .map(|(host, port)| format!("{host}:{port}"));
        vec![
            ("listen", one(self.listen)),
            ("app", all(apps)),
            ("public", all(public)),
            ("presence", one(self.presence)),
            ("webhook", all(&self.webhook)),
            ("stateWebhook", all(&self.state_webhook)),
            ("database", one(&self.database)),
        ]
    }
}

impl CheckedOptions for CloudSettings {
    fn check(&self) -> Result<(), KeyProblem> {
        if self.apps.is_empty() {
            return Err(KeyProblem::new(
                "app",
                "is missing: ID KEY-FILE FIRSTCID-LASTCID",
            ));
        }
        if self.listen.ip().is_unspecified() && self.public.is_none() {
            let problem =
                "is an address at which no device can reach it: set public = HOST:PORT, too";
            return Err(KeyProblem::new("listen", problem));
        }
        for (nth, app) in self.apps.iter().enumerate() {
            let key = crate::server::web::secret_file::read(&app.key_file);
            key.map_err(|problem| KeyProblem {
                key: "app",
                nth,
                problem: format!("names a file without a key: {problem}"),
            })?;
        }
        Ok(())
    }
}

fn app(value: &str) -> Result<AppLine, String> {
    let problem = || format!("must be ID KEY-FILE FIRSTCID-LASTCID, not '{value}'");
    let mut words = value.split_whitespace();
    let (Some(id), Some(file), Some(range), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(problem());
    };
    let (first, last) = range.split_once('-').ok_or_else(problem)?;
    let first: u32 = number(first, 0, u32::MAX).map_err(|_| problem())?;
    let last: u32 = number(last, 0, u32::MAX).map_err(|_| problem())?;
    if first > last || id.len() > MAX_ID_CHARS || !id.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(problem());
    }
    Ok(AppLine {
        id: id.into(),
        key_file: file.into(),
        first,
        last,
    })
}

/// What devices are told.
fn host_port(value: &str) -> Result<(String, u16), String> {
    let problem = || format!("must be HOST:PORT as devices reach it, not '{value}'");
    let (host, port) = value.rsplit_once(':').ok_or_else(problem)?;
    let port = number(port, 1, 65535).map_err(|_| problem())?;
    if host.len() > MAX_HOST_CHARS {
        return Err(format!(
            "must have a host of at most {MAX_HOST_CHARS} characters: it has to fit into a message"
        ));
    }
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let address = bare.unwrap_or(host).parse::<IpAddr>();
    let is_name = |host: &str| {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b".-_".contains(&b);
        !host.is_empty() && host.bytes().all(is_allowed)
    };
    match address {
        Ok(address) if address.is_unspecified() => Err(problem()),
        Ok(IpAddr::V6(_)) if bare.is_none() => Err(problem()),
        Ok(_) => Ok((host.into(), port)),
        Err(_) if is_name(host) => Ok((host.into(), port)),
        Err(_) => Err(problem()),
    }
}

/// The address of a webhook.
pub(super) fn hook(value: &str) -> Result<String, String> {
    let uri: Option<hyper::Uri> = value.parse().ok();
    let is_http = |uri: &hyper::Uri| matches!(uri.scheme_str(), Some("http" | "https"));
    let has_host = |uri: &hyper::Uri| uri.host().is_some_and(|host| !host.is_empty());
    match uri.filter(|uri| is_http(uri) && has_host(uri)) {
        Some(_) if value.len() <= 1024 => Ok(value.into()),
        _ => Err(format!("must be http://... or https://..., not '{value}'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_and_refused_with_what_would_be_right() {
        let mut settings = CloudSettings::default();
        for (key, value) in [
            ("app", "Test /etc/key 1-9"),
            ("app", "Test  /etc/other  20-4294967295"),
            ("public", "cloud.example.org:80"),
            ("public", "[2001:db8::1]:80"),
            ("webhook", "https://a.example/hook?x=1"),
        ] {
            settings.set(key, value).unwrap();
        }
        assert_eq!(settings.apps[1].last, u32::MAX);
        let long = format!("{}:80", "x".repeat(53));
        for (key, value, words) in [
            ("app", "Test /etc/key", "FIRSTCID-LASTCID"),
            ("app", "Test /etc/key 9-1", "FIRSTCID-LASTCID"),
            ("app", "Test /etc/key 1-9 x", "FIRSTCID-LASTCID"),
            ("app", "Test /etc/key 1-4294967296", "FIRSTCID-LASTCID"),
            ("public", "0.0.0.0:80", "HOST:PORT"),
            ("public", "example.org", "HOST:PORT"),
            ("public", "a b:80", "HOST:PORT"),
            ("public", &long, "52"),
            ("webhook", "ftp://x", "http"),
            ("presence", "0", "1 to"),
            ("database", "postgres://x", "HOST/DB"),
            ("port", "1", "not an option"),
        ] {
            let problem = settings.set(key, value).unwrap_err();
            assert!(problem.contains(words), "{key} {value}: {problem}");
        }
    }
}
