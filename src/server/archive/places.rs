//! The numbers that the catalogue has for places: folders, buckets, peers.
//!
//! In a file they are those of the configuration's order. In a database that several archives share each
//! place has a name, and a number of its own: the first folders of two hosts are not the same place.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::server::archive::accounts::{secret, Accounts};
use crate::server::archive::bucket::FIRST_BUCKET;
use crate::server::archive::peer::place::FIRST_PEER;
use crate::server::archive::settings::ArchiveSettings;

/// Of folders.
const FIRST_DIR: i64 = 0;
const LAST_PLACE: i64 = i64::MAX;

/// A folder of recordings with its number.
pub(super) type NumberedDir = (i64, PathBuf);

/// The numbers of all places.
pub(super) struct Places {
    dirs: Vec<NumberedDir>,
    buckets: Vec<(i64, String)>,
    peers: Vec<i64>,
}

impl Places {
    /// Those of an archive whose catalogue is in `database`.
    pub(super) fn open(settings: &ArchiveSettings, accounts: &Accounts) -> Result<Self, String> {
        if settings.shared().is_none() {
            return Ok(Self::in_order(settings));
        }
        let mut places = Self::in_order(settings);
        for (number, dir) in &mut places.dirs {
            let name = name_of(dir, &settings.host_name());
            *number = accounts.place(&format!("dir:{name}"), FIRST_DIR, FIRST_BUCKET)?;
        }
        for (number, url) in &mut places.buckets {
            *number = accounts.place(&format!("bucket:{url}"), FIRST_BUCKET, FIRST_PEER)?;
        }
        for (number, url) in places.peers.iter_mut().zip(&settings.peers.urls) {
            *number = accounts.place(&format!("peer:{url}"), FIRST_PEER, LAST_PLACE)?;
        }
        Ok(places)
    }

    /// Those of a catalogue that one archive has for itself.
    pub(super) fn in_order(settings: &ArchiveSettings) -> Self {
        let dirs = settings.dirs().into_iter().enumerate();
        let buckets = settings.stores().iter().enumerate();
        let peers = 0..settings.peers.urls.len();
        Self {
            dirs: dirs.map(|(at, dir)| (FIRST_DIR + at as i64, dir)).collect(),
            buckets: buckets
                .map(|(at, url)| (FIRST_BUCKET + at as i64, url.clone()))
                .collect(),
            peers: peers.map(|at| FIRST_PEER + at as i64).collect(),
        }
    }

    pub(super) fn dirs(&self) -> &[NumberedDir] {
        &self.dirs
    }

    /// The folder with this number, if it is one of this host.
    pub(super) fn dir(&self, place: i64) -> Option<&Path> {
        let found = self.dirs.iter().find(|(number, _)| *number == place);
        found.map(|(_, dir)| dir.as_path())
    }

    /// The number of a bucket of the configuration.
    pub(super) fn bucket(&self, at: usize) -> i64 {
        self.buckets
            .get(at)
            .map_or(FIRST_BUCKET, |(number, _)| *number)
    }

    /// The number of a peer of the configuration.
    pub(super) fn peer(&self, at: usize) -> i64 {
        self.peers.get(at).copied().unwrap_or(FIRST_PEER)
    }

    /// What a place is called: a folder, or a bucket.
    pub(super) fn path(&self, place: i64) -> PathBuf {
        let bucket = self.buckets.iter().find(|(number, _)| *number == place);
        let bucket = bucket.map(|(_, url)| PathBuf::from(url));
        bucket
            .or_else(|| self.dir(place).map(Path::to_owned))
            .unwrap_or_default()
    }
}

/// The name of a folder, which is in a file of its own: it stays when the folder is moved or mounted
/// elsewhere. Where none can be written, host and path are the name.
fn name_of(dir: &Path, host: &str) -> String {
    let path = dir.join(".archive/place");
    let name = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => new_name(&path),
        read => read.ok(),
    };
    let name = name
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty());
    name.unwrap_or_else(|| format!("{host}:{}", dir.display()))
}

fn new_name(path: &Path) -> Option<String> {
    let name = secret().ok()?;
    fs::create_dir_all(path.parent()?).ok()?;
    fs::write(path, format!("{name}\n")).ok()?;
    Some(name)
}
