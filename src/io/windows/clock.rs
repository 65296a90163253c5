//! The clocks.

use std::sync::OnceLock;

use chrono::{Datelike, Local, TimeZone, Timelike, Utc};

use crate::base::time::Instant;
use crate::io::timespec::Civil;

/// Reads the monotonic clock, which begins with the first reading.
pub fn monotonic() -> Instant {
    static BEGAN: OnceLock<std::time::Instant> = OnceLock::new();
    let nanos = BEGAN
        .get_or_init(std::time::Instant::now)
        .elapsed()
        .as_nanos();
    Instant::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// The local time of day at a time of the wall clock.
pub fn civil(seconds: i64) -> Civil {
    let utc = Utc.timestamp_opt(seconds, 0).single().unwrap_or_default();
    let local = utc.with_timezone(&Local);
    Civil {
        year: local.year(),
        month: local.month() as i32,
        day: local.day() as i32,
        hour: local.hour() as i32,
        minute: local.minute() as i32,
        second: local.second() as i32,
        offset_minutes: local.offset().local_minus_utc() / 60,
    }
}
