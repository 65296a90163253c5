//! What everything else stands on: time, clocks, limits, counters, the byte ring. No dependencies.

#[cfg(feature = "fsp")]
pub mod constant_time;
pub mod limits;
pub mod ring;
pub mod stats;
pub mod time;
pub mod wall_clock;
