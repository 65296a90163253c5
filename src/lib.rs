//! callrec: a call recorder for ARM desk phones, and what belongs to it on a PC.
//!
//! | room | owns |
//! | --- | --- |
//! | [`base`] | time, the wall clock, limits with their reasons, counters, the byte ring |
//! | [`wire`] | bytes <-> values: RTP, G.711, G.722, control messages, the recording file and its sidecar, FSP, rendezvous |
//! | [`proto`] | state machines, with time as an argument: media, recordings, playback, both sides of each protocol |
//! | [`io`] | system calls, one kind of object a file; `io::sys` and `io::allocator` alone hold `unsafe` |
//! | [`recordings`] | folders of recordings: order, join, repair, waveform; for daemon, tools and server |
//! | [`config`] | the phone's configuration file |
//! | [`daemon`] | `callrec run`: one thread, one loop, and its services |
//! | [`cli`] | the commands of `bin/callrec.rs` |
//! | `server` | `bin/callrec-server.rs`: the recording server, its load balancer, the rendezvous; each has a loop of its own; calls through the cloud, on tokio |
//! | [`outgoing`] | connections that a program makes by itself: name resolution, HTTP, the link to a cloud; for `home_box` and `daemon` |
//! | `streams` | the sockets of a stream server, for `home_box` and `daemon` |
//! | `home_box` | `bin/callrec-box.rs`: the home's gateway of a building intercom |
//! | [`sim`] | the phone's call application and media engine, and devices of a building intercom, for demos and tests |
//!
//! `src/README.md` follows a packet, a request and a file through these rooms, and says how to add
//! to them.
//!
//! What always holds, and which test says so:
//! - `wire` and `proto` name no clock, socket, file or log; `io` names neither of them
//!   (`tests/house/layers.rs`).
//! - No file names itself through others (`tests/house/circles.rs`).
//! - From a recording's start to its stop the daemon allocates nothing (`tests/no_heap.rs`).
//! - Audio that arrived is on the stick, at the server, or counted under a reason (`base::stats`,
//!   the fuzz target `recorder`).
//! - No input ends a program: it is answered, or counted.

pub mod base;
pub mod cli;
pub mod config;
#[cfg(unix)]
pub mod daemon;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
#[cfg(feature = "box")]
pub mod home_box;
#[cfg(unix)]
pub mod io;
// A PC with Windows has the tools alone, and this for the rooms that they name.
#[cfg(windows)]
#[path = "daemon/windows.rs"]
pub mod daemon;
#[cfg(windows)]
#[path = "io/windows/mod.rs"]
pub mod io;
#[cfg(unix)]
pub mod outgoing;
pub mod proto;
pub mod recordings;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(any(feature = "box", feature = "intercom"))]
pub mod streams;
pub mod wire;
