//! `GET /api/v1/events`: what happens to recordings, as it happens (server-sent events).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{header, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::Extension;
use http_body_util::channel::{Channel, Sender};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{interval, timeout};

use super::error::ApiError;
use super::viewer::Viewer;
use crate::server::archive::app::App;
use crate::server::archive::event_log::Event;

/// A comment keeps the connection open, and shows whether somebody is there.
const COMMENT_EVERY: u32 = 15;
const SECOND: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn events(
    State(app): State<Arc<App>>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let last = super::audio::text(&headers, header::HeaderName::from_static("last-event-id"));
    let last = last.and_then(|number| number.parse().ok());
    let (sender, body) = Channel::<Bytes, io::Error>::new(16);
    tokio::spawn(send(app, viewer, last, sender));
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(body)).into_response())
}

async fn send(
    app: Arc<App>,
    viewer: Viewer,
    last: Option<u64>,
    mut sender: Sender<Bytes, io::Error>,
) {
    let (kept, mut receiver) = app.events.since(last);
    let mut text = ": hello\n\n".to_owned();
    text.extend(kept.iter().filter_map(|event| shown(&app, &viewer, event)));
    let mut clock = interval(SECOND);
    let mut seconds = 0;
    loop {
        if !text.is_empty() {
            let bytes = Bytes::from(std::mem::take(&mut text));
            match timeout(PATIENCE, sender.send_data(bytes)).await {
                Ok(Ok(())) => {}
                _ => return,
            }
        }
        tokio::select! {
            received = receiver.recv() => match received {
                Ok(event) => text.extend(shown(&app, &viewer, &event)),
                // The client asks again with the number of its last event.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            },
            _ = clock.tick() => {
                seconds += 1;
                let (asked, who) = (app.clone(), viewer.clone());
                let is_valid = tokio::task::spawn_blocking(move || who.is_valid(&asked)).await;
                if !is_valid.unwrap_or(false) {
                    return;
                }
                if seconds % COMMENT_EVERY == 0 {
                    text.push_str(": still here\n\n");
                }
            }
        }
    }
}

/// The event, if somebody may see its recording.
fn shown(app: &App, viewer: &Viewer, event: &Event) -> Option<String> {
    let change = &event.change;
    if !viewer.rights.sees(&app.settings.tenants, &change.folder) {
        return None;
    }
    let data = json!({"id": change.id, "device": change.folder});
    Some(format!(
        "id: {}\nevent: {}\ndata: {data}\n\n",
        event.number, change.kind
    ))
}
