//! Conversion between bytes and values, without I/O, clock or heap. Each file checks all lengths
//! once in `parse`; accessors of the result cannot fail afterwards. `emit` is the inverse.

#[cfg(feature = "fsp")]
pub mod aes;
pub mod ascii;
#[cfg(feature = "cloud")]
pub mod base64;
#[cfg(any(feature = "box", feature = "cloud"))]
pub mod base64url;
#[cfg(any(feature = "cloud", feature = "cloud-server"))]
pub mod cloud;
pub mod control;
pub mod decimal;
pub mod dns;
#[cfg(any(feature = "box", feature = "intercom", feature = "sim"))]
pub mod flv;
#[cfg(feature = "fsp")]
pub mod fsp;
pub mod g711;
pub mod g722;
#[cfg(any(feature = "box", feature = "intercom", feature = "sim"))]
pub mod http;
#[cfg(any(feature = "box", feature = "intercom", feature = "sim"))]
pub mod intercom;
pub mod json;
pub mod message_framer;
#[cfg(feature = "server")]
pub mod proxy_protocol;
pub mod recording;
#[cfg(feature = "fsp")]
pub mod rendezvous;
pub mod riff;
pub mod rtp;
