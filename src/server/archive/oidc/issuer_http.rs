//! Requests to the issuer: bounded in time and length, without redirects, and never in the clear.

use std::fmt::{self, Display};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use openidconnect::{http, AsyncHttpClient, HttpRequest, HttpResponse};

use crate::server::archive::oidc_settings::check_url;
use crate::server::https_client::{HttpClient, LIMITS};

/// For each request.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// The client of one issuer.
pub(super) struct IssuerHttp(HttpClient);

/// A request has no answer. No part of the request is in it but its URL.
#[derive(Debug)]
pub(super) struct NoAnswer(pub(super) String);

impl Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NoAnswer {}

impl IssuerHttp {
    /// One that trusts this authority alone, or those that browsers trust.
    pub(super) fn new(authority: Option<&Path>) -> Result<Self, String> {
        let client = match authority {
            Some(authority) => {
                let trusting = HttpClient::trusting(authority, LIMITS);
                trusting.map_err(|problem| format!("oidcCa {problem}"))?
            }
            None => HttpClient::new(LIMITS),
        };
        Ok(Self(client))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        check_endpoint(&url).map_err(NoAnswer)?;
        let headers = head.headers.iter();
        let headers: Vec<(&str, &str)> = headers
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
            .collect();
        let sent = self.0.send(head.method, &url, &headers, body, ANSWER_TIME);
        let reply = sent
            .await
            .map_err(|problem| NoAnswer(format!("{url}: {problem}")))?;
        if reply.status >= 500 {
            return Err(NoAnswer(format!("{url}: HTTP status {}", reply.status)));
        }
        let mut response = HttpResponse::new(reply.body.to_vec());
        *response.status_mut() = http::StatusCode::from_u16(reply.status).unwrap_or_default();
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

impl<'c> AsyncHttpClient<'c> for IssuerHttp {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

/// An endpoint may get the code and the secret; it may have a query, unlike the issuer.
pub(super) fn check_endpoint(url: &str) -> Result<(), String> {
    check_url(url.split('?').next().unwrap_or_default())
}
