//! Connections that a program makes by itself: names are resolved, requests of HTTP are sent, and a
//! device keeps in touch with its cloud. For `daemon` and `home_box`; their event loops drive it.

#[cfg(feature = "cloud")]
pub mod cloud;
#[cfg(feature = "cloud")]
pub mod cloud_requests;
#[cfg(feature = "cloud")]
pub mod hosts;
#[cfg(feature = "cloud")]
pub mod http_connection;
pub mod resolver;
