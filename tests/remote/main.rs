//! Remote access to recordings: FSP and rendezvous, with real programs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod fsp;

mod fsp_clients;
mod fsp_config;
mod fsp_daemon;
mod fsp_fetch;
mod fsp_fetch_folders;
mod fsp_hostile;
mod fsp_interrupted;
mod rendezvous_fetch;
mod rendezvous_nat;
