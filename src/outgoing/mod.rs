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
#[cfg(all(feature = "intercom", not(feature = "tls")))]
#[path = "no_tls.rs"]
pub mod tls;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(feature = "intercom")]
pub mod transport;
