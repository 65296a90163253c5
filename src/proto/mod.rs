//! Pure state machines: time is an argument, output goes into the caller's buffers. Nothing here
//! opens files, polls or logs, and nothing that runs during a call allocates.
//!
//! | room | owns |
//! | --- | --- |
//! | [`media`] | from RTP packets to mixed frames: sources, jitter buffer, PLC, clocks, mixer |
//! | [`recording`] | one recording: its states, its files, its server |
//! | [`recorder`] | all recordings of a phone: requests, responses, events, sidecars |
//! | [`playback`] | recordings played as RTP |
//! | [`record_client`] | the phone's conversation with a recording server |
//! | `record_server` | the server's side of that conversation |
//! | `cloud` | calls between phones through the cloud |
//! | `fsp` | recordings offered over FSP, and fetched |
//! | `intercom` | calls between doors, homes and the property |
//! | `rendezvous` | ways through NAT to a phone: agent, caller, server |

#[cfg(feature = "cloud")]
pub mod cloud;
#[cfg(feature = "fsp")]
pub mod fsp;
#[cfg(any(feature = "box", feature = "intercom", feature = "sim"))]
pub mod intercom;
pub mod media;
pub mod playback;
pub mod record_client;
#[cfg(feature = "server")]
pub mod record_server;
pub mod recorder;
pub mod recording;
#[cfg(feature = "fsp")]
pub mod rendezvous;
