//! The Prometheus text format (version 0.0.4).

use core::fmt::Write;

/// The content type of a page of metrics.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A metric's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MetricKind {
    /// It only grows, from 0 at the start of the process.
    Counter,
    /// A current value.
    Gauge,
}

/// Writes a metric's header, which its samples follow.
pub(super) fn write_header(page: &mut String, name: &str, kind: MetricKind, help: &str) {
    let kind = match kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
    };
    let _ = writeln!(page, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Writes a sample with one label.
pub(super) fn write_sample(page: &mut String, name: &str, (key, label): (&str, &str), value: u64) {
    let _ = writeln!(page, "{name}{{{key}=\"{label}\"}} {value}");
}

/// Writes a metric that has one sample without labels.
pub(super) fn write_metric(
    page: &mut String,
    name: &str,
    kind: MetricKind,
    help: &str,
    value: u64,
) {
    write_header(page, name, kind, help);
    let _ = writeln!(page, "{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_its_header_and_its_samples() {
        let mut page = String::new();
        write_metric(&mut page, "calls", MetricKind::Gauge, "Calls.", 7);
        write_header(&mut page, "lost_total", MetricKind::Counter, "Lost.");
        write_sample(&mut page, "lost_total", ("reason", "late"), 3);
        let expected = "# HELP calls Calls.\n# TYPE calls gauge\ncalls 7\n\
                        # HELP lost_total Lost.\n# TYPE lost_total counter\nlost_total{reason=\"late\"} 3\n";
        assert_eq!(page, expected);
    }
}
