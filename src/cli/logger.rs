//! The daemon's log on standard error, filtered by `RUST_LOG`: `debug`, or `warn,callrec::io=debug`
//! for a module and all below it.
//!
//! `env_logger`, which the servers have, would make the phone's program 6 KB larger, and it uses the
//! heap while a call is recorded.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

/// The longest line, with its end.
const LINE_BYTES: usize = 1024;

/// The value of `RUST_LOG`.
struct Logger {
    filters: String,
}

/// Logs from now on: `info` and above, unless `RUST_LOG` says otherwise.
pub fn init() {
    let filters = std::env::var("RUST_LOG").unwrap_or_default();
    let levels = filters.split([',', '=']).filter_map(parse_level);
    let most = levels.fold(LevelFilter::Info, Ord::max);
    let logger = Box::leak(Box::new(Logger { filters }));
    if log::set_logger(logger).is_ok() {
        log::set_max_level(most);
    }
}

impl Logger {
    /// The level of a module: that of the last filter that names it or a module above it.
    fn level(&self, target: &str) -> LevelFilter {
        let mut level = LevelFilter::Info;
        for filter in self.filters.split(',') {
            let (module, name) = filter.split_once('=').unwrap_or(("", filter));
            if target.starts_with(module.trim()) {
                level = parse_level(name).unwrap_or(level);
            }
        }
        level
    }
}

fn parse_level(name: &str) -> Option<LevelFilter> {
    let levels = [
        ("off", LevelFilter::Off),
        ("error", LevelFilter::Error),
        ("warn", LevelFilter::Warn),
        ("info", LevelFilter::Info),
        ("debug", LevelFilter::Debug),
        ("trace", LevelFilter::Trace),
    ];
    let name = name.trim();
    let found = levels
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, level)| *level)
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata) -> bool {
        metadata.level() <= self.level(metadata.target())
    }

    fn log(&self, record: &Record) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = record.level().as_str();
        let target = record.target();
        let mut line = [0; LINE_BYTES];
        let mut rest = &mut line[..LINE_BYTES - 1];
        // A line that is too long is cut.
        let _ = write!(rest, "[{level:<5} {target}] {}", record.args());
        let length = LINE_BYTES - 1 - rest.len();
        line[length] = b'\n';
        // One call, so that lines of two processes are not mixed. There is nobody to tell of a
        // failure.
        let _ = std::io::stderr().write_all(&line[..=length]);
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_filter_that_fits_counts() {
        let level = |filters: &str, target| {
            let filters = filters.to_owned();
            Logger { filters }.level(target)
        };
        assert_eq!(level("", "callrec::daemon"), LevelFilter::Info);
        assert_eq!(level("DEBUG", "callrec"), LevelFilter::Debug);
        let both = "warn, callrec::daemon = trace";
        assert_eq!(level(both, "callrec::daemon::disk"), LevelFilter::Trace);
        assert_eq!(level(both, "callrec::io"), LevelFilter::Warn);
        assert_eq!(level("nonsense", "callrec"), LevelFilter::Info);
    }
}
