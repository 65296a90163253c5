//! The dimensions of the simulated phone.

use crate::base::time::Duration;

/// The number of recording slots.
pub(super) const PLACES: usize = 2;

pub(super) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
