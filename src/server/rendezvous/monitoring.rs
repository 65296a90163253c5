//! The rendezvous server's metrics.

use crate::proto::rendezvous::server::RendezvousServer;
use crate::server::metrics::{write_metric, MetricKind};

/// Name, help and value of a metric.
type Metric = (&'static str, &'static str, fn(&RendezvousServer) -> u64);

const GAUGES: [Metric; 5] = [
    ("phones", "Registered phones.", |server| {
        server.gauges().phones as u64
    }),
    ("phones_known", "Phones in the file.", |server| {
        server.gauges().known_phones as u64
    }),
    ("callers", "Registered callers.", |server| {
        server.gauges().callers as u64
    }),
    ("connections", "Connections of the last minute.", |server| {
        server.gauges().connections as u64
    }),
    (
        "relayed",
        "Connections that have a port of the relay.",
        |server| server.relay.in_use() as u64,
    ),
];

const COUNTERS: [Metric; 18] = [
    (
        "registered",
        "Endpoints that have registered, without repetitions.",
        |server| server.counts.registered,
    ),
    (
        "repeated",
        "Registrations repeated from another address.",
        |server| server.counts.repeated,
    ),
    (
        "claimed",
        "Endpoints of other makes that have claimed another address.",
        |server| server.counts.claimed,
    ),
    ("issued", "Names and keys issued to callers.", |server| {
        server.counts.issued
    }),
    ("connected", "Callers connected to a phone.", |server| {
        server.counts.connected
    }),
    (
        "wrong_key",
        "Messages of an unknown endpoint, or sealed with another key.",
        |server| server.counts.wrong_key,
    ),
    (
        "wrong_invite",
        "Callers refused for their invite code.",
        |server| server.counts.wrong_invite,
    ),
    (
        "unknown_phone",
        "Callers of a phone that is not registered.",
        |server| server.counts.unknown_phone,
    ),
    (
        "unanswered",
        "Phones that did not respond to a call.",
        |server| server.counts.unanswered,
    ),
    (
        "refused_by_phone",
        "Callers refused by the phone itself.",
        |server| server.counts.refused_by_phone,
    ),
    (
        "too_many",
        "Callers and connections beyond their limits.",
        |server| server.counts.too_many,
    ),
    (
        "held_back",
        "Responses to strangers held back by the rate limit.",
        |server| server.counts.held_back,
    ),
    ("ignored", "Invalid datagrams.", |server| {
        server.counts.ignored
    }),
    (
        "relay_opened",
        "Connections that were given a port of the relay.",
        |server| server.relay.counts.opened,
    ),
    (
        "relay_full",
        "Connections for which no port was free.",
        |server| server.relay.counts.full,
    ),
    ("relay_bytes", "Bytes relayed.", |server| {
        server.relay.counts.bytes
    }),
    (
        "relay_dropped",
        "Datagrams dropped by the relay.",
        |server| server.relay.counts.dropped,
    ),
    (
        "relay_exhausted",
        "Connections that have used up their quota.",
        |server| server.relay.counts.exhausted,
    ),
];

/// Writes the page of metrics.
pub(super) fn write_metrics(server: &RendezvousServer, page: &mut String) {
    for (name, help, value) in GAUGES {
        let name = format!("callrec_rendezvous_{name}");
        write_metric(page, &name, MetricKind::Gauge, help, value(server));
    }
    for (name, help, value) in COUNTERS {
        let name = format!("callrec_rendezvous_{name}_total");
        write_metric(page, &name, MetricKind::Counter, help, value(server));
    }
}
