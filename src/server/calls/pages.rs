//! `/metrics`, `/healthz` and the page to try a call.

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::server::calls::book::call::CallState;
use crate::server::calls::state::Shared;
use crate::server::metrics::{write_header, write_metric, write_sample, MetricKind, CONTENT_TYPE};

/// The page, which needs nothing else but the cloud.
const TRY_PAGE: &str = include_str!("try.html");
/// What stands for the cloud's base URL in it; no URL has characters that HTML would read.
const CLOUD_URL: &str = "CLOUD_URL";
pub(super) async fn health() -> &'static str {
    "the application server takes requests\n"
}

/// It has no secret: the user brings a device token.
pub(super) async fn try_page(State(server): State<Shared>) -> impl IntoResponse {
    let cloud = server.settings.cloud.as_ref().map(ToString::to_string);
    let page = TRY_PAGE.replace(CLOUD_URL, &cloud.unwrap_or_default());
    // Nobody else shows it as a part of a page of theirs; what it may load is said in itself.
    ([(header::X_FRAME_OPTIONS, "DENY")], Html(page))
}

pub(super) async fn metrics(State(server): State<Shared>) -> impl IntoResponse {
    let counts = server
        .counts
        .lock()
        .map(|counts| counts.clone())
        .unwrap_or_default();
    let mut page = String::new();
    let states = [
        CallState::Waking,
        CallState::Sent,
        CallState::Ringing,
        CallState::Talking,
    ];
    let name = "callrec_calls";
    write_header(
        &mut page,
        name,
        MetricKind::Gauge,
        "Calls that have not ended, by state.",
    );
    for state in states {
        let count = server.book(|book, _| book.count(state)) as u64;
        write_sample(&mut page, name, ("state", state.word()), count);
    }
    let counters = [
        ("placed", "Calls that were placed.", counts.placed),
        (
            "cloud_problems",
            "Requests that the cloud has refused or not answered.",
            counts.cloud_problems,
        ),
        (
            "hook_problems",
            "Requests that pushHook has refused or not answered.",
            counts.hook_problems,
        ),
    ];
    for (name, help, value) in counters {
        let name = format!("callrec_calls_{name}_total");
        write_metric(&mut page, &name, MetricKind::Counter, help, value);
    }
    let by_reason = [
        (
            "refused",
            "Calls that were refused, by reason.",
            &counts.refused,
        ),
        ("ended", "Calls that have ended, by reason.", &counts.ended),
    ];
    for (name, help, reasons) in by_reason {
        let name = format!("callrec_calls_{name}_total");
        write_header(&mut page, &name, MetricKind::Counter, help);
        for (reason, count) in reasons {
            write_sample(&mut page, &name, ("reason", reason), *count);
        }
    }
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page)
}
