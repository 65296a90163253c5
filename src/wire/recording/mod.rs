//! The recording file: a 76-byte header and frames of one size (src/cli/README.md).
//!
//! ```text
//! 0   codec      64 bytes ASCII, NUL-padded
//! 64  rtpLen     int32    bytes of one stored frame
//! 68  increment  int32    RTP timestamp step from frame to frame
//! 72  dataSize   uint32   bytes of all frames that follow
//! 76  frames     RTP packets of rtpLen bytes, or payloads alone
//! ```
//! A C structure dumped by a little-endian phone. Readers also accept one from a big-endian phone,
//! and a `dataSize` that does not match the length of the file: after a power failure the file
//! holds what had reached the stick.
//!
//! `header` reads and writes the header, `recovery` reconstructs a damaged one from the frames,
//! `probe` identifies a file by its first bytes, `name` is the grammar of file names, and `sidecar`
//! describes a recording in JSON.

pub mod header;
pub mod name;
pub mod probe;
pub mod recovery;
pub mod sidecar;

pub use header::{Codec, Error, Extent, Header, DATA_SIZE_OFFSET, HEADER_BYTES};
pub use name::{age_key, is_recording_name, LocalTime, NAME_PREFIX, NAME_SUFFIX};
