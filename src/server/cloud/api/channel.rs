//! The channel of a device: server-sent events, and their acknowledgements.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{header, HeaderName, HeaderValue};
use axum::response::Response;
use hyper::body::Frame;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{sleep, Instant, Sleep};

use crate::server::cloud::devices::Opened;
use crate::server::cloud::frames;
use crate::server::cloud::state::Cloud;
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::wire::decimal::parse_decimal;

/// So often at least something is sent.
const COMMENT_PERIOD: Duration = Duration::from_secs(15);

pub(super) async fn open(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Response, Response> {
    let device = cloud.device_of(&asked.headers, &asked.uri).await?;
    let (opened, receiver) = cloud.open_channel(device, asked.peer).await?;
    let body = ChannelBody {
        _opened: opened,
        receiver,
        comment: Box::pin(sleep(COMMENT_PERIOD)),
    };
    let mut response = Response::new(Body::new(body));
    let headers = response.headers_mut();
    let texts = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-cache"),
        // A page of another server may be a device: it has to bring a token.
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    for (name, value) in texts {
        headers.insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

pub(super) async fn acknowledge(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let device = cloud.device_of(&asked.headers, &asked.uri).await?;
    let id = asked
        .query("id")
        .and_then(|id| parse_decimal(id.as_bytes()));
    let id = id.ok_or_else(|| Answer::bad_request("'id' is no number"))?;
    cloud.acknowledge(device, id).await.map_err(Answer::from)?;
    Ok(Answer::ok(json!({})))
}

/// What the device reads. When it is dropped, the channel is gone.
struct ChannelBody {
    _opened: Opened,
    receiver: mpsc::Receiver<Bytes>,
    comment: Pin<Box<Sleep>>,
}

impl hyper::body::Body for ChannelBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.receiver.poll_recv(context) {
            Poll::Ready(next) => next,
            Poll::Pending if self.comment.as_mut().poll(context).is_ready() => {
                Some(frames::comment())
            }
            Poll::Pending => return Poll::Pending,
        };
        self.comment.as_mut().reset(Instant::now() + COMMENT_PERIOD);
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }
}
