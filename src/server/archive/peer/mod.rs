//! Running calls of other hosts: each is on the disk of the host that records it until it is uploaded.
//!
//! An archive asks its peers each second which calls run (`watch`; `listing` is the answer), and puts
//! them into its catalogue like parts of a place of its own: from then on lists, rights and events are
//! those of any call. What somebody hears of them is copied piece by piece, as the file grows (`mirror`),
//! so that one function plays files of this host and of others. `peers` is what is known of all of them.
//!
//! Peers share a key (`key`): each request is signed, good for a minute and for one use (`nonces`), and
//! each answer is signed for its request. `client` sends the requests; `web::peers` answers them.
//! `options` are the settings.

pub(super) mod client;
pub(super) mod key;
pub(super) mod listing;
pub(super) mod mirror;
mod nonces;
pub(super) mod options;
pub(super) mod peers;
pub(super) mod place;
pub(super) mod watch;
