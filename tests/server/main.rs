//! The recording server, and phones that record to it.
#![cfg(feature = "server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
#[cfg(all(feature = "tools", feature = "sim"))]
mod network;

mod abuse;
mod bad_network;
mod disk;
mod journal;
mod keeper;
mod load_balancer;
mod record;
mod spread;
mod store;
mod store_tls;
mod upload;
