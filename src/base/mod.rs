//! What everything else stands on: time, limits, counters, the byte ring. No dependencies.

pub mod limits;
pub mod ring;
pub mod stats;
pub mod time;
