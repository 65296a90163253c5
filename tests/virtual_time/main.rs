//! State machines in virtual time: no socket, no file, no clock.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../common/capture.rs"]
mod capture;
mod conversation;
#[path = "../common/packets.rs"]
mod packets;
#[cfg(feature = "box")]
mod random_peers;
#[cfg(all(feature = "server", feature = "tools"))]
mod rendezvous_net;
mod signals;
#[cfg(feature = "box")]
mod virtual_box;
mod virtual_fsp;
mod virtual_intercom;
mod virtual_phone;
mod virtual_player;
#[cfg(feature = "box")]
mod virtual_relay;

mod clock;
mod fsp_guess;
mod fsp_listing;
mod fsp_network;
mod fsp_password;
mod fsp_service;
mod home_box_cloud;
mod home_box_home;
mod home_box_peers;
mod home_box_races;
mod home_box_random;
mod home_box_ring;
mod home_box_rows;
mod home_box_talk;
mod intercom_box_link;
mod intercom_callee;
mod intercom_caller;
mod intercom_peers;
mod intercom_random;
mod intercom_rows;
mod jitter;
mod linear_legs;
mod no_false_alarms;
mod odd_calls;
mod playback;
mod record_client;
mod record_client_ends;
mod rendezvous;
mod rendezvous_abuse;
mod rendezvous_replay;
mod rendezvous_server_abuse;
mod server_calls;
mod server_fallback;
mod sources;
mod stick_faults;
mod stick_files;
mod stick_stalls;
mod stream_relay;
mod time_limits;
mod unheard;
mod whole_calls;
mod wrong_clocks;
