//! The foundation of all other modules: time, clocks, limits, counters, the byte ring. It depends
//! on nothing.

#[cfg(any(feature = "fsp", feature = "box"))]
pub mod constant_time;
pub mod limits;
pub mod ring;
pub mod stats;
pub mod time;
pub mod wall_clock;
