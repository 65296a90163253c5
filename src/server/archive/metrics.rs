//! `/metrics` for Prometheus, and `/healthz`, on an address of their own.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{header, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::Router;

use crate::server::archive::app::App;
use crate::server::archive::journal_reader::{balance, hosts};
use crate::server::metrics::{write_header, write_metric, MetricKind, CONTENT_TYPE};

pub(super) fn router(app: Arc<App>) -> Router {
    let router = Router::new()
        .route("/metrics", get(page))
        .route("/healthz", get(health));
    router.with_state(app)
}

async fn page(State(app): State<Arc<App>>) -> Response {
    let text = tokio::task::spawn_blocking(move || text(&app)).await;
    match text {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        _ => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

fn text(app: &App) -> Result<String, String> {
    let mut page = String::new();
    let name = "callrec_archive_balance";
    write_header(
        &mut page,
        name,
        MetricKind::Gauge,
        "Calls by what became of them; lost ones by reason.",
    );
    app.catalogue.read(|connection| {
        for host in hosts(connection)? {
            let of_host = balance(connection, Some(&host))?;
            let lost = of_host
                .lost
                .iter()
                .map(|(reason, count)| (format!("lost:{reason}"), *count));
            let counts = [
                ("accepted".to_owned(), of_host.accepted.unwrap_or(0)),
                ("running".into(), of_host.running),
                ("present".into(), of_host.present),
                ("deleted".into(), of_host.deleted),
            ];
            for (state, count) in counts.into_iter().chain(lost) {
                let _ = writeln!(
                    page,
                    "{name}{{host=\"{}\",state=\"{}\"}} {count}",
                    label(&host),
                    label(&state)
                );
            }
        }
        Ok(())
    })?;
    write_gauges(app, &mut page);
    Ok(page)
}

fn write_gauges(app: &App, page: &mut String) {
    let gauges = [
        (
            "callrec_archive_ready",
            "1: all recordings are in the catalogue.",
            u64::from(app.is_ready.load(Ordering::Relaxed)),
        ),
        (
            "callrec_archive_retention_waiting",
            "Recordings of a stopped round of deletion.",
            app.stopped_round.load(Ordering::Relaxed),
        ),
        (
            "callrec_archive_disk_low",
            "1: less than minFreeMib is free.",
            u64::from(app.is_disk_low.load(Ordering::Relaxed)),
        ),
        (
            "callrec_archive_buckets_failing",
            "Buckets that could not be listed at the last try.",
            app.failing_buckets.load(Ordering::Relaxed),
        ),
        (
            "callrec_archive_peers_failing",
            "Peers that did not answer at the last try.",
            app.peers.failing(),
        ),
    ];
    for (name, help, value) in gauges {
        write_metric(page, name, MetricKind::Gauge, help, value);
    }
}

/// A label's value: a journal is a file that others may have written.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

async fn health(State(app): State<Arc<App>>) -> Response {
    if app.is_ready.load(Ordering::Relaxed) {
        "ok\n".into_response()
    } else {
        (
            StatusCode::SERVICE_UNAVAILABLE,
            "recordings are being read\n",
        )
            .into_response()
    }
}
