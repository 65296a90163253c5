//! callrec: a call recorder for ARM desk phones.
//!
//! | room | owns |
//! | --- | --- |
//! | [`base`] | time, the wall clock, limits, counters, the byte ring |
//! | [`wire`] | bytes <-> values: RTP, G.711, G.722, messages, the recording file and its sidecar, FSP, rendezvous |
//! | [`proto`] | state machines, time as an argument: leg, mixer, local stream, parts, uplink, playback, recorder; FSP, rendezvous |
//! | [`io`] | system calls, one kind of object a file; `io::sys` and the allocator `io::allocator` alone hold `unsafe` |
//! | [`daemon`] | joins `proto` and `io`; the only place that polls |
//! | [`config`] | the configuration file |
//! | [`cli`] | the commands of `bin/callrec.rs` |
//! | `server` | the programs of `bin/callrec-server.rs`: the recording server, the rendezvous |
//! | `tools` | what export, list and verify compute; pure |
//! | [`sim`] | the phone's call application and media engine, for demos and tests |
//!
//! What always holds:
//! - `wire` and `proto` name no clock, socket, file or log; `io` names neither of them.
//! - From a recording's start to its stop nothing is allocated.
//! - Audio that arrived is on the stick, or counted under a reason (`base::stats`).
//! - No input ends the daemon: it is answered, or counted.

pub mod base;
pub mod cli;
pub mod config;
pub mod daemon;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod io;
pub mod proto;
pub mod recordings;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "sim")]
pub mod sim;
pub mod wire;
