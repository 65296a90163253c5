//! The keys of the rendezvous.

use core::fmt::{self, Display};

use crate::config::{host, number};
use crate::proto::rendezvous::{Identity, Name};
use crate::wire::seal::Key;

/// Stands for a key where people read; as long as one.
const HIDDEN: &[u8] = &[b'*'; 32];

/// How the phone is reached from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the fields are keys
pub struct P2p {
    /// `None`: it is not.
    pub server: Option<String>,
    pub port: u16,
    pub cid: Name,
    pub key: Option<Key>,
    pub invite: Name,
}

impl Default for P2p {
    fn default() -> Self {
        Self { server: None, port: 7042, cid: Name::new(), key: None, invite: Name::new() }
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
            "p2pServer" => host(value).map(|host| self.server = Some(host)),
            "p2pPort" => number(value, 1, 65535).map(|port| self.port = port),
            "p2pCid" => name(value).map(|cid| self.cid = cid),
            // Secrets are not repeated.
            "p2pKey" => match Key::new(value.as_bytes()) {
                Some(key) => {
                    self.key = Some(key);
                    Ok(())
                }
                None => Err("must be 32 characters, letters and digits best".into()),
            },
            "p2pInviteCode" => name(value).map(|invite| self.invite = invite),
            _ => return None,
        };
        Some(outcome)
    }

    /// What is missing for a server that is set.
    pub(super) fn missing(&self, enabled: bool) -> Option<(&'static str, &'static str)> {
        self.server.as_ref()?;
        match (enabled, self.cid.is_empty(), &self.key) {
            (false, ..) => Some(("p2pServer", "needs fspEnabled = 1: it is FSP that is reached through it")),
            (_, true, _) => Some(("p2pCid", "must be set when p2pServer is")),
            (.., None) => Some(("p2pKey", "must be set when p2pServer is")),
            _ => None,
        }
    }

    /// Who the phone is for the server.
    pub fn identity(&self) -> Option<Identity> {
        Some(Identity { cid: self.cid.clone(), key: self.key.clone()? })
    }

    /// The same without secrets.
    pub(super) fn hide(&mut self) {
        if self.key.is_some() {
            self.key = Key::new(HIDDEN);
        }
        if !self.invite.is_empty() {
            self.invite = Name::from_slice(&HIDDEN[..8]).unwrap_or_default();
        }
    }
}

impl Display for P2p {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "p2pServer = {}", self.server.as_deref().unwrap_or("none"))?;
        writeln!(f, "p2pPort = {}", self.port)?;
        let key = self.key.as_ref().map_or(&[][..], |key| key.text());
        for (name, value) in [("p2pCid", &self.cid[..]), ("p2pKey", key), ("p2pInviteCode", &self.invite)] {
            if !value.is_empty() {
                writeln!(f, "{name} = {}", core::str::from_utf8(value).unwrap_or_default())?;
            }
        }
        Ok(())
    }
}

fn name(value: &str) -> Result<Name, String> {
    let plain = !value.is_empty() && value.bytes().all(|b| b >= b' ' && b != 0x7F);
    let name = Name::from_slice(value.as_bytes()).ok().filter(|_| plain);
    name.ok_or_else(|| format!("must be 1 to {} characters", Name::new().capacity()))
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
            (p2p.server.as_deref(), p2p.port, &p2p.invite[..]),
            (Some("p2p.example"), 7043, &b"open, sesame"[..])
        );
        assert_eq!(&p2p.identity().unwrap().cid[..], b"0015651a2b3c");
        assert_eq!(Config::parse(&config.to_string()), Ok(config.clone()));
        let shown = config.without_secrets().to_string();
        assert!(!shown.contains("0123456789") && !shown.contains("sesame"), "{shown}");
        assert!(Config::parse(&shown).is_ok());
        let defaults = Config::default().to_string();
        assert!(defaults.contains("p2pServer = none\np2pPort = 7042\n") && !defaults.contains("p2pKey"));
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
            ("p2pPort = 0".into(), "line 1: p2pPort must be a number from 1 to 65535, not '0'"),
        ] {
            assert_eq!(Config::parse(&text).unwrap_err().to_string(), message);
        }
        assert!(Config::parse(KEY).is_ok(), "without a server it is not used");
    }
}
