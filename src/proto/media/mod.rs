//! From RTP packets to mixed frames of 20 ms. This module does not know where the frames are
//! written, nor for how long.
//!
//! `pacer` serves the opposite direction: it determines when the packets of a player are due.

pub mod clock_drift;
pub mod jitter_buffer;
pub mod media_clock;
pub mod mixer;
pub mod pacer;
pub mod plc;
pub mod receiver;
pub mod rtp_stream;
pub mod sample_ring;
pub mod sources;
