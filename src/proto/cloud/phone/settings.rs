//! What a phone is in the cloud.

use crate::base::time::Duration;

/// A host and its port, as URLs name them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority {
    /// A name in small letters, or an address.
    pub host: String,
    /// Never 0.
    pub port: u16,
    /// It is spoken to with TLS.
    pub is_tls: bool,
}

/// The configuration of a phone in the cloud.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its own number.
    pub cid: u32,
    /// The cloud, and its relays: where streams of calls may be. The first one is the cloud's own,
    /// with which this phone's calls begin.
    pub relays: Vec<Authority>,
    /// How long it rings.
    pub ring_timeout: Duration,
    /// A helper opens the vendor's URLs.
    pub has_transport: bool,
}

impl Authority {
    /// What its URLs begin with.
    pub fn scheme(&self) -> &'static str {
        if self.is_tls {
            "https://"
        } else {
            "http://"
        }
    }
}

impl core::fmt::Display for Authority {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
