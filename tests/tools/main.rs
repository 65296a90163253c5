//! The tools for recordings, and the page on the stick.
#![cfg(feature = "tools")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/mod.rs"]
mod common;

mod browser;
mod export;
mod export_players;
mod foreign;
mod list;
mod list_calls;
mod parts;
mod picture;
mod play_here;
mod repair;
mod stick_player_browser;
mod stick_player_engines;
mod stick_player_page;
