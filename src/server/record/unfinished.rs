//! A recording that has ended, but whose sidecar could not be written: the disk was full, or
//! failed.

use std::io;
use std::sync::Arc;

use crate::server::record::archive::Archive;
use crate::server::record::file_writer::PartFile;

/// The last part of such a recording. Its file stays claimed, so that no other process repairs or
/// uploads it.
pub(super) struct Unfinished {
    pub(super) archive: Arc<Archive>,
    pub(super) part: PartFile,
    pub(super) sidecar: Vec<u8>,
}

impl Unfinished {
    /// Tries again.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.part.finish()?;
        self.archive.finish(&self.part.path, &self.sidecar)
    }
}
