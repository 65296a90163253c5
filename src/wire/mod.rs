//! Bytes <-> values, and nothing else: no I/O, no clock, no heap. Every file checks all lengths once
//! in `parse`; what it returns cannot fail afterwards. `emit` is its mirror.

#[cfg(feature = "fsp")]
pub mod aes;
pub mod control;
pub mod decimal;
pub mod dns;
#[cfg(feature = "fsp")]
pub mod fsp;
pub mod g711;
pub mod g722;
pub mod json;
pub mod message_framer;
#[cfg(feature = "server")]
pub mod proxy_protocol;
pub mod recording;
#[cfg(feature = "fsp")]
pub mod rendezvous;
pub mod riff;
pub mod rtp;
