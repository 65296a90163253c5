//! Scans of buckets: a listing from end to end, compared with the catalogue device by device.
//!
//! The recorder stores a part's sidecar after its audio, so that a part is whole once its sidecar is
//! listed. Objects do not change: a sidecar is read once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::server::archive::bucket::{Bucket, BucketObject};
use crate::server::archive::catalogue::Catalogue;
use crate::server::archive::database::{values, Row, Session};
use crate::server::archive::facts::PartFacts;
use crate::server::archive::id::IdKey;
use crate::server::archive::parts::{Change, FoundPart, PartWriter};
use crate::server::archive::scan::{known, known_folders, now};
use crate::server::archive::scan_part::KnownPart;
use crate::server::archive::schema::DELETED_PARTS;
use crate::wire::recording::name::{NAME_PREFIX, NAME_SUFFIX, SIDECAR_SUFFIX};

/// Parts that are written in one transaction.
const AT_ONCE: usize = 200;

/// Sidecars that are read at once.
const READERS: usize = 16;

/// A part's objects.
#[derive(Default)]
struct Objects {
    audio: Option<u64>,
    has_sidecar: bool,
    /// Changes with both.
    stamp: i64,
}

/// What a scan of a bucket works with.
pub(super) struct BucketScan<'a> {
    pub(super) catalogue: &'a Catalogue,
    pub(super) key: &'a IdKey,
    pub(super) bucket: &'a Arc<Bucket>,
    /// The bucket's number in the catalogue.
    pub(super) place: i64,
}

impl BucketScan<'_> {
    /// Lists the whole bucket. A problem in the middle leaves what the catalogue has.
    pub(super) fn scan(&self) -> Result<Vec<Change>, String> {
        let mut changes = vec![];
        let mut seen: HashSet<String> = HashSet::new();
        let mut folder = String::new();
        let mut found: HashMap<String, Objects> = HashMap::new();
        self.bucket.list("", &mut |object| {
            let Some((of, stem, is_audio)) = part_of(&object.key) else {
                return Ok(());
            };
            if of != folder {
                changes.extend(self.compare(&folder, &found)?);
                found.clear();
                folder = of.to_owned();
                seen.insert(folder.clone());
            }
            add(found.entry(stem.to_owned()).or_default(), &object, is_audio);
            Ok(())
        })?;
        changes.extend(self.compare(&folder, &found)?);
        let known = self
            .catalogue
            .read(|session| known_folders(session, self.place))?;
        for gone in known {
            if !seen.contains(&gone) {
                changes.extend(self.compare(&gone, &HashMap::new())?);
            }
        }
        Ok(changes)
    }

    /// Compares a device's objects with the catalogue.
    fn compare(
        &self,
        folder: &str,
        found: &HashMap<String, Objects>,
    ) -> Result<Vec<Change>, String> {
        if folder.is_empty() {
            return Ok(vec![]);
        }
        let place = self.place;
        let known = self
            .catalogue
            .read(|session| known(session, folder, place))?;
        let is_new = |(stem, objects): &(&String, &Objects)| {
            let known = known.get(*stem);
            let is_known = |part: &KnownPart| part.gone == 0 && part.stamp == objects.stamp;
            objects.has_sidecar && !known.is_some_and(is_known)
        };
        let mut new: Vec<(&String, &Objects)> = found.iter().filter(is_new).collect();
        new.sort_unstable_by_key(|(stem, _)| *stem);
        let mut changes = vec![];
        for some in new.chunks(AT_ONCE) {
            changes.extend(self.put(folder, some)?);
        }
        let gone: Vec<&String> = known
            .iter()
            .filter(|(stem, part)| part.gone == 0 && !found.contains_key(*stem))
            .map(|(stem, _)| stem)
            .collect();
        if !gone.is_empty() {
            changes.extend(self.mark_gone(folder, &gone)?);
        }
        Ok(changes)
    }

    fn put(&self, folder: &str, parts: &[(&String, &Objects)]) -> Result<Vec<Change>, String> {
        let now = now();
        // Before the transaction: others write meanwhile.
        let sidecars = self.sidecars(folder, parts)?;
        self.catalogue.write(|session| {
            let writer = self.writer(session, now);
            let mut ids = vec![];
            for ((stem, objects), sidecar) in parts.iter().zip(&sidecars) {
                let members: Option<Map<String, Value>> = sidecar
                    .as_deref()
                    .and_then(|bytes| serde_json::from_slice(bytes).ok());
                let problem = match (&objects.audio, &members) {
                    (None, _) => Some("no-file"),
                    (_, None) => Some("unreadable"),
                    _ => None,
                };
                let facts = PartFacts::new(stem, members.unwrap_or_default(), now);
                let sound = facts.members.get("duration_ms").and_then(Value::as_i64);
                ids.extend(writer.put(&FoundPart {
                    folder,
                    stem,
                    place: self.place,
                    state: "finished",
                    problem,
                    size: objects.audio.unwrap_or(0) as i64,
                    sound: sound.unwrap_or(0),
                    stamp: objects.stamp,
                    facts,
                })?);
            }
            writer.rejoin_all(ids)
        })
    }

    /// The sidecars of these parts. A store takes its time for each, and many at once.
    fn sidecars(
        &self,
        folder: &str,
        parts: &[(&String, &Objects)],
    ) -> Result<Vec<Option<Vec<u8>>>, String> {
        let read = &|some: &[(&String, &Objects)]| -> Result<Vec<_>, String> {
            let key = |stem: &String| format!("{folder}/{stem}{SIDECAR_SUFFIX}");
            let some = some.iter();
            some.map(|(stem, _)| self.bucket.get(&key(stem))).collect()
        };
        let share = parts.len().div_ceil(READERS).max(1);
        std::thread::scope(|scope| {
            let readers: Vec<_> = parts
                .chunks(share)
                .map(|some| scope.spawn(move || read(some)))
                .collect();
            let mut sidecars = vec![];
            for reader in readers {
                let read = reader
                    .join()
                    .unwrap_or_else(|_| Err("a thread has failed".into()));
                sidecars.extend(read?);
            }
            Ok(sidecars)
        })
    }

    fn mark_gone(&self, folder: &str, stems: &[&String]) -> Result<Vec<Change>, String> {
        let now = now();
        self.catalogue.write(|session| {
            let writer = self.writer(session, now);
            writer.mark_gone(folder, self.place, stems)
        })
    }

    fn writer<'a>(&'a self, session: &'a Session<'a>, now: i64) -> PartWriter<'a> {
        PartWriter {
            session,
            key: self.key,
            now,
        }
    }

    /// Parts in this bucket whose recording is deleted.
    pub(super) fn deleted(&self) -> Result<Vec<(String, String, String)>, String> {
        self.catalogue.read(|session| {
            let columns = "part.id, folder.name, part.stem";
            let sql = format!("SELECT {columns} FROM {DELETED_PARTS} AND part.place = ?1");
            let of = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            session.rows(&sql, values![self.place], of)
        })
    }
}

