//! System calls, one kind of object a file. Nothing here knows what the bytes mean.

pub mod clock;
pub mod control;
pub mod descriptors;
pub mod dir;
pub mod file;
#[cfg(feature = "server")]
pub mod inlet;
pub mod interface;
pub mod keep;
#[cfg(feature = "server")]
pub mod link;
#[cfg(feature = "server")]
pub mod listener;
pub mod mounts;
#[cfg(feature = "fsp")]
pub mod opening;
pub mod pages;
pub mod random;
#[cfg(feature = "fsp")]
pub mod service;
pub mod signals;
pub mod stream;
pub mod sys;
pub mod times;
pub mod udp;
pub mod words;
