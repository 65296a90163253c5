//! Answers in JSON. `service` adds the id of the request, as a member and in the head.

use axum::body::Body;
use axum::http::{header, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// An answer without its request id.
#[derive(Clone, Debug)]
pub(in crate::server) struct Answer {
    pub(in crate::server) status: StatusCode,
    pub(in crate::server) members: Map<String, Value>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// The connection is closed without an answer: the request did not come to its end.
#[derive(Clone, Copy, Debug)]
pub(in crate::server) struct NoAnswer;

impl Answer {
    /// 200 with the members of this object.
    pub(in crate::server) fn ok(object: Value) -> Self {
        Self::of(StatusCode::OK, object)
    }

    /// A status with the members of this object.
    pub(in crate::server) fn of(status: StatusCode, object: Value) -> Self {
        let members = match object {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        Self {
            status,
            members,
            headers: vec![],
        }
    }

    /// A refusal: a word for programs, a sentence for people.
    pub(in crate::server) fn refusal(status: u16, reason: &str, message: &str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::of(
            status,
            serde_json::json!({ "reason": reason, "message": message }),
        )
    }

    /// 400.
    pub(in crate::server) fn bad_request(message: &str) -> Self {
        Self::refusal(400, "bad-request", message)
    }

    /// 401.
    pub(in crate::server) fn unauthorised(message: &str) -> Self {
        Self::refusal(401, "unauthorised", message)
    }

    /// 503: over the bounds.
    pub(in crate::server) fn overloaded(message: &str) -> Self {
        let after = (header::RETRY_AFTER, HeaderValue::from_static("5"));
        Self::refusal(503, "overloaded", message).with_header(after)
    }

    /// 503: what it needs is away.
    pub(in crate::server) fn unavailable(message: &str) -> Self {
        let after = (header::RETRY_AFTER, HeaderValue::from_static("2"));
        Self::refusal(503, "unavailable", message).with_header(after)
    }

    /// The same with a header.
    pub(in crate::server) fn with_header(mut self, header: (HeaderName, HeaderValue)) -> Self {
        self.headers.push(header);
        self
    }

    /// The same, after which the connection is closed.
    pub(in crate::server) fn and_close(self) -> Self {
        self.with_header((header::CONNECTION, HeaderValue::from_static("close")))
    }

    /// The whole answer.
    pub(super) fn finish(mut self, request_id: &str) -> Response {
        self.members.insert("request_id".into(), request_id.into());
        let body = Value::Object(self.members).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        for (name, value) in self.headers {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl IntoResponse for NoAnswer {
    fn into_response(self) -> Response {
        let mut response = StatusCode::BAD_REQUEST.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// So that `?` hands on both kinds of refusals.
impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        answer.into_response()
    }
}
