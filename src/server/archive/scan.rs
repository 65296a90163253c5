//! Scans of the folders of recordings: they alone decide what the catalogue has.
//!
//! A folder is read when its time of change is another one than before; everything is read at the
//! start, and now and then. A file that is gone stays in the catalogue.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use log::{info, warn};

use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::database::{values, Row, Session};
use crate::server::archive::folder_files::{read_files, Files};
use crate::server::archive::id::IdKey;
use crate::server::archive::parts::{Change, PartWriter};
use crate::server::archive::places::NumberedDir;
use crate::server::archive::scan_part::{look, must_look, KnownPart, Look};

/// Files that are looked at in one transaction.
const AT_ONCE: usize = 500;
/// A change as young as this may be followed by one with the same time.
const YOUNG: Duration = Duration::from_secs(2);
/// All files are looked at again after this time.
const FULL_EVERY: Duration = Duration::from_secs(3600);

/// Scans all places.
pub(super) struct Scanner {
    catalogue: Arc<Catalogue>,
    key: IdKey,
    dirs: Vec<NumberedDir>,
    /// When each folder had last changed, and whether it is to be read again all the same.
    seen: HashMap<(usize, String), FolderTime>,
    full_at: Option<Instant>,
    /// Places that could not be read: the log says so once.
    failing: HashSet<usize>,
    /// Says how many files were looked at: for a progress bar.
    pub(super) progress: Option<fn(usize)>,
    /// What is gone is forgotten: nobody looks for it here.
    pub(super) forgets: bool,
    looked_at: usize,
}

#[derive(Clone, Copy, PartialEq)]
struct FolderTime {
    changed: (i64, i64),
    /// It was read long enough after that.
    is_settled: bool,
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() as i64
}

impl Scanner {
    pub(super) fn new(catalogue: Arc<Catalogue>, key: IdKey, dirs: Vec<NumberedDir>) -> Self {
        Self {
            catalogue,
            key,
            dirs,
            seen: HashMap::new(),
            full_at: None,
            failing: HashSet::new(),
            progress: None,
            forgets: false,
            looked_at: 0,
        }
    }

