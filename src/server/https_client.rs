//! Requests to other servers: no redirect is followed, answers are bounded, and the time limit
//! holds for all of it, connecting included.

use std::fmt::{self, Display};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::builderstates::WantsSchemes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

/// What other servers may take.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct Limits {
    /// How long a connection may take.
    pub(in crate::server) connect_time: Duration,
    /// A connection without requests is kept for so long.
    pub(in crate::server) kept_time: Duration,
    /// The longest head of an answer; `None`: hyper's own limit.
    pub(in crate::server) head_bytes: Option<usize>,
    /// The longest body of an answer.
    pub(in crate::server) answer_bytes: usize,
}

/// For servers on the internet.
#[cfg(any(feature = "cloud-server", feature = "oidc"))]
pub(in crate::server) const LIMITS: Limits = Limits {
    connect_time: Duration::from_secs(5),
    kept_time: Duration::from_secs(20),
    head_bytes: None,
    answer_bytes: 256 * 1024,
};

/// A client, with its connections.
#[derive(Clone)]
pub(in crate::server) struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    answer_bytes: usize,
}

/// An answer.
pub(in crate::server) struct Reply {
    pub(in crate::server) status: u16,
    pub(in crate::server) headers: HeaderMap,
    pub(in crate::server) body: Bytes,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server) enum NoReply {
    TimedOut,
    /// What failed, in words. No part of the request is in it.
    Failed(String),
}

impl Display for NoReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer in time"),
            Self::Failed(words) => f.write_str(words),
        }
    }
}

impl HttpClient {
    /// One that trusts the authorities that browsers trust.
    pub(in crate::server) fn new(limits: Limits) -> Self {
        Self::with(HttpsConnectorBuilder::new().with_webpki_roots(), limits)
    }

    /// One that trusts this authority alone, a file of certificates (PEM).
    #[cfg(feature = "archive")]
    pub(in crate::server) fn trusting(
        authority: &std::path::Path,
        limits: Limits,
    ) -> Result<Self, String> {
        use tokio_rustls::rustls::pki_types::{pem::PemObject as _, CertificateDer};
        use tokio_rustls::rustls::{crypto, ClientConfig, RootCertStore};
        let failed = |error: &dyn Display| format!("{}: {error}", authority.display());
        let certificates = CertificateDer::pem_file_iter(authority)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| failed(&error))?;
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(certificates).0 == 0 {
            return Err(failed(&"there is no certificate in it"));
        }
        let provider = std::sync::Arc::new(crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = HttpsConnectorBuilder::new().with_tls_config(config);
        Ok(Self::with(tls, limits))
    }

    fn with(tls: HttpsConnectorBuilder<WantsSchemes>, limits: Limits) -> Self {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(limits.connect_time));
        http.set_nodelay(true);
        let https = tls.https_or_http().enable_http1().wrap_connector(http);
        let mut builder = Client::builder(TokioExecutor::new());
        builder
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits.kept_time);
        if let Some(bytes) = limits.head_bytes {
            builder.http1_max_buf_size(bytes);
        }
        Self {
            client: builder.build(https),
            answer_bytes: limits.answer_bytes,
        }
    }

    /// Sends a request and reads the answer.
    pub(in crate::server) async fn send(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        within: Duration,
    ) -> Result<Reply, NoReply> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::from(body))
            .map_err(|_| NoReply::Failed("the request cannot be written".into()))?;
        let answer = timeout(within, self.exchange(request)).await;
        answer.unwrap_or(Err(NoReply::TimedOut))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<Reply, NoReply> {
        let response = self.client.request(request).await.map_err(|problem| {
            let timed_out = source_text(&problem).contains("timed out");
            if problem.is_connect() && timed_out {
                return NoReply::TimedOut;
            }
            NoReply::Failed(source_text(&problem))
        })?;
        let (parts, body) = response.into_parts();
        let most = self.answer_bytes;
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|_| {
            NoReply::Failed(format!(
                "its answer breaks off, or is longer than {}",
                size(most)
            ))
        })?;
        Ok(Reply {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }
}

/// A limit, in words.
fn size(bytes: usize) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}

/// The innermost reason.
fn source_text(problem: &dyn std::error::Error) -> String {
    let mut innermost = problem;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
