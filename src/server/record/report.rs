//! Where the counters go: to the monitoring pages, or to the parent process if this is one of
//! several workers.

use std::sync::atomic::Ordering;

use mio::Token;

use crate::base::limits::server::REPORT_INTERVAL;
use crate::base::time::Instant;
use crate::server::http::HttpServer;
use crate::server::monitoring::{self, Health};
use crate::server::record::counters::Gauge;
use crate::server::record::service::RecordService;

impl RecordService {
    /// Where it listens, for the log; `None` for a worker, whose parent logs it.
    pub(super) fn address(&self) -> Option<String> {
        if self.parent.is_some() {
            return None;
        }
        let listener = self.listener.as_ref()?;
        let address = listener.local_addr().ok()?;
        Some(match self.http.as_ref().and_then(HttpServer::address) {
            Some(metrics) => format!("{address}, metrics on {metrics}"),
            None => address.to_string(),
        })
    }

    /// Handles an event of the HTTP server's listener or of one of its clients.
    pub(super) fn handle_http(&mut self, now: Instant, token: Token) {
        self.set_gauges();
        let counters = &self.counters;
        let write_health = |text: &mut String| match self.disk.problem() {
            None => {
                text.push_str("ok\n");
                Health::Healthy
            }
            Some(problem) => {
                text.push_str(&problem.message(&self.settings.dir));
                text.push('\n');
                Health::Unhealthy
            }
        };
        let mut pages =
            |path: &str| monitoring::page(path, |text| counters.print(text), write_health);
        if let Some(http) = &mut self.http {
            http.handle_event(self.poll.registry(), token, now, &mut pages);
        }
    }

    /// Sends the counters to the parent process: each second, and before a long sleep.
    pub(super) fn report(&mut self, now: Instant) {
        if self.parent.is_none() || (now < self.report_at && self.is_busy()) {
            return;
        }
        self.report_at = now + REPORT_INTERVAL;
        self.set_gauges();
        if let Some(parent) = &self.parent {
            parent.send(&self.counters.emit());
        }
    }

    fn set_gauges(&mut self) {
        let problem = self.disk.problem();
        for (gauge, value) in [
            (Gauge::Connections, self.connections.len() as u64),
            (Gauge::Recordings, self.recordings.len() as u64),
            (Gauge::Repaired, self.repaired.load(Ordering::Relaxed)),
            (Gauge::Unfinished, self.unfinished.len() as u64),
            (Gauge::DiskProblem, problem.map_or(0, |code| code as u64)),
            (Gauge::Healthy, u64::from(problem.is_none())),
            (Gauge::Workers, 1),
        ] {
            self.counters.set(gauge, value);
        }
        #[cfg(feature = "s3")]
        if let Some(uploader) = &self.uploader {
            uploader.set_gauges(&mut self.counters);
        }
    }
}
