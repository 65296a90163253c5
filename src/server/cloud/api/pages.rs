//! `/metrics` and `/healthz`.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::server::cloud::state::Cloud;
use crate::server::metrics::{write_metric, MetricKind, CONTENT_TYPE};

pub(super) async fn health() -> &'static str {
    "the cloud takes requests\n"
}

pub(super) async fn metrics(State(cloud): State<Arc<Cloud>>) -> impl IntoResponse {
    let (counts, [channels, devices, waiting]) =
        cloud.registry(|registry, _| (registry.counts.clone(), registry.sizes()));
    let [streams, players] = cloud.streams.sizes();
    let hooks = &cloud.webhooks;
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let size = |size: usize| size as u64;
    let mut page = String::new();
    let gauges = [
        (
            "channels",
            "Channels of devices that are open.",
            size(channels),
        ),
        ("devices", "Devices that are known.", size(devices)),
        (
            "messages_waiting",
            "Messages that wait for their acknowledgement.",
            size(waiting),
        ),
        (
            "webhooks_waiting",
            "Events that wait for a webhook.",
            size(hooks.waiting()),
        ),
        ("streams", "Streams.", size(streams)),
        ("players", "Players of streams.", size(players)),
    ];
    for (name, help, value) in gauges {
        let name = format!("callrec_cloud_{name}");
        write_metric(&mut page, &name, MetricKind::Gauge, help, value);
    }
    let counters = [
        ("pushed", "Messages to devices.", counts.pushed),
        (
            "sends",
            "Messages written to a channel, repetitions included.",
            counts.sent,
        ),
        (
            "lost_sends",
            "Messages for which no channel was open, or none with room.",
            counts.lost,
        ),
        (
            "acknowledged",
            "Messages that were acknowledged.",
            counts.acknowledged,
        ),
        (
            "unacknowledged",
            "Messages dropped after five sends.",
            counts.unacknowledged,
        ),
        (
            "displaced",
            "Messages dropped because sixteen others waited.",
            counts.displaced,
        ),
        (
            "replaced_channels",
            "Channels closed by a newer one of the device.",
            counts.replaced,
        ),
        (
            "webhooks_delivered",
            "Events that a webhook has taken.",
            count(&hooks.counts.delivered),
        ),
        (
            "webhook_failures",
            "Attempts that a webhook has not taken.",
            count(&hooks.counts.failed),
        ),
        (
            "webhooks_dropped",
            "Events that no webhook has got.",
            count(&hooks.counts.dropped),
        ),
    ];
    for (name, help, value) in counters {
        let name = format!("callrec_cloud_{name}_total");
        write_metric(&mut page, &name, MetricKind::Counter, help, value);
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page)
}
