//! The sidecar of a recording, read from its file.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::io::regular_file;
use crate::wire::json::Object;
use crate::wire::recording::name::{RUNNING_SIDECAR_SUFFIX, SIDECAR_SUFFIX};
use crate::wire::recording::sidecar::Start;

/// The most that is read of a sidecar. Ours have at most a tenth of this.
const MAX_BYTES: u64 = 64 * 1024;

/// A sidecar's bytes; empty if there is none, or none that can be read.
pub struct SidecarFile(Vec<u8>);

impl SidecarFile {
    /// Reads the sidecar of this recording; while a server records it, the one that it has written
    /// at the beginning.
    pub fn of(recording: &Path) -> Self {
        let mut bytes = vec![];
        let open = |path: &Path| regular_file::open_no_follow(path, File::options().read(true));
        let running = recording.with_extension(&RUNNING_SIDECAR_SUFFIX[1..]);
        let file = open(&sidecar_path(recording)).or_else(|_| open(&running));
        let read = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        let is_sidecar = read.is_ok() && Object::parse(&bytes).is_ok();
        Self(if is_sidecar { bytes } else { vec![] })
    }

    /// The JSON object; `None` if there is no sidecar that can be read.
    pub fn object(&self) -> Option<Object<'_>> {
        Object::parse(&self.0).ok()
    }

    /// The string with this key; empty if there is none.
    pub fn text(&self, key: &str) -> String {
        let Some(object) = self.object() else {
            return String::new();
        };
        String::from_utf8_lossy(&object.text::<512>(key)).into_owned()
    }

    /// The number with this key.
    pub fn number(&self, key: &str) -> Option<u64> {
        self.object()?.number(key)
    }

    /// When the recording began.
    pub fn start(&self) -> Option<Start> {
        Start::parse(self.text("start").as_bytes())
    }

    /// SHA-256 of the frames.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.object()?.digest("sha256")
    }

    /// It says how the recording ended, which it does once the recording is complete.
    pub fn has_end(&self) -> bool {
        !self.text("end").is_empty()
    }
}

/// The sidecar's path.
pub fn sidecar_path(recording: &Path) -> PathBuf {
    recording.with_extension(&SIDECAR_SUFFIX[1..])
}
