//! `/metrics`, `/healthz` and the page to try a call.

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};

use crate::server::calls::book::call::CallState;
use crate::server::calls::state::Shared;
use crate::server::metrics::{write_header, write_metric, write_sample, MetricKind, CONTENT_TYPE};

/// The page, which needs nothing else.
const TRY_PAGE: &str = include_str!("try.html");

pub(super) async fn health() -> &'static str {
    "the application server takes requests\n"
}

/// What the page itself may do; it has no secret.
pub(super) async fn try_page() -> impl IntoResponse {
    Html(TRY_PAGE)
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
