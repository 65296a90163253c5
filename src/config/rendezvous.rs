//! The keys of the rendezvous: `p2p...`.

use core::fmt::{self, Display};

use crate::base::limits::rendezvous::NAME_BYTES;
use crate::config::pairs::MissingKey;
use crate::config::values::{host, number, secret, HIDDEN};
use crate::proto::rendezvous::{Identity, Name};
use crate::wire::rendezvous::cipher::Key;

/// How the phone is reached from behind its NAT.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys of board/README.md
pub struct RendezvousConfig {
    /// `None`: the phone does not register with a rendezvous server.
    pub server: Option<String>,
    pub port: u16,
    /// Empty if not set; so are the next two.
    pub cid: String,
    pub key: String,
    pub invite: String,
}

impl Default for RendezvousConfig {
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

impl RendezvousConfig {
    /// Sets a key; `None` if it is not one of these keys.
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
            "p2pKey" => key_of(value).map(|key| self.key = key.into()),
            "p2pInviteCode" => secret(value)
                .and_then(name)
                .map(|invite| self.invite = invite),
            _ => return None,
        };
        Some(outcome)
    }

    /// The first key that is missing for a server that is set.
    pub(super) fn missing(&self, fsp_enabled: bool) -> Option<MissingKey> {
        self.server.as_ref()?;
        let (key, problem) = if !fsp_enabled {
            let problem = "needs fspEnabled = 1: the rendezvous only serves FSP";
            ("p2pServer", problem)
        } else if self.cid.is_empty() {
            ("p2pCid", "must be set when p2pServer is")
        } else if self.key.is_empty() {
            ("p2pKey", "must be set when p2pServer is")
        } else {
            return None;
        };
        Some(MissingKey {
            needed_by: "p2pServer",
            key,
            problem,
        })
    }

    /// The phone's identity for the server, and the invite code.
    pub fn identity(&self) -> Option<(Identity, Name)> {
        let name = |text: &str| Name::from_slice(text.as_bytes()).ok();
        let identity = Identity {
            cid: name(&self.cid)?,
            key: Key::new(self.key.as_bytes())?,
        };
        Some((identity, name(&self.invite)?))
    }

    /// Replaces secrets by text that does not tell them.
    pub(super) fn hide(&mut self) {
        for secret in [&mut self.key, &mut self.invite] {
            if !secret.is_empty() {
                *secret = HIDDEN.into();
            }
        }
    }
}

impl Display for RendezvousConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port.to_string();
        let server = self.server.as_deref().unwrap_or("none");
        for (name, value) in [
            ("p2pServer", server),
            ("p2pPort", &port),
            ("p2pCid", &self.cid),
            ("p2pKey", &self.key),
            ("p2pInviteCode", &self.invite),
        ] {
            if !value.is_empty() {
                writeln!(f, "{name} = {value}")?;
            }
        }
        Ok(())
    }
}

/// A key; the error does not repeat it, since it is a secret.
fn key_of(value: &str) -> Result<&str, String> {
    let value = secret(value)?;
    match Key::new(value.as_bytes()) {
        Some(_) => Ok(value),
        None => Err("must be 32 printable characters without blanks".into()),
    }
}

fn name(value: &str) -> Result<String, String> {
    let plain = value.bytes().all(|b| b >= b' ' && b != 0x7F);
    if plain && (1..=NAME_BYTES).contains(&value.len()) {
        Ok(value.into())
    } else {
        Err(format!("must be 1 to {NAME_BYTES} characters"))
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
        let rendezvous = &config.fsp.rendezvous;
        assert_eq!(
            (
                rendezvous.server.as_deref(),
                rendezvous.port,
                &*rendezvous.invite
            ),
            (Some("p2p.example"), 7043, "open, sesame")
        );
        assert_eq!(&rendezvous.identity().unwrap().0.cid[..], b"0015651a2b3c");
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        let shown = config.without_secrets().to_string();
        assert!(
            !shown.contains("0123456789") && !shown.contains("sesame"),
            "{shown}"
        );
        let refused = Config::parse(&shown).unwrap_err();
        assert!(refused.problem.starts_with("is (hidden)"), "{refused}");
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
                "line 2: p2pServer needs fspEnabled = 1: the rendezvous only serves FSP",
            ),
            (format!("{FSP}{KEY}p2pServer = x\n"), "line 4: p2pCid must be set when p2pServer is"),
            (format!("{FSP}p2pCid = a\np2pServer = x\n"), "line 4: p2pKey must be set when p2pServer is"),
            ("p2pKey = 0123".into(), "line 1: p2pKey must be 32 printable characters without blanks"),
            ("p2pCid =".into(), "line 1: p2pCid must be 1 to 64 characters"),
            ("p2pServer = a b".into(), "line 1: p2pServer must be an IP address or a host name, without a port, not 'a b'"),
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
            "it is not used without a server"
        );
    }
}
