//! The files of one device's folder, by the stem that they have in common.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::wire::recording::name::{
    NAME_PREFIX, NAME_SUFFIX, RUNNING_SIDECAR_SUFFIX, SIDECAR_SUFFIX,
};

/// Which files there are of a part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) audio: bool,
    /// Of a whole part.
    pub(super) sidecar: bool,
    /// Of one that is being written, or was.
    pub(super) running: bool,
}

impl Files {
    /// Those of a part that is being written.
    pub(super) fn running() -> Self {
        Self {
            audio: true,
            sidecar: false,
            running: true,
        }
    }

    /// The name of the sidecar that counts.
    pub(super) fn sidecar_name(&self, stem: &str) -> Option<String> {
        let suffix = match self {
            Self { sidecar: true, .. } => SIDECAR_SUFFIX,
            Self { running: true, .. } => RUNNING_SIDECAR_SUFFIX,
            _ => return None,
        };
        Some(format!("{stem}{suffix}"))
    }

    /// Changes with the content of sidecar and audio.
    pub(super) fn stamp(&self, dir: &Path, stem: &str) -> i64 {
        let mut stamp = 0_i64;
        let audio = format!("{stem}{NAME_SUFFIX}");
        for name in self.sidecar_name(stem).into_iter().chain([audio]) {
            if let Ok(metadata) = fs::symlink_metadata(dir.join(name)) {
                for value in [
                    metadata.mtime(),
                    metadata.mtime_nsec(),
                    metadata.len() as i64,
                ] {
                    stamp = stamp.wrapping_mul(1_000_003).wrapping_add(value);
                }
            }
        }
        stamp
    }
}

/// The files of parts in a folder. Others are not of a recorder.
pub(super) fn read_files(dir: &Path) -> io::Result<HashMap<String, Files>> {
    let mut found: HashMap<String, Files> = HashMap::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with(NAME_PREFIX) {
            continue;
        }
        if let Some(stem) = name.strip_suffix(RUNNING_SIDECAR_SUFFIX) {
            found.entry(stem.to_owned()).or_default().running = true;
        } else if let Some(stem) = name.strip_suffix(SIDECAR_SUFFIX) {
            found.entry(stem.to_owned()).or_default().sidecar = true;
        } else if let Some(stem) = name.strip_suffix(NAME_SUFFIX) {
            found.entry(stem.to_owned()).or_default().audio = true;
        }
    }
    Ok(found)
}
