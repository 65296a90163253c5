//! The load balancer's monitoring pages.

use mio::Token;

use crate::base::time::Instant;
use crate::server::metrics::{write_header, write_metric, write_sample, MetricKind};
use crate::server::monitoring::{self, Health};
use crate::server::record::load_balancer::media_host::{HostState, MediaHost};
use crate::server::record::load_balancer::LoadBalancer;

impl LoadBalancer {
    /// Handles an event of the HTTP server's listener or of one of its clients.
    pub(super) fn handle_http(&mut self, now: Instant, token: Token) {
        let hosts = &self.hosts;
        let up = hosts.iter().filter(|host| host.is_up()).count();
        let metrics = [
            (
                "callrec_connections_total",
                MetricKind::Counter,
                "Control connections accepted.",
                self.accepted,
            ),
            (
                "callrec_refused_total",
                MetricKind::Counter,
                "Control connections refused.",
                self.refused,
            ),
            (
                "callrec_unplaced_total",
                MetricKind::Counter,
                "Connections for which there was no media host.",
                self.unplaced,
            ),
            (
                "callrec_connections",
                MetricKind::Gauge,
                "Control connections open.",
                self.pairs.len() as u64,
            ),
            (
                "callrec_media_hosts_up",
                MetricKind::Gauge,
                "Media hosts that respond and can store recordings.",
                up as u64,
            ),
        ];
        let write_metrics = |text: &mut String| {
            for (name, kind, help, value) in metrics {
                write_metric(text, name, kind, help, value);
            }
            write_hosts(text, hosts);
        };
        let write_health = |text: &mut String| write_health(text, hosts, up);
        let mut pages = |path: &str| monitoring::page(path, write_metrics, write_health);
        if let Some(http) = &mut self.http {
            http.handle_event(self.poll.registry(), token, now, &mut pages);
        }
    }
}

/// How many hosts are up, and what is wrong with the others. One of them is enough to record.
fn write_health(text: &mut String, hosts: &[MediaHost], up: usize) -> Health {
    *text += &format!("{up} of {} media hosts\n", hosts.len());
    for host in hosts {
        match &host.state {
            HostState::Up => {}
            HostState::Unknown => *text += &format!("{}: not checked yet\n", host.address),
            HostState::Down(problem) => *text += &format!("{}: {problem}\n", host.address),
        }
    }
    if up > 0 {
        Health::Healthy
    } else {
        Health::Unhealthy
    }
}

fn write_hosts(text: &mut String, hosts: &[MediaHost]) {
    type Value = fn(&MediaHost) -> u64;
    let metrics: [(&str, MetricKind, &str, Value); 3] = [
        (
            "callrec_media_connections",
            MetricKind::Gauge,
            "Control connections open, by media host.",
            |host| host.connections,
        ),
        (
            "callrec_media_failures_total",
            MetricKind::Counter,
            "Failed connections, requests and checks, by media host.",
            |host| host.failures,
        ),
        (
            "callrec_media_up",
            MetricKind::Gauge,
            "1: the media host responds and can store recordings.",
            |host| u64::from(host.is_up()),
        ),
    ];
    for (name, kind, help, value) in metrics {
        write_header(text, name, kind, help);
        for host in hosts {
            let address = host.address.to_string();
            write_sample(text, name, ("host", &address), value(host));
        }
    }
}
