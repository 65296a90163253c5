//! The real daemon on real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod abuse;
mod calls;
mod clients;
mod cover;
mod cut_off;
mod eject;
mod faults;
mod flood;
mod frozen;
mod integrator_samples;
mod intercom;
mod intercom_screen;
mod life;
mod list;
mod local;
mod naive;
mod names;
mod pause;
mod play;
mod reload;
mod requests;
mod server;
mod server_faults;
mod shortage;
mod sidecars;
mod stick;
mod stick_player;
mod unheard;
