//! How receivers know that a webhook is ours.

use crate::wire::cloud::digests::{event_sign, event_sign2};

/// The headers of a signed body in JSON.
pub(in crate::server) fn signed_headers(
    app_id: &str,
    key: &str,
    id: &str,
    time: u64,
    body: &[u8],
) -> Vec<(&'static str, String)> {
    let key = key.as_bytes();
    vec![
        ("Content-Type", "application/json; charset=utf-8".into()),
        ("User-Agent", "Topvdn".into()),
        ("X-APP-ID", app_id.into()),
        ("X-Event-ID", id.into()),
        ("X-Event-Time", time.to_string()),
        ("X-Event-Sign", event_sign(app_id, body, key)),
        ("X-Event-Sign2", event_sign2(key, id, time, body)),
    ]
}
