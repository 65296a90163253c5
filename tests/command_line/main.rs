//! What the programs print, and their exit status.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod box_cli;
mod commands;
mod files;
mod play;
mod tables;
