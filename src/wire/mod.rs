//! Bytes <-> values, and nothing else: no I/O, no clock, no heap. Every file checks all lengths once
//! in `parse`; what it returns cannot fail afterwards. `emit` is its mirror.

#[cfg(feature = "fsp")]
pub mod aes;
pub mod dns;
#[cfg(feature = "fsp")]
pub mod fsp;
pub mod g711;
pub mod g722;
pub mod head;
pub mod json;
pub mod message;
pub mod message_stream;
#[cfg(feature = "server")]
pub mod proxy;
pub mod recording;
#[cfg(feature = "fsp")]
pub mod rendezvous;
pub mod riff;
pub mod rtp;
pub mod salvage;
#[cfg(feature = "fsp")]
pub mod seal;
pub mod sidecar;
