//! The last key frame of a call's picture, as a file that players show.

use std::sync::Arc;

/// The longest file: a key frame of an ordinary camera has some ten thousand bytes.
const PICTURE_BYTES: usize = 256 * 1024;
/// A stream of pictures without sound.
const HEADER: &[u8] = b"FLV\x01\x01\0\0\0\x09\0\0\0\0";

/// A key frame, with what a decoder needs before it.
#[derive(Debug)]
pub(super) struct Picture {
    /// The stream.
    pub(super) id: Vec<u8>,
    pub(super) config: Option<Arc<[u8]>>,
    pub(super) key_frame: Arc<[u8]>,
}

impl Picture {
    /// The file; `None`: it would be too long.
    pub(super) fn file(&self) -> Option<Vec<u8>> {
        let config = self.config.as_deref().unwrap_or_default();
        let file = [HEADER, config, &self.key_frame].concat();
        (file.len() <= PICTURE_BYTES).then_some(file)
    }
}
