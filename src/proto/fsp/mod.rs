//! FSP version 2: the phone's file service, and the client that fetches from it.

#[cfg(feature = "tools")]
pub mod client;
#[cfg(feature = "tools")]
pub mod payload;
pub mod server;
