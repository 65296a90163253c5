//! Copies of recordings that are in buckets, so that they are heard and exported as files are:
//! `.archive/cache/<bucket>/<device>/<file>`. The oldest go when there are too many; all go at a start.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::server::archive::bucket::Bucket;
use crate::server::archive::lock::lock;

/// Bytes of all copies: two weeks of an office's calls that somebody listens to again.
const MOST_BYTES: u64 = 1 << 30;

pub(super) struct BucketCache {
    root: PathBuf,
    buckets: Vec<Arc<Bucket>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Counts the uses.
    clock: u64,
    /// Copies: bytes, and the last use.
    copies: HashMap<PathBuf, (u64, u64)>,
}

impl BucketCache {
    pub(super) fn new(home: &Path, buckets: Vec<Arc<Bucket>>) -> Self {
        Self {
            root: home.join("cache"),
            buckets,
            state: Mutex::default(),
        }
    }

    pub(super) fn buckets(&self) -> &[Arc<Bucket>] {
        &self.buckets
    }

    /// Removes what an earlier run has left behind.
    pub(super) fn clear(&self) -> Result<(), String> {
        let failed = |error| format!("{}: {error}", self.root.display());
        match fs::remove_dir_all(&self.root) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// The copy of a device's file of about so many bytes, made if there is none yet, with its sidecar
    /// beside it; `None`: no bucket has it.
    pub(super) fn copy(
        &self,
        folder: &str,
        file: &str,
        bytes: u64,
    ) -> Result<Option<PathBuf>, String> {
        let sidecar = Path::new(file).with_extension("json");
        let sidecar = sidecar.to_string_lossy();
        for (number, bucket) in self.buckets.iter().enumerate() {
            let place = self.root.join(number.to_string()).join(folder);
            let audio = self.fetch(bucket, &place, folder, file, bytes)?;
            let Some(audio) = audio else {
                continue;
            };
            self.fetch(bucket, &place, folder, &sidecar, 0)?;
            return Ok(Some(audio));
        }
        Ok(None)
    }

    fn fetch(
        &self,
        bucket: &Bucket,
        place: &Path,
        folder: &str,
        file: &str,
        bytes: u64,
    ) -> Result<Option<PathBuf>, String> {
        let path = place.join(file);
        if self.is_there(&path) {
            return Ok(Some(path));
        }
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(place);
        made.map_err(failed)?;
        let number = {
            let mut state = lock(&self.state);
            state.clock += 1;
            state.clock
        };
        // Two who ask at once make two copies; the later one replaces the other, which is the same.
        let new = place.join(format!("{file}.new{number}"));
        let mut options = OpenOptions::new();
        let mut copy = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        let fetched = self.complete(bucket, folder, file, bytes, &mut copy);
        let renamed = match fetched {
            Ok(true) => fs::rename(&new, &path).map_err(failed),
            Ok(false) => {
                let _ = fs::remove_file(&new);
                return Ok(None);
            }
            Err(problem) => Err(problem),
        };
        if let Err(problem) = renamed {
            let _ = fs::remove_file(&new);
            return Err(problem);
        }
        let length = copy.metadata().map_err(failed)?.len();
        self.keep(&path, length);
        Ok(Some(path))
    }

    fn complete(
        &self,
        bucket: &Bucket,
        folder: &str,
        file: &str,
        bytes: u64,
        copy: &mut File,
    ) -> Result<bool, String> {
        if !bucket.fetch(&format!("{folder}/{file}"), bytes, copy)? {
            return Ok(false);
        }
        let length = copy.metadata().map_err(|error| error.to_string())?.len();
        if bytes > 0 && length != bytes {
            let url = bucket.url();
            return Err(format!(
                "{url}/{folder}/{file}: {length} bytes came of {bytes}"
            ));
        }
        Ok(true)
    }

    fn is_there(&self, path: &Path) -> bool {
        let mut state = lock(&self.state);
        state.clock += 1;
        let now = state.clock;
        match state.copies.get_mut(path) {
            Some((_, used)) if path.exists() => {
                *used = now;
                true
            }
            _ => false,
        }
    }

    /// Remembers a copy, and removes those that were not used for the longest time.
    fn keep(&self, path: &Path, bytes: u64) {
        let mut state = lock(&self.state);
        state.clock += 1;
        let now = state.clock;
        state.copies.insert(path.into(), (bytes, now));
        let mut sum: u64 = state.copies.values().map(|(bytes, _)| bytes).sum();
        while sum > MOST_BYTES {
            let others = state.copies.iter().filter(|(other, _)| *other != path);
            let oldest = others.min_by_key(|(_, (_, used))| *used);
            let Some((oldest, bytes)) = oldest.map(|(path, (bytes, _))| (path.clone(), *bytes))
            else {
                return;
            };
            let _ = fs::remove_file(&oldest);
            state.copies.remove(&oldest);
            sum -= bytes;
        }
    }

    /// Deletes a part in all buckets, and its copies here.
    pub(super) fn delete(&self, folder: &str, stem: &str) -> Result<(), String> {
        for (number, bucket) in self.buckets.iter().enumerate() {
            for suffix in ["wav", "json"] {
                let file = format!("{stem}.{suffix}");
                let path = self.root.join(number.to_string()).join(folder).join(&file);
                lock(&self.state).copies.remove(&path);
                let _ = fs::remove_file(path);
                bucket.delete(&format!("{folder}/{file}"))?;
            }
        }
        Ok(())
    }
}
