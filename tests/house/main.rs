//! The rules of the house and the documents, read from the source.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod source;
#[cfg(all(feature = "server", feature = "tools", feature = "sim"))]
mod walk;

mod circles;
mod dependencies;
mod layers;
mod readme;
mod readme_walk;
