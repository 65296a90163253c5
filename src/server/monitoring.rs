//! The two pages that each server has: `/metrics` and `/healthz`.

use crate::server::http::{HttpStatus, Response};
use crate::server::metrics;

/// What a health check is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// 200: the server does its work.
    Healthy,
    /// 503: it does not, or only in part.
    Unhealthy,
}

/// The page for a path. `write_metrics` writes the metrics; `write_health` writes a sentence for a
/// person, and returns the health.
pub(super) fn page(
    path: &str,
    write_metrics: impl FnOnce(&mut String),
    write_health: impl FnOnce(&mut String) -> Health,
) -> Option<Response> {
    let mut body = String::new();
    match path {
        "/metrics" => {
            write_metrics(&mut body);
            Some(Response {
                status: HttpStatus::Ok,
                content_type: metrics::CONTENT_TYPE,
                body,
            })
        }
        "/healthz" => {
            let status = match write_health(&mut body) {
                Health::Healthy => HttpStatus::Ok,
                Health::Unhealthy => HttpStatus::ServiceUnavailable,
            };
            Some(Response {
                status,
                content_type: "text/plain",
                body,
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_do_its_work_still_shows_its_metrics() {
        let of = |path: &str| {
            let metrics = |text: &mut String| text.push_str("calls 7\n");
            let health = |text: &mut String| {
                text.push_str("the disk is full\n");
                Health::Unhealthy
            };
            page(path, metrics, health).map(|page| (page.status, page.body))
        };
        assert_eq!(of("/metrics"), Some((HttpStatus::Ok, "calls 7\n".into())));
        let health = (HttpStatus::ServiceUnavailable, "the disk is full\n".into());
        assert_eq!(of("/healthz"), Some(health));
        assert_eq!(of("/metrics/"), None);
    }
}
