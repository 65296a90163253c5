//! The sound of an intercom call: FLV streams of G.711 over HTTP on one side, RTP on the other, and
//! a recording.
//!
//! `picture_mux` adds the sound to a door's picture.
//! `player` reads a stream, `publisher` writes one. `played_sound` turns what was read into RTP
//! packets with a place in time, `published_sound` RTP packets into tags; `line`
//! turns packets into a frame each 20 ms for the media engine, by the recording's own jitter buffer. `feed` holds both parties' packets for the recording until all sound of their time
//! is there: a connection that stalls for some seconds costs the recording nothing.

pub mod feed;
pub mod line;
pub mod picture_mux;
pub mod played_sound;
pub mod player;
pub mod published_sound;
pub mod publisher;
pub mod stream;
