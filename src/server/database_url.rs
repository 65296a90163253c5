//! `database = postgres://USER:PASSWORD@HOST/DB`. The password is never shown.

use std::fmt;
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::Config;

use crate::server::options::HIDDEN;

/// Where PostgreSQL is if no port is named.
const PORT: u16 = 5432;
/// How long connecting may take.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A peer that has not acknowledged for so long is gone.
const ACKNOWLEDGE_TIME: Duration = Duration::from_secs(5);

/// Where the database is.
#[derive(Clone)]
pub(super) struct DatabaseUrl {
    config: Config,
    shown: String,
}

/// The value of `database` names PostgreSQL, not a file.
pub(super) fn is_url(value: &str) -> bool {
    value.starts_with("postgres:") || value.starts_with("postgresql:")
}

impl DatabaseUrl {
    /// An error continues the sentence that the key begins; no part of the value is in it.
    pub(super) fn parse(value: &str) -> Result<Self, String> {
        let form = "must be postgres://USER:PASSWORD@HOST/DB, with %XX for special characters";
        let parsed: Result<Config, _> = value.parse();
        let mut config = parsed.map_err(|_| form.to_owned())?;
        if config.get_password() == Some(HIDDEN.as_bytes()) {
            return Err(format!(
                "must have its password; '{HIDDEN}' is what 'check' prints in its place"
            ));
        }
        if config.get_ssl_mode() == SslMode::Require {
            let advice = "asks for TLS, which is not built in: use a tunnel, and leave out sslmode";
            return Err(advice.into());
        }
        let ports = config.get_ports();
        // One port, or none, is for all hosts.
        let port = |nth: usize| ports.get(nth).or(ports.first()).copied().unwrap_or(PORT);
        let hosts = config.get_hosts().iter().enumerate();
        let hosts = hosts.map(|(nth, host)| match host {
            Host::Tcp(name) if port(nth) == PORT => name.clone(),
            Host::Tcp(name) => format!("{name}:{}", port(nth)),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = hosts.collect();
        let (Some(user), Some(name)) = (config.get_user(), config.get_dbname()) else {
            return Err(form.into());
        };
        if hosts.is_empty() {
            return Err(form.into());
        }
        let secret = config.get_password().map(|_| format!(":{HIDDEN}"));
        let (secret, hosts) = (secret.unwrap_or_default(), hosts.join(","));
        let shown = format!("postgres://{user}{secret}@{hosts}/{name}");
        config
            .application_name("callrec-server")
            .connect_timeout(CONNECT_TIME)
            .tcp_user_timeout(ACKNOWLEDGE_TIME)
            .keepalives_idle(ACKNOWLEDGE_TIME);
        Ok(Self { config, shown })
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }
}

/// The error with its reasons. A server never repeats a password.
pub(super) fn words(problem: &tokio_postgres::Error) -> String {
    match problem.as_db_error() {
        Some(problem) => problem.message().to_owned(),
        None => {
            let mut words = problem.to_string();
            let mut source = std::error::Error::source(problem);
            while let Some(inner) = source {
                words = format!("{words}: {inner}");
                source = inner.source();
            }
            words
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_is_not_shown() {
        let url = "postgres://cloud:s%65cret@db.example:5433,other/callrec";
        let parsed = DatabaseUrl::parse(url).unwrap();
        assert_eq!(parsed.config().get_password(), Some(b"secret".as_slice()));
        let shown = "postgres://cloud:(hidden)@db.example:5433,other/callrec";
        assert_eq!(parsed.to_string(), shown);
        assert_eq!(format!("{parsed:?}"), shown);
        for (url, words) in [
            ("postgres://u:secret@h", "HOST/DB"),
            ("postgres://u:secret@/d", "HOST/DB"),
            ("postgres://u:secret@h:x/d", "HOST/DB"),
            ("postgres:secret", "HOST/DB"),
            ("postgres://u:(hidden)@h/d", "password"),
            ("postgres://u:secret@h/d?sslmode=require", "TLS"),
        ] {
            let problem = DatabaseUrl::parse(url).unwrap_err();
            assert!(problem.contains(words), "{url}: {problem}");
            assert!(!problem.contains("secret"), "{problem}");
        }
    }
}
