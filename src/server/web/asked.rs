//! A request as handlers see it: its head, and its body for whoever reads it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use axum::response::Response;

use crate::server::web::answer::Answer;
use crate::server::web::body::BodySlot;
use crate::server::web::json::query;
use crate::server::web::service::RequestId;

/// A request.
pub(in crate::server) struct Asked {
    pub(in crate::server) headers: HeaderMap,
    pub(in crate::server) uri: Uri,
    pub(in crate::server) body: BodySlot,
    pub(in crate::server) peer: SocketAddr,
    pub(in crate::server) id: String,
}

impl Asked {
    /// The value of a key in the query.
    pub(in crate::server) fn query(&self, key: &str) -> Option<String> {
        query(self.uri.query(), key)
    }

    /// A header that is text.
    pub(in crate::server) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        let extensions = &parts.extensions;
        let (Some(body), Some(ConnectInfo(peer)), Some(RequestId(id))) = (
            extensions.get::<BodySlot>(),
            extensions.get::<ConnectInfo<SocketAddr>>(),
            extensions.get::<RequestId>(),
        ) else {
            return Err(Answer::refusal(500, "bug", "the request has lost its body").into());
        };
        Ok(Self {
            headers: parts.headers.clone(),
            uri: parts.uri.clone(),
            body: body.clone(),
            peer: *peer,
            id: id.clone(),
        })
    }
}
