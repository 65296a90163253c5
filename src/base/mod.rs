//! What everything else stands on: time, clocks, limits, counters, the byte ring. No dependencies.

pub mod limits;
pub mod ring;
#[cfg(feature = "fsp")]
pub mod secret;
pub mod stats;
pub mod time;
pub mod wall_clock;
