//! The log of the servers: a line for each event, which begins with the time in UTC.

use std::io::Write as _;
use std::time::{Duration, SystemTime};

use crate::recordings::start_time::StartTime;

/// Length of `YYYY-MM-DDTHH:MM:SS`.
const SECOND_CHARS: usize = 19;

/// Starts to log to standard error; `RUST_LOG` chooses the level.
pub(super) fn start() {
    let level = env_logger::Env::default().default_filter_or("info");
    env_logger::Builder::from_env(level)
        // It would log the values of statements: messages, and the tokens in them.
        .filter_module("tokio_postgres", log::LevelFilter::Info)
        .format(|out, record| {
            let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let time = timestamp(since.unwrap_or_default());
            writeln!(out, "{time} {:<5} {}", record.level(), record.args())
        })
        .init();
}

/// `2026-01-02T03:04:05.678Z` (RFC 3339).
fn timestamp(since_1970: Duration) -> String {
    let time = StartTime::at_offset(since_1970.as_secs() as i64, 0);
    let mut text = time.start.to_string();
    text.truncate(SECOND_CHARS);
    format!("{text}.{:03}Z", since_1970.subsec_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_utc_with_milliseconds() {
        let time = Duration::from_millis(1_795_252_500_007);
        assert_eq!(timestamp(time), "2026-11-21T09:15:00.007Z");
    }
}
