//! Answers that are refusals: `{"error":"token","message":"words"}`.

use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use log::warn;
use serde_json::json;

use crate::server::archive::database::AWAY;

/// Why a request is not carried out.
#[derive(Debug)]
pub(super) struct ApiError {
    pub(super) status: StatusCode,
    token: String,
    message: String,
    /// Seconds after which it may be tried again.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, token: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            token: token.into(),
            message: message.into(),
            retry_after: None,
        }
    }

    /// A parameter or a member that is wrong: its name is in the message.
    pub(super) fn bad(token: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, token, message)
    }

    /// Unknown, malformed, or another one's: nobody can tell which.
    pub(super) fn not_found() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not-found",
            "there is no such recording",
        )
    }

    pub(super) fn role() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "role",
            "your role does not allow this",
        )
    }

    pub(super) fn conflict(token: &str, message: &str) -> Self {
        Self::new(StatusCode::CONFLICT, token, message)
    }

    pub(super) fn unavailable(token: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, token, message)
    }

    /// Something that is the server's fault: the log says more than the answer.
    pub(super) fn internal(problem: &str) -> Self {
        log::error!("{problem}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server's log says what has failed",
        )
    }

    /// What cannot be logged is not done.
    pub(super) fn audit(problem: &str) -> Self {
        log::error!("audit log: {problem}");
        Self::unavailable("audit", "the audit log cannot be written")
    }

    pub(super) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// It is the role that does not allow it.
    pub(super) fn is_role(&self) -> bool {
        self.token == "role"
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }
}

impl From<String> for ApiError {
    fn from(problem: String) -> Self {
        if problem.contains(AWAY) {
            warn!("{problem}");
            return Self::unavailable("database", "the database is away; try again later");
        }
        Self::internal(&problem)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = json!({"error": self.token, "message": self.message}).to_string();
        let mut response = (
            self.status,
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
