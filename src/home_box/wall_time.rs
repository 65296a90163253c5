//! Times of the wall clock, for tokens, reports and the call log.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::io::timespec::Civil;
use crate::wire::recording::sidecar::Start;

/// Seconds since 1970.
pub(super) fn unix_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// A local time as RFC 3339 has it, with its offset from UTC: `YYYY-MM-DDTHH:MM:SS+HH:MM`.
pub(super) fn rfc3339(time: &Civil) -> String {
    let date = [time.year, time.month, time.day];
    let clock = [time.hour, time.minute, time.second];
    Start::new(date, clock, time.offset_minutes).to_string()
}
