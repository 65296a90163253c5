//! The keys of the rendezvous.

use core::fmt::{self, Display};

use crate::base::limits::rendezvous::NAME_BYTES;
use crate::config::{host, number};
use crate::proto::rendezvous::{Identity, Name};
use crate::wire::rendezvous::cipher::Key;

/// How the phone is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys
pub struct P2p {
    /// `None`: it is not.
    pub server: Option<String>,
    pub port: u16,
    /// Empty: none, like the two that follow.
    pub cid: String,
    pub key: String,
    pub invite: String,
}

impl Default for P2p {
    fn default() -> Self {
        Self {
            server: None,
            port: 7042,
            cid: String::new(),
            key: String::new(),
            invite: String::new(),
        }
    }
}

impl P2p {
    /// Takes a key; `None` when it is none of these.
    pub(super) fn set(&mut self, key: &str, value: &str) -> Option<Result<(), String>> {
        let outcome = match key {
            "p2pServer" if value == "none" => {
                self.server = None;
                Ok(())
            }
            "p2pServer" if value.contains(':') => Err(format!(
                "must be a host name or an IPv4 address, and its port in p2pPort, not '{value}'"
            )),
            "p2pServer" => host(value).map(|host| self.server = Some(host)),
            "p2pPort" => number(value, 1, 65535).map(|port| self.port = port),
            "p2pCid" => name(value).map(|cid| self.cid = cid),
            // Secrets are not repeated.
            "p2pKey" if Key::new(value.as_bytes()).is_none() => {
                Err("must be 32 characters, letters and digits best".into())
            }
            "p2pKey" => {
                self.key = value.into();
                Ok(())
            }
            "p2pInviteCode" => name(value).map(|invite| self.invite = invite),
            _ => return None,
        };
        Some(outcome)
    }

    /// What is missing for a server that is set.
    pub(super) fn missing(&self, enabled: bool) -> Option<(&'static str, &'static str)> {
        self.server.as_ref()?;
        match (enabled, self.cid.is_empty(), self.key.is_empty()) {
            (false, ..) => Some((
                "p2pServer",
                "needs fspEnabled = 1: it is FSP that is reached through it",
            )),
            (_, true, _) => Some(("p2pCid", "must be set when p2pServer is")),
            (.., true) => Some(("p2pKey", "must be set when p2pServer is")),
            _ => None,
        }
    }

    /// Who the phone is for the server, and the invite code.
    pub fn identity(&self) -> Option<(Identity, Name)> {
        let name = |text: &str| Name::from_slice(text.as_bytes()).ok();
        let identity = Identity {
            cid: name(&self.cid)?,
            key: Key::new(self.key.as_bytes())?,
        };
        Some((identity, name(&self.invite)?))
    }

    /// The same without secrets.
    pub(super) fn hide(&mut self) {
        for secret in [&mut self.key, &mut self.invite] {
            *secret = "*".repeat(secret.len());
        }
    }
}

impl Display for P2p {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.to_string();
        let server = self.server.as_deref().unwrap_or("none");
        let (cid, key, invite) = (
            ("p2pCid", &*self.cid),
            ("p2pKey", &*self.key),
            ("p2pInviteCode", &*self.invite),
        );
        for (name, value) in [("p2pServer", server), ("p2pPort", &*port), cid, key, invite] {
            if !value.is_empty() {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}

fn name(value: &str) -> Result<String, String> {
    let plain = value.bytes().all(|b| b >= b' ' && b != 0x7F);
    match plain && (1..=NAME_BYTES).contains(&value.len()) {
        true => Ok(value.into()),
        false => Err(format!("must be 1 to {NAME_BYTES} characters")),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    const FSP: &str = "fspEnabled = 1\nfspPassword = x\n";
    const KEY: &str = "p2pKey = 0123456789abcdefghijklmnopqrstuv\n";

    #[test]
    fn keys_are_read_and_printed_without_secrets() {
        let text = format!(
            "{FSP}{KEY}p2pServer=p2p.example\np2pPort = 7043\np2pCid = 0015651a2b3c\np2pInviteCode=open, sesame\n"
        );
        let config = Config::parse(&text).unwrap();
        let p2p = &config.fsp.p2p;
        assert_eq!(
            (p2p.server.as_deref(), p2p.port, &*p2p.invite),
            (Some("p2p.example"), 7043, "open, sesame")
        );
        assert_eq!(&p2p.identity().unwrap().0.cid[..], b"0015651a2b3c");
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        let shown = config.without_secrets().to_string();
        assert!(
            !shown.contains("0123456789") && !shown.contains("sesame"),
            "{shown}"
        );
        assert!(Config::parse(&shown).is_ok());
        let defaults = Config::default().to_string();
        assert!(
            defaults.contains("p2pServer = none\np2pPort = 7042\n") && !defaults.contains("p2pKey")
        );
    }

    #[test]
    fn errors_name_the_key_and_no_secret() {
        for (text, message) in [
            (
                format!("{KEY}p2pServer = x\np2pCid = a\n"),
                "line 2: p2pServer needs fspEnabled = 1: it is FSP that is reached through it",
            ),
            (format!("{FSP}{KEY}p2pServer = x\n"), "line 4: p2pCid must be set when p2pServer is"),
            (format!("{FSP}p2pCid = a\np2pServer = x\n"), "line 4: p2pKey must be set when p2pServer is"),
            ("p2pKey = 0123".into(), "line 1: p2pKey must be 32 characters, letters and digits best"),
            ("p2pCid =".into(), "line 1: p2pCid must be 1 to 64 characters"),
            ("p2pServer = a b".into(), "line 1: p2pServer must be an IP address or a host name, not 'a b'"),
            (
                "p2pServer = a:7042".into(),
                "line 1: p2pServer must be a host name or an IPv4 address, and its port in p2pPort, not 'a:7042'",
            ),
            ("p2pPort = 0".into(), "line 1: p2pPort must be a number from 1 to 65535, not '0'"),
        ] {
            assert_eq!(Config::parse(&text).unwrap_err().to_string(), message);
        }
        assert!(
            Config::parse(KEY).is_ok(),
            "without a server it is not used"
        );
    }
}
