//! Folders of recordings: what the daemon, the tools and the server share. The daemon uses `repair` alone.

#[cfg(feature = "tools")]
pub mod join;
#[cfg(feature = "tools")]
pub mod order;
pub mod repair;
#[cfg(feature = "tools")]
pub mod scan;
#[cfg(feature = "tools")]
pub mod waveform;
