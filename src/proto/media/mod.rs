//! From RTP packets to mixed frames of 20 ms. What is written where, and for how long, is not known here.
//!
//! ```text
//! receiver        which datagram comes next, and when it arrived
//! sources         which source (SSRC on a port) it belongs to
//! jitter_buffer   its place on the source's time axis: sample_ring; plc fills gaps, clock_drift follows the sender
//! media_clock     which frame is due when
//! mixer           300 ms later: one frame of all sources
//! rtp_stream      the frame's RTP header
//! ```
//! `pacer` goes the other way: when the packets of a player are due.

pub mod clock_drift;
pub mod encryption;
pub mod formats;
pub mod jitter_buffer;
pub mod leg_monitor;
pub mod media_clock;
pub mod mixer;
pub mod pacer;
pub mod plc;
pub mod receiver;
pub mod rtp_stream;
pub mod sample_ring;
pub mod sources;
