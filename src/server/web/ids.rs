//! Random ids, and the time of day.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::io::random::Random;

/// So many random bytes in hexadecimal.
pub(in crate::server) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    // Without a source the ids would repeat; nothing secret depends on them.
    let _ = Random::open().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Seconds since 1970.
pub(in crate::server) fn unix_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
