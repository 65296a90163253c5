//! TLS towards a cloud (Cargo feature `tls`): rustls without its own sockets, so that the event loop
//! stays the only one that waits.
//!
//! `server` is who is spoken to, `stream` one connection, `authorities` whom we believe, `verifier`
//! how a certificate is judged, `problem` what a person is told when it is refused.

use std::sync::Arc;

use log::info;
use rustls::client::Resumption;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::ClientConfig;

use crate::config::CloudConfig;
use crate::proto::cloud::phone::settings::Authority;

mod authorities;
mod problem;
mod server;
mod stream;
mod verifier;

pub use server::TlsServer;
use server::Told;
pub use stream::TlsStream;

/// Sessions that are remembered, so that the next connection to a server costs no signature: the
/// cloud, the application server, a relay, and their tickets.
const SESSIONS: usize = 16;

/// What all connections have in common. Clones are the same.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
    told: Told,
}

impl Tls {
    /// For the servers of this configuration; `None` if none of them is spoken to with TLS.
    pub fn of(config: &CloudConfig) -> Result<Option<Self>, String> {
        if !config.has_tls() {
            return Ok(None);
        }
        let found = authorities::read(config.ca.as_deref());
        info!("cloud: TLS with the certificates of {}", found.shown);
        let provider = Arc::new(ring::default_provider());
        let verifier = verifier::Verifier::new(found, provider.clone())?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map_err(|error| format!("cloud: no TLS: {error}"))?;
        let mut config = builder
            // Ours asks webpki for everything, and takes a keeper's own certificate besides.
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Some(Self {
            config: Arc::new(config),
            told: Told::default(),
        }))
    }

    /// A server that its URL asks to be spoken to with TLS.
    pub fn server(&self, authority: &Authority) -> Option<TlsServer> {
        if !authority.is_tls {
            return None;
        }
        // The configuration takes names and addresses alone; what is neither is refused by everybody.
        let name = ServerName::try_from(authority.host.clone()).ok()?;
        Some(TlsServer {
            config: self.config.clone(),
            name,
            shown: authority.to_string(),
            told: self.told.clone(),
        })
    }
}
