//! Calls through the cloud, as a phone makes and takes them. The cloud's servers are in
//! `server::cloud` and `server::calls`.
//!
//! | room | what |
//! | --- | --- |
//! | [`phone`] | the call: who rings, who talks, how it ends |
//! | [`channel`] | the device's channel: the events that the cloud sends it |
//! | [`posts`] | what the device tells the application server, one request after the other |
//! | [`exchange`] | one HTTP request and its response |

pub mod channel;
pub mod exchange;
pub mod phone;
pub mod posts;
