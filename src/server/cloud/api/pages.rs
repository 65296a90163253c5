//! `/metrics` and `/healthz`.

use std::sync::atomic::Ordering;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::server::cloud::state::{Cloud, Storage};
use crate::server::metrics::{write_metric, MetricKind, CONTENT_TYPE};

pub(super) async fn health(State(cloud): State<Arc<Cloud>>) -> Response {
    match &cloud.storage {
        Storage::Shared(cluster) if !cluster.is_linked() => {
            let after = [(header::RETRY_AFTER, "2")];
            let words = "the database is away\n";
            (StatusCode::SERVICE_UNAVAILABLE, after, words).into_response()
        }
        _ => "the cloud takes requests\n".into_response(),
    }
}

pub(super) async fn metrics(State(cloud): State<Arc<Cloud>>) -> impl IntoResponse {
    let mut page = String::new();
    write_gauges(&mut page, &cloud);
    write_messages(&mut page, &cloud);
    write_webhooks(&mut page, &cloud);
    if let Storage::Shared(cluster) = &cloud.storage {
        let help = "The shared database can be asked.";
        let value = cluster.is_linked().into();
        let name = "callrec_cloud_database_up";
        write_metric(&mut page, name, MetricKind::Gauge, help, value);
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page)
}

fn write_gauges(page: &mut String, cloud: &Cloud) {
    let [channels, devices, waiting] = cloud.registry(|registry, _| registry.sizes());
    let [streams, players] = cloud.streams.sizes();
    let events = cloud.webhooks.waiting();
    for (name, help, value) in [
        ("channels", "Channels of devices that are open.", channels),
        ("devices", "Devices that are known.", devices),
        (
            "messages_waiting",
            "Messages that wait for their acknowledgement.",
            waiting,
        ),
        (
            "webhooks_waiting",
            "Events that wait for a webhook.",
            events,
        ),
        ("streams", "Streams.", streams),
        ("players", "Players of streams.", players),
    ] {
        let name = format!("callrec_cloud_{name}");
        write_metric(page, &name, MetricKind::Gauge, help, value as u64);
    }
}

fn write_messages(page: &mut String, cloud: &Cloud) {
    let counts = cloud.registry(|registry, _| registry.counts.clone());
    for (name, help, value) in [
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
    ] {
        let name = format!("callrec_cloud_{name}_total");
        write_metric(page, &name, MetricKind::Counter, help, value);
    }
}

fn write_webhooks(page: &mut String, cloud: &Cloud) {
    let counts = &cloud.webhooks.counts;
    for (name, help, counter) in [
        (
            "webhooks_delivered",
            "Events that a webhook has taken.",
            &counts.delivered,
        ),
        (
            "webhook_failures",
            "Attempts that a webhook has not taken.",
            &counts.failed,
        ),
        (
            "webhooks_dropped",
            "Events that no webhook has got.",
            &counts.dropped,
        ),
    ] {
        let name = format!("callrec_cloud_{name}_total");
        let value = counter.load(Ordering::Relaxed);
        write_metric(page, &name, MetricKind::Counter, help, value);
    }
}
