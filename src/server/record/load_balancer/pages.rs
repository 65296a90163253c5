//! What the dispatcher shows by HTTP.

use mio::Token;

use crate::base::time::Instant;
use crate::server::metrics::{write_metric, Page};
use crate::server::record::load_balancer::host::{Host, State};
use crate::server::record::load_balancer::Dispatcher;

impl Dispatcher {
    /// Something has come for the metrics' listener or one of its clients.
    pub(super) fn show(&mut self, now: Instant, token: Token) {
        let (hosts, open) = (&self.hosts, self.pairs.len() as u64);
        let up = hosts.iter().filter(|host| host.is_up()).count();
        let counters = [
            (
                "callrec_connections_total",
                "counter",
                "Control connections taken.",
                self.taken,
            ),
            (
                "callrec_refused_total",
                "counter",
                "Control connections refused.",
                self.refused,
            ),
            (
                "callrec_unplaced_total",
                "counter",
                "Connections for which no media host was there.",
                self.unplaced,
            ),
            (
                "callrec_connections",
                "gauge",
                "Control connections open.",
                open,
            ),
            (
                "callrec_media_hosts_up",
                "gauge",
                "Media hosts that answer and can store recordings.",
                up as u64,
            ),
        ];
        let mut page = |page: Page, text: &mut String| {
            if page == Page::Health {
                write_health(text, hosts, up);
                return up > 0;
            }
            for (name, kind, help, value) in counters {
                write_metric(text, name, kind, help, value);
            }
            hosts.iter().for_each(|host| write_host(text, host));
            true
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.handle(self.poll.registry(), token, now, &mut page);
        }
    }
}

/// How many are up, and what is wrong with the others.
fn write_health(text: &mut String, hosts: &[Host], up: usize) {
    *text += &format!("{up} of {} media hosts\n", hosts.len());
    for host in hosts {
        match &host.state {
            State::Up => {}
            State::Unknown => *text += &format!("{}: has not been asked yet\n", host.address),
            State::Down(problem) => *text += &format!("{}: {problem}\n", host.address),
        }
    }
}

fn write_host(text: &mut String, host: &Host) {
    let Host {
        address,
        connections,
        failures,
        ..
    } = host;
    let up = u8::from(host.is_up());
    *text += &format!("callrec_media_connections{{host=\"{address}\"}} {connections}\n");
    *text += &format!("callrec_media_failures_total{{host=\"{address}\"}} {failures}\n");
    *text += &format!("callrec_media_up{{host=\"{address}\"}} {up}\n");
}
