//! Requests to peers: signed, answers bounded and proven, and one time limit for all of it.

use std::path::Path;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{header, Request};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{crypto, ClientConfig, RootCertStore};

use super::key::{random_number, PeerKey};

/// A request with all that belongs to it: a peer is near, and what it sends is small.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Of it, for the connection.
const CONNECT_TIME: Duration = Duration::from_secs(3);
/// A connection without requests is kept for so long: the peer closes it after 10 s.
const KEPT_TIME: Duration = Duration::from_secs(8);
/// The longest head of an answer.
const HEAD_BYTES: usize = 16 * 1024;
/// The longest answer.
pub(in crate::server::archive) const ANSWER_BYTES: usize = 4 << 20;
/// The header with the proof of an answer.
pub(in crate::server::archive) const PROOF: &str = "callrec-proof";

/// What asks peers, with its connections.
pub(in crate::server::archive) struct PeerClient {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    key: PeerKey,
}

/// Why there is no answer.
#[derive(Debug)]
pub(in crate::server::archive) enum NoAnswer {
    /// The peer does not have what was asked for.
    NotThere,
    /// What failed, in words.
    Failed(String),
}

impl PeerClient {
    /// `ca`: the one authority that is trusted, instead of all public ones.
    pub(in crate::server::archive) fn new(key: PeerKey, ca: Option<&Path>) -> Result<Self, String> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECT_TIME));
        http.set_nodelay(true);
        let provider = crypto::ring::default_provider();
        let builder = HttpsConnectorBuilder::new();
        let builder = match ca {
            Some(ca) => builder.with_tls_config(trusting(ca)?),
            None => builder
                .with_provider_and_webpki_roots(provider)
                .map_err(|error| format!("TLS: {error}"))?,
        };
        let https = builder.https_or_http().enable_http1().wrap_connector(http);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(KEPT_TIME)
            .http1_max_buf_size(HEAD_BYTES)
            .build(https);
        Ok(Self { client, key })
    }

    /// The body of a peer's answer.
    pub(in crate::server::archive) async fn ask(
        &self,
        base: &str,
        path: &str,
        now: i64,
    ) -> Result<Bytes, NoAnswer> {
        let late = |_| NoAnswer::Failed("does not answer in 5 s".into());
        let asked = timeout(ANSWER_TIME, self.exchange(base, path, now)).await;
        asked.map_err(late)?
    }

    async fn exchange(&self, base: &str, path: &str, now: i64) -> Result<Bytes, NoAnswer> {
        let nonce = random_number().map_err(NoAnswer::Failed)?;
        let request = Request::get(format!("{base}{path}"))
            .header(header::AUTHORIZATION, self.key.sign(path, now, &nonce))
            .body(Empty::new())
            .map_err(|error| NoAnswer::Failed(error.to_string()))?;
        let response = self.client.request(request).await;
        let response = response.map_err(|error| NoAnswer::Failed(innermost(&error)))?;
        let (head, body) = response.into_parts();
        match head.status.as_u16() {
            200 => {}
            404 => return Err(NoAnswer::NotThere),
            403 => {
                let words = "refuses: its peerKeyFile is another one, or the clocks of the two hosts differ";
                return Err(NoAnswer::Failed(words.into()));
            }
            status => return Err(NoAnswer::Failed(format!("answers with status {status}"))),
        }
        let body = Limited::new(body, ANSWER_BYTES).collect().await;
        let body = body.map_err(|_| {
            NoAnswer::Failed("its answer breaks off, or is longer than 4 MiB".into())
        })?;
        let body = body.to_bytes();
        let proof = head
            .headers
            .get(PROOF)
            .and_then(|proof| proof.to_str().ok());
        if !self.key.is_proof(proof.unwrap_or_default(), &nonce, &body) {
            let words = "its answer is not signed with the key in peerKeyFile";
            return Err(NoAnswer::Failed(words.into()));
        }
        Ok(body)
    }
}

/// TLS with a single authority.
fn trusting(ca: &Path) -> Result<ClientConfig, String> {
    let shown = ca.display();
    let certificates =
        CertificateDer::pem_file_iter(ca).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| format!("peerCa {shown}: {error}"))?;
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        return Err(format!("peerCa {shown}: there is no certificate in it"));
    }
    let provider = std::sync::Arc::new(crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS: {error}"))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The innermost reason.
fn innermost(problem: &dyn std::error::Error) -> String {
    let mut innermost = problem;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
