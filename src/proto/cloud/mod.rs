//! Calls through the cloud, as a phone makes and takes them. The cloud's servers are in
//! `server::cloud` and `server::calls`.
//!
//! | room | what |
//! | --- | --- |
//! | [`phone`] | the call: who rings, who talks, how it ends |
//! | `home` (feature `box-cloud`) | a home's box: the phones of its owners ring with its screens |
//! | [`device`] | what both are for the one that has their sockets |
//! | [`channel`] | the device's channel: the events that the cloud sends it |
//! | [`posts`] | what the device tells the application server, one request after the other |
//! | [`exchange`] | one HTTP request and its response |

pub mod channel;
pub mod device;
pub mod exchange;
#[cfg(feature = "box-cloud")]
pub mod home;
pub mod phone;
pub mod posts;
