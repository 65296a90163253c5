//! From RTP packets to mixed frames of 20 ms. This module does not know where the frames are
//! written, nor for how long.
//!
//! ```text
//! receiver        which datagram is next, and when it arrived
//! sources         the source (SSRC on a port) that it belongs to
//! encryption      it is muted when it is encrypted (ciphertext) or its bytes are swapped
//!                 (byte_order); leg_monitor: what is told of it
//! downsampler     L16 at 16 kHz becomes codes at 8 kHz
//! jitter_buffer   its position on the source axis (sample_ring); fills gaps (plc), follows the
//!                 sender's clock (clock_drift)
//! media_clock     which frame is due when
//! mixer           300 ms later: one frame of all sources
//! rtp_stream      the RTP header of the frame
//! ```
//! `pacer` serves the opposite direction: it determines when the packets of a player are due.

pub mod byte_order;
pub mod ciphertext;
pub mod clock_drift;
pub mod downsampler;
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
pub mod source;
pub mod sources;
