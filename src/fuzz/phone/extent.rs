//! How large the phone under fuzz is.

use crate::base::time::Duration;

/// Recordings at once.
pub(super) const PLACES: usize = 2;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