/// Device's folder, stem, and whether it is the audio; `None`: not an object of a recorder's.
fn part_of(key: &str) -> Option<(&str, &str, bool)> {
    let (folder, name) = key.split_once('/')?;
    if folder.is_empty() || folder.starts_with('.') || !name.starts_with(NAME_PREFIX) {
        return None;
    }
    if name.contains(['/', '\0']) || folder.contains('\0') {
        return None;
    }
    match name.strip_suffix(NAME_SUFFIX) {
        Some(stem) => Some((folder, stem, true)),
        None => Some((folder, name.strip_suffix(SIDECAR_SUFFIX)?, false)),
    }
}

fn add(objects: &mut Objects, object: &BucketObject, is_audio: bool) {
    if is_audio {
        objects.audio = Some(object.size);
    } else {
        objects.has_sidecar = true;
    }
    for byte in object.tag.bytes() {
        objects.stamp = objects
            .stamp
            .wrapping_mul(1_000_003)
            .wrapping_add(i64::from(byte));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_recorder_has_stored_is_a_part() {
        assert_eq!(part_of("dev/Record_1.wav"), Some(("dev", "Record_1", true)));
        assert_eq!(
            part_of("dev/Record_1.json"),
            Some(("dev", "Record_1", false))
        );
        for key in [
            "Record_1.wav",
            "/Record_1.wav",
            "../Record_1.wav",
            ".archive/Record_1.wav",
            "dev/sub/Record_1.wav",
            "dev/other.wav",
            "dev/Record_1.txt",
            "dev/Record_1.json.part",
        ] {
            assert_eq!(part_of(key), None, "{key}");
        }
    }
}