    /// The catalogue was replaced: everything is read again.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
        self.full_at = None;
    }

    /// Reads what has changed; returns what became of recordings.
    pub(super) fn scan(&mut self) -> Result<Vec<Change>, String> {
        let is_full = self.full_at.is_none_or(|at| Instant::now() >= at);
        let mut changes = vec![];
        for place in 0..self.dirs.len() {
            let folders = match folders_of(&self.dirs[place].1) {
                Ok(folders) => folders,
                Err(problem) => {
                    if self.failing.insert(place) {
                        let dir = self.dirs[place].1.display();
                        warn!("{dir}: cannot be read: {problem}; its recordings stay in the catalogue");
                    }
                    continue;
                }
            };
            if self.failing.remove(&place) {
                info!("{}: can be read again", self.dirs[place].1.display());
            }
            let names: HashSet<&String> = folders.iter().map(|(name, _)| name).collect();
            let gone: Vec<String> = self.known_folders(place, is_full)?;
            let gone = gone.into_iter().filter(|name| !names.contains(name));
            for name in gone.collect::<Vec<_>>() {
                changes.extend(self.scan_folder(place, &name, false)?);
                self.seen.remove(&(place, name));
            }
            for (name, changed) in folders {
                changes.extend(self.visit(place, name, changed, is_full)?);
            }
        }
        changes.extend(self.check_open()?);
        if is_full {
            self.full_at = Some(Instant::now() + FULL_EVERY);
        }
        Ok(changes)
    }

    /// Folders that have parts in the catalogue; in between those that were there at the last scan.
    fn known_folders(&self, place: usize, is_full: bool) -> Result<Vec<String>, String> {
        if !is_full {
            let here = self.seen.keys().filter(|(of, _)| *of == place);
            return Ok(here.map(|(_, name)| name.clone()).collect());
        }
        self.catalogue
            .read(|session| known_folders(session, self.dirs[place].0))
    }

    fn visit(
        &mut self,
        place: usize,
        name: String,
        changed: (i64, i64),
        is_full: bool,
    ) -> Result<Vec<Change>, String> {
        let key = (place, name);
        let before = self.seen.get(&key);
        let is_same = before.is_some_and(|before| before.changed == changed && before.is_settled);
        if is_same && !is_full {
            return Ok(vec![]);
        }
        let read_at = SystemTime::now();
        let changes = self.scan_folder(place, &key.1, is_full)?;
        let changed_at = Duration::new(changed.0.max(0) as u64, changed.1.max(0) as u32);
        let age = read_at.duration_since(SystemTime::UNIX_EPOCH + changed_at);
        let is_settled = age.is_ok_and(|age| age > YOUNG);
        self.seen.insert(
            key,
            FolderTime {
                changed,
                is_settled,
            },
        );
        Ok(changes)
    }

    /// Compares a folder with the catalogue.
    fn scan_folder(
        &mut self,
        place: usize,
        name: &str,
        is_full: bool,
    ) -> Result<Vec<Change>, String> {
        let dir = self.dirs[place].1.join(name);
        let files = match read_files(&dir) {
            Ok(files) => files,
            Err(error) if error.kind() == io::ErrorKind::NotFound => HashMap::new(),
            Err(error) => {
                warn!("{}: cannot be read: {error}", dir.display());
                return Ok(vec![]);
            }
        };
        let known = self
            .catalogue
            .read(|session| known(session, name, self.dirs[place].0))?;
        let is_changed = |(stem, files): &(&String, &Files)| {
            let known = known.get(*stem);
            must_look(known, files)
                || is_full && known.is_some_and(|known| files.stamp(&dir, stem) != known.stamp)
        };
        let mut stems: Vec<(&String, &Files)> = files.iter().filter(is_changed).collect();
        stems.sort_unstable_by_key(|(stem, _)| *stem);
        let gone: Vec<&String> = known
            .iter()
            .filter(|(stem, part)| part.gone == 0 && !files.contains_key(*stem))
            .map(|(stem, _)| stem)
            .collect();
        let mut changes = vec![];
        if !gone.is_empty() {
            changes.extend(self.mark_gone(place, name, &gone)?);
        }
        for some in stems.chunks(AT_ONCE) {
            changes.extend(self.look_at(place, name, &dir, some)?);
            self.looked_at += some.len();
            if let Some(progress) = self.progress {
                progress(self.looked_at);
            }
        }
        Ok(changes)
    }

    /// Recordings that were deleted, also those of which nothing else is left.
    pub(super) fn bury_all(&self) -> Result<Vec<Change>, String> {
        let now = now();
        self.catalogue.write(|session| {
            let sql = "SELECT id FROM added WHERE tombstone IS NOT NULL";
            let ids = session.rows(sql, values![], |row| row.get(0))?;
            self.writer(session, now).rejoin_all(ids)
        })
    }

    fn look_at(
        &self,
        place: usize,
        folder: &str,
        dir: &Path,
        stems: &[(&String, &Files)],
    ) -> Result<Vec<Change>, String> {
        let now = now();
        self.catalogue.write(|session| {
            let writer = self.writer(session, now);
            let mut ids = vec![];
            for (stem, files) in stems {
                match look(dir, folder, stem, files, self.dirs[place].0, now) {
                    Look::Part(part) => ids.extend(writer.put(&part)?),
                    Look::NotYet => {}
                }
            }
            writer.rejoin_all(ids)
        })
    }

    fn writer<'a>(&'a self, session: &'a Session<'a>, now: i64) -> PartWriter<'a> {
        PartWriter {
            session,
            key: &self.key,
            now,
        }
    }

    fn mark_gone(
        &self,
        place: usize,
        folder: &str,
        stems: &[&String],
    ) -> Result<Vec<Change>, String> {
        let now = now();
        self.catalogue.write(|session| {
            let writer = self.writer(session, now);
            if self.forgets {
                return writer.forget(folder, self.dirs[place].0, stems);
            }
            writer.mark_gone(folder, self.dirs[place].0, stems)
        })
    }

    /// Recordings that run, and those whose recorder has gone away.
    fn check_open(&self) -> Result<Vec<Change>, String> {
        let open = self.catalogue.read(open_parts)?;
        let mut changes = vec![];
        for (number, folder, stem, state) in open {
            let Some(place) = self.dirs.iter().position(|(own, _)| *own == number) else {
                continue;
            };
            let dir = self.dirs[place].1.join(&folder);
            let Ok(audio) = AudioFile::open(&dir.join(format!("{stem}.wav"))) else {
                continue;
            };
            let runs = audio.is_claimed
                || now() - audio.changed < crate::server::archive::scan_part::GROWING_SECONDS;
            if runs != (state == "running") {
                let files = Files::running();
                changes.extend(self.look_at(place, &folder, &dir, &[(&stem, &files)])?);
            }
        }
        Ok(changes)
    }
}

/// The devices' folders, with the times of their last change.
fn folders_of(dir: &Path) -> io::Result<Vec<(String, (i64, i64))>> {
    let mut folders = vec![];
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        // A link is no folder of the recorder's, and what begins with a dot is none of a device.
        if name.starts_with('.') || !entry.file_type()?.is_dir() {
            continue;
        }
        let Ok(metadata) = entry.metadata() else {
            continue; // it has just gone
        };
        folders.push((name, (metadata.ctime(), metadata.ctime_nsec())));
    }
    Ok(folders)
}

/// The folders that have parts in a place.
pub(super) fn known_folders(session: &Session, place: i64) -> Result<Vec<String>, String> {
    let sql = "SELECT name FROM folder WHERE EXISTS
        (SELECT 1 FROM part WHERE part.folder = folder.id AND place = ?1 AND gone = 0)";
    session.rows(sql, values![place], |row| row.get(0))
}

/// The parts of a folder in one place.
pub(super) fn known(
    session: &Session,
    folder: &str,
    place: i64,
) -> Result<HashMap<String, KnownPart>, String> {
    let sql = "SELECT stem, state, problem, gone, stamp FROM part
        WHERE folder = (SELECT id FROM folder WHERE name = ?1) AND place = ?2";
    let of = |row: &Row| {
        let part = KnownPart {
            state: row.get(1)?,
            problem: row.get(2)?,
            gone: row.get(3)?,
            stamp: row.get(4)?,
        };
        Ok((row.get(0)?, part))
    };
    let rows = session.rows(sql, values![folder, place], of)?;
    Ok(rows.into_iter().collect())
}

type OpenPart = (i64, String, String, String);

fn open_parts(session: &Session) -> Result<Vec<OpenPart>, String> {
    let sql =
        "SELECT place, folder.name, stem, state FROM part JOIN folder ON folder.id = part.folder
        WHERE state IN ('running', 'interrupted') AND gone = 0";
    let of = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    session.rows(sql, values![], of)
}
