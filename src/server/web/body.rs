//! Bodies of requests. A handler judges credentials by the head alone, and reads the body then.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::server::web::answer::{Answer, NoAnswer};

/// The longest body.
pub(in crate::server) const BODY_BYTES: usize = 64 * 1024;
/// How long the rest of a body that nobody wants is read, so that the answer arrives.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// The body of a request, for whoever takes it.
#[derive(Clone)]
pub(in crate::server) struct BodySlot(Arc<Mutex<Option<Incoming>>>);

impl BodySlot {
    pub(super) fn new(body: Incoming) -> Self {
        Self(Arc::new(Mutex::new(Some(body))))
    }

    /// The body; `None`: somebody has taken it.
    pub(in crate::server) fn take(&self) -> Option<Incoming> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }

    /// The whole body.
    pub(in crate::server) async fn read(&self) -> Result<Bytes, Response> {
        let Some(mut body) = self.take() else {
            return Ok(Bytes::new());
        };
        let mut bytes = Vec::new();
        let mut is_too_long = body.size_hint().lower() > BODY_BYTES as u64;
        while !is_too_long {
            let data = match body.frame().await {
                None => return Ok(bytes.into()),
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(_)) => return Err(NoAnswer.into_response()),
            };
            bytes.extend_from_slice(&data);
            is_too_long = bytes.len() > BODY_BYTES;
        }
        drain(body);
        let message = format!("the body is longer than {BODY_BYTES} bytes");
        let answer = Answer::refusal(413, "too-long", &message);
        Err(answer.and_close().into_response())
    }

    /// What was not read is read and thrown away, in the background. Whether there was anything.
    pub(super) fn drain(&self) -> bool {
        let body = self.take().filter(|body| !body.is_end_stream());
        let is_left = body.is_some();
        if let Some(body) = body {
            drain(body);
        }
        is_left
    }
}

fn drain(mut body: Incoming) {
    tokio::spawn(timeout(DRAIN_TIME, async move {
        while let Some(Ok(_)) = body.frame().await {}
    }));
}
