//! The building intercom: real devices, the real box.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod abuse;
mod box_calls;
mod box_control;
mod box_firewall;
mod box_log;
mod box_property;
mod box_site;
mod box_streams;
mod box_try_page;
mod deployed;
mod foreign_server;
mod naive_peers;
mod own_streams;
mod picture;
mod sim_intercom;
mod sim_streams;
mod site;
mod sound;
mod stalls;
