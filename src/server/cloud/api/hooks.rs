//! `/v2/apps/webhook`: where an app wants its events.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::server::cloud::apps::AppNumber;
use crate::server::cloud::events::EventKind;
use crate::server::cloud::settings::hook;
use crate::server::cloud::state::{Cloud, Storage};
use crate::server::web::answer::Answer;
use crate::server::web::asked::Asked;
use crate::server::web::json::{object, text};

const KINDS: [(&str, EventKind); 2] = [
    ("webhook", EventKind::Message),
    ("state_webhook", EventKind::State),
];

pub(super) async fn show(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    if let Storage::Shared(cluster) = &cloud.storage {
        cluster.settle().await.map_err(Answer::from)?;
    }
    Ok(addresses(&cloud, app))
}

pub(super) async fn change(
    State(cloud): State<Arc<Cloud>>,
    asked: Asked,
) -> Result<Answer, Response> {
    let app = cloud.app_of(&asked.headers)?;
    let members = object(&asked.body.read().await?)?;
    let mut named = vec![];
    for (key, kind) in KINDS {
        let Some(address) = text(&members, key)? else {
            continue;
        };
        if !address.is_empty() && hook(address).is_err() {
            let message = format!("'{key}' is neither http://... nor https://...");
            return Err(Answer::bad_request(&message).into());
        }
        named.push((kind, address));
    }
    for (kind, address) in named {
        let (id, word) = (cloud.apps.id(app), kind.word());
        match &cloud.storage {
            Storage::File(store) => store.set_webhook(id, word, address),
            Storage::Shared(cluster) => {
                let set = cluster.set_webhook(id, word, address).await;
                set.map_err(Answer::from)?;
            }
        }
        cloud.webhooks.set_address(app, kind, address);
    }
    Ok(addresses(&cloud, app))
}

fn addresses(cloud: &Cloud, app: AppNumber) -> Answer {
    Answer::ok(json!({
        "webhook": cloud.webhooks.address(app, EventKind::Message),
        "state_webhook": cloud.webhooks.address(app, EventKind::State),
    }))
}
