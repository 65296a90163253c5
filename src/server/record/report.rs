//! Who is told what has been counted: whoever asks by HTTP, or the process that has started us as one of several.

use std::sync::atomic::Ordering;

use mio::Token;

use crate::base::limits::server::REPORT_INTERVAL;
use crate::base::time::Instant;
use crate::server::metrics::{Metrics, Page};
use crate::server::record::counters::Gauge;
use crate::server::record::degraded::Trouble;
use crate::server::record::service::Service;

impl Service {
    /// Where it listens; `None` when it is one of several.
    pub(super) fn address(&self) -> Option<String> {
        let address = self
            .listener
            .as_ref()
            .filter(|_| self.link.is_none())?
            .local_addr()
            .ok()?;
        let metrics = self.metrics.as_ref().and_then(Metrics::address);
        Some(metrics.map_or_else(
            || address.to_string(),
            |metrics| format!("{address}, metrics on {metrics}"),
        ))
    }

    /// Something has come for the metrics' listener or one of its clients.
    pub(super) fn show(&mut self, now: Instant, token: Token) {
        self.set_gauges();
        let (counters, healthy, dir) = (&self.counters, self.is_healthy(), &self.settings.dir);
        let trouble = self.disk.trouble.unwrap_or(Trouble::Unsynced);
        let mut page = |page: Page, text: &mut String| {
            match page {
                Page::Metrics => counters.print(text),
                Page::Health if healthy => text.push_str("ok\n"),
                Page::Health => *text += &format!("{}\n", trouble.words(dir)),
            }
            healthy
        };
        if let Some(metrics) = &mut self.metrics {
            metrics.handle(self.poll.registry(), token, now, &mut page);
        }
    }

    /// The process that has started us is gone; nobody else would end us. Nothing else is said there.
    pub(super) fn is_orphan(&self) -> bool {
        self.link
            .as_ref()
            .is_some_and(|link| link.receive(&mut [0; 8]) == Some(0))
    }

    /// Tells the process that has started us what we have counted: each second, and before a long sleep.
    pub(super) fn report(&mut self, now: Instant) {
        if self.link.is_some() && (now >= self.report_at || !self.is_busy()) {
            self.report_at = now + REPORT_INTERVAL;
            self.set_gauges();
            if let Some(link) = &self.link {
                link.send(&self.counters.emit());
            }
        }
    }

    fn set_gauges(&mut self) {
        for (gauge, value) in [
            (Gauge::Connections, self.connections.len() as u64),
            (Gauge::Recordings, self.recordings.len() as u64),
            (Gauge::Repaired, self.repaired.load(Ordering::Relaxed)),
            (Gauge::Unfinished, self.unfinished.len() as u64),
            (
                Gauge::DiskTrouble,
                self.disk.trouble.map_or(0, |trouble| trouble as u64),
            ),
            (Gauge::Healthy, u64::from(self.is_healthy())),
            (Gauge::Workers, 1),
        ] {
            self.counters.set(gauge, value);
        }
        #[cfg(feature = "s3")]
        self.uploader
            .iter()
            .for_each(|uploader| uploader.show(&mut self.counters));
    }
}
