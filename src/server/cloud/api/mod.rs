//! The Web API of the cloud, and what devices use of it. Each handler judges the credentials first.

use std::sync::Arc;

use axum::routing::{delete, get, post};
use axum::Router;

use crate::server::cloud::state::Cloud;
use crate::server::web::service::{no_such_method, no_such_path};

mod channel;
mod devices;
mod hooks;
mod pages;
mod push;
mod stream;

/// All paths.
pub(super) fn router(cloud: Arc<Cloud>) -> Router {
    let stream = || {
        get(stream::play)
            .head(stream::describe)
            .post(stream::publish)
            .put(stream::publish)
    };
    Router::new()
        .route("/v2/devices/state", post(devices::state))
        .route("/v2/devices/ids", get(devices::ids))
        .route("/v2/devices/tokens", post(devices::tokens))
        .route("/v2/devices/auth/cancellation", post(devices::cancel))
        .route("/v2/message/server/push", post(push::by_server))
        .route("/v2/message/client/push", post(push::by_device))
        .route("/v2/messages/{id}", get(push::delivery))
        .route("/v2/apps/webhook", get(hooks::show).post(hooks::change))
        .route("/v2/channel", get(channel::open))
        .route("/v2/channel/ack", post(channel::acknowledge))
        .route("/v2/streams", get(stream::list))
        .route("/v2/streams/{id}", delete(stream::end))
        .route("/stream/{id}", stream())
        .route("/streaming/{id}", stream())
        .route("/metrics", get(pages::metrics))
        .route("/healthz", get(pages::health))
        .fallback(async || no_such_path())
        .method_not_allowed_fallback(async || no_such_method())
        .with_state(cloud)
}
