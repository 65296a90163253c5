//! Calls through the cloud.
#![cfg(feature = "cloud-server")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;
mod harness;

mod api;
mod box_cloud;
mod calls_alone;
mod calls_api;
mod calls_cloud;
mod calls_misbehaving;
mod calls_try_page;
mod channel;
mod cluster;
mod cluster_calls;
mod lost;
mod nat;
mod phone;
mod phone_misled;
mod phone_tls;
mod proxy;
mod streams;
mod tokens;
mod webhooks;
