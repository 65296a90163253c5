//! What stands beside a recording: its sidecar.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::cli::open_regular;
use crate::wire::json::Object;
use crate::wire::recording::sidecar::Start;

/// A longer file is no sidecar; ours have at most a tenth of it.
const MAX_BYTES: u64 = 64 * 1024;

/// A sidecar's bytes; empty if there is none, or none that can be read.
pub(super) struct Beside(Vec<u8>);

impl Beside {
    /// What stands beside this recording.
    pub(super) fn of(recording: &Path) -> Self {
        let mut bytes = vec![];
        let file = open_regular(
            &name_of(recording),
            File::options().read(true),
            libc::O_NOFOLLOW,
        );
        let read = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
        Self(if read.is_ok() && Object::parse(&bytes).is_ok() {
            bytes
        } else {
            vec![]
        })
    }

    pub(super) fn object(&self) -> Option<Object<'_>> {
        Object::parse(&self.0).ok()
    }

    /// A string of it; empty if it has none.
    pub(super) fn text(&self, key: &str) -> String {
        let text = self
            .object()
            .map(|object| object.text::<512>(key))
            .unwrap_or_default();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub(super) fn number(&self, key: &str) -> Option<u64> {
        self.object()?.number(key)
    }

    pub(super) fn start(&self) -> Option<Start> {
        Start::parse(self.text("start").as_bytes())
    }

    pub(super) fn sha256(&self) -> Option<[u8; 32]> {
        self.object()?.digest("sha256")
    }

    /// A whole recording has one.
    pub(super) fn has_end(&self) -> bool {
        !self.text("end").is_empty()
    }
}

/// The sidecar's path.
pub(super) fn name_of(recording: &Path) -> PathBuf {
    recording.with_extension("json")
}
