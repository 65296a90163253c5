//! `board/container/compose*.yaml` in the machine's container engine. scripts/container makes the images; scripts/test runs
//! it where an engine answers.
#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod arm64;
mod engine;
mod many_hosts;
mod one_host;
