//! Folders of recordings: what the daemon, the tools and the server share. Nothing here prints.
//!
//! - `recording_file` opens one file and says what state it is in; `repair` inspects and repairs it
//!   (the daemon and the server use only this); `sidecar_file` reads the JSON file that belongs to
//!   it; `checksum` computes the sum that is in there.
//! - `folder` finds the files below a folder, `entry` describes one of them for a list, `grouping`
//!   finds those that are parts of one recording, and `call` is such a group.
//! - `frame_runs`, `timeline` and `join` put the frames of several files in order, as a `plan`;
//!   `part` and `joined` read their audio, and `linear` decodes it.
//! - `wave_recording` opens what a server has recorded as RIFF/WAVE.
//! - `waveform` collects audio into the columns of a picture, and `svg` draws them.

#[cfg(feature = "tools")]
pub mod call;
#[cfg(any(feature = "server", feature = "tools"))]
pub mod checksum;
#[cfg(feature = "tools")]
pub mod entry;
pub mod folder;
#[cfg(feature = "tools")]
pub mod frame_runs;
#[cfg(feature = "tools")]
pub mod grouping;
#[cfg(feature = "tools")]
pub mod join;
#[cfg(feature = "tools")]
pub mod joined;
#[cfg(feature = "tools")]
pub mod linear;
#[cfg(feature = "tools")]
pub mod part;
#[cfg(feature = "tools")]
pub mod plan;
pub mod recording_file;
pub mod repair;
#[cfg(feature = "tools")]
pub mod sidecar_file;
#[cfg(any(feature = "server", feature = "tools"))]
pub mod start_time;
#[cfg(feature = "tools")]
pub mod svg;
#[cfg(feature = "tools")]
pub mod svg_marks;
#[cfg(feature = "tools")]
mod svg_text;
#[cfg(feature = "tools")]
pub mod timeline;
#[cfg(feature = "tools")]
pub mod wave_recording;
#[cfg(feature = "tools")]
pub mod waveform;
