//! The keys of the FSP service: `fsp...`.

use core::fmt::{self, Display};
use core::net::{IpAddr, Ipv4Addr};

use crate::base::limits::fsp::{PASSWORD_BYTES, UNPROVEN_PAYLOAD};
use crate::base::limits::PATH_BYTES;
use crate::config::pairs::MissingKey;
use crate::config::rendezvous::RendezvousConfig;
use crate::config::values::{absolute, ip_address, number, secret, switch, HIDDEN};
use crate::proto::fsp::server::is_password;
use crate::wire::fsp::MAX_PAYLOAD;

/// The configuration of the FSP service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys of board/README.md
pub struct FspConfig {
    pub enabled: bool,
    pub addr: IpAddr,
    pub port: u16,
    /// Not empty if the service is enabled.
    pub password: String,
    /// The file that keeps a password which was changed over FSP.
    pub password_file: String,
    pub max_payload: usize,
    pub rendezvous: RendezvousConfig,
}

impl Default for FspConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            port: 9531,
            password: String::new(),
            password_file: "/etc/callrec.fsp".into(),
            max_payload: 1460,
            rendezvous: RendezvousConfig::default(),
        }
    }
}

impl FspConfig {
    /// Sets a key; `None` if it is not one of these keys.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let outcome = match key {
            "fspEnabled" => switch(value).map(|enabled| self.enabled = enabled),
            "fspAddr" => ip_address(value).map(|addr| self.addr = addr),
            "fspPort" => number(value, 1, 65535).map(|port| self.port = port),
            "fspPassword" => password(value).map(|password| self.password = password.into()),
            "fspPasswordFile" => absolute(value, PATH_BYTES).map(|path| self.password_file = path),
            "fspMaxPayload" => number(value, UNPROVEN_PAYLOAD as u32, MAX_PAYLOAD as u32)
                .map(|bytes: u16| self.max_payload = bytes.into()),
            "fspRoot" if value == "recordings" => Ok(()),
            "fspRoot" => Err(format!("must be recordings, not '{value}'")),
            _ => return self.rendezvous.set(key, value),
        };
        Some(outcome)
    }

    /// The first key that is missing.
    pub(super) fn missing(&self) -> Option<MissingKey> {
        if self.enabled && self.password.is_empty() {
            return Some(MissingKey {
                needed_by: "fspEnabled",
                key: "fspPassword",
                problem: "must be set when fspEnabled is 1",
            });
        }
        self.rendezvous.missing(self.enabled)
    }

    /// Replaces secrets by text that does not tell them.
    pub(super) fn hide(&mut self) {
        if !self.password.is_empty() {
            self.password = HIDDEN.into();
        }
        self.rendezvous.hide();
    }
}

/// A password; the error does not repeat it.
fn password(value: &str) -> Result<&str, String> {
    if is_password(value.as_bytes()) {
        secret(value)
    } else {
        Err(format!("must be 1 to {PASSWORD_BYTES} characters"))
    }
}

impl Display for FspConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fspEnabled = {}", u8::from(self.enabled))?;
        writeln!(f, "fspAddr = {}", self.addr)?;
        writeln!(f, "fspPort = {}", self.port)?;
        if !self.password.is_empty() {
            writeln!(f, "fspPassword = {}", self.password)?;
        }
        writeln!(f, "fspPasswordFile = {}", self.password_file)?;
        writeln!(f, "fspMaxPayload = {}", self.max_payload)?;
        writeln!(f, "fspRoot = recordings")?;
        self.rendezvous.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    #[test]
    fn keys_are_read_and_printed() {
        let text =
            "fspEnabled = 1\nfspPassword = a b&c\nfspMaxPayload=14708\nfspAddr=::\nfspPort=2001\n\
                    fspPasswordFile = /tmp/p\nfspRoot = recordings\n";
        let config = Config::parse(text).unwrap();
        assert_eq!(
            (
                config.fsp.password.as_str(),
                config.fsp.max_payload,
                config.fsp.port
            ),
            ("a b&c", 14_708, 2001)
        );
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        let shown = config.without_secrets().to_string();
        assert!(
            shown.contains("fspPassword = (hidden)") && !shown.contains("a b&c"),
            "{shown}"
        );
        assert!(!Config::default()
            .without_secrets()
            .to_string()
            .contains("fspPassword ="));
    }

    #[test]
    fn errors_name_the_key_and_no_password() {
        let long = format!("fspPassword = {}", "x".repeat(65));
        for (text, message) in [
            (
                "\n fspEnabled = 1\n",
                "line 2: fspPassword must be set when fspEnabled is 1",
            ),
            (
                "fspPassword = x\nfspEnabled = 1\nfspPassword = y",
                "line 3: fspPassword is set already on line 1",
            ),
            (
                "fspPassword = (hidden)\n",
                "line 1: fspPassword is (hidden), which is printed in place of a secret; write the secret itself",
            ),
            (
                "fspPassword =\n",
                "line 1: fspPassword must be 1 to 64 characters",
            ),
            (&long, "line 1: fspPassword must be 1 to 64 characters"),
            (
                "fspMaxPayload = 14709",
                "line 1: fspMaxPayload must be a number from 512 to 14708, not '14709'",
            ),
            (
                "fspPort = 0",
                "line 1: fspPort must be a number from 1 to 65535, not '0'",
            ),
            (
                "fspAddr = here",
                "line 1: fspAddr must be an IP address, not 'here'",
            ),
            (
                "fspRoot = /etc",
                "line 1: fspRoot must be recordings, not '/etc'",
            ),
            (
                "fspPasswordFile = x",
                "line 1: fspPasswordFile must be an absolute path, not 'x'",
            ),
        ] {
            assert_eq!(Config::parse(text).unwrap_err().to_string(), message);
        }
    }
}
