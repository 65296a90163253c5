//! What people add to a recording, beside the recordings: `.archive/records/<first two of id>/<id>`,
//! a line of JSON for each change, synced before anyone is told. A deleted recording has a tombstone
//! there and nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::server::archive::bucket::Bucket;
use crate::server::archive::bucket_records;
use crate::server::archive::database::{values, Session};
use crate::server::archive::id::is_id;

/// The most that is read of one record.
const MAX_BYTES: u64 = 4 << 20;

/// The state that all lines of a record make.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Added {
    pub(super) tags: Vec<String>,
    pub(super) note: String,
    pub(super) hold: bool,
    /// Counts the changes.
    pub(super) version: u64,
    /// It is deleted.
    pub(super) tombstone: Option<Map<String, Value>>,
}

/// The folder of records. With a bucket all that is added goes there, so that other archives see it;
/// what was in the folder before counts still.
pub(super) struct Records {
    folder: PathBuf,
    bucket: Option<Arc<Bucket>>,
}

impl Records {
    pub(super) fn new(home: &Path, buckets: &[Arc<Bucket>]) -> Self {
        Self {
            folder: home.join("records"),
            bucket: buckets.first().cloned(),
        }
    }

    pub(super) fn are_in_bucket(&self) -> bool {
        self.bucket.is_some()
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(&id[..2]).join(id)
    }

    /// The record of a recording; empty if there is none.
    pub(super) fn read(&self, id: &str) -> io::Result<Added> {
        let mut text = self.read_file(id)?;
        if let Some(bucket) = &self.bucket {
            let more = bucket_records::read(bucket, id).map_err(io::Error::other)?;
            text.extend(more);
        }
        Ok(Added::parse(&text))
    }

    fn read_file(&self, id: &str) -> io::Result<Vec<u8>> {
        let mut text = vec![];
        match File::open(self.path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => {
                opened?.take(MAX_BYTES).read_to_end(&mut text)?;
            }
        }
        Ok(text)
    }

    /// Appends a change, and returns once it is on the disk, or in the bucket. `NotFound`: the recording has
    /// been deleted elsewhere meanwhile.
    pub(super) fn append(&self, id: &str, change: &Map<String, Value>) -> io::Result<()> {
        let line = Value::Object(change.clone()).to_string() + "\n";
        if let Some(bucket) = &self.bucket {
            let appended = bucket_records::append(bucket, id, line.as_bytes());
            return match appended.map_err(io::Error::other)? {
                true => Ok(()),
                false => Err(io::ErrorKind::NotFound.into()),
            };
        }
        let path = self.path(id);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let is_new = !path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o640).open(&path)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        if is_new {
            File::open(folder)?.sync_all()?;
            File::open(&self.folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Replaces a record by a tombstone: nothing that people have added is left. `false`: it has been held
    /// elsewhere meanwhile.
    pub(super) fn bury(&self, id: &str, tombstone: &Map<String, Value>) -> io::Result<bool> {
        let path = self.path(id);
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder)?;
        let new = folder.join(format!("{id}.new"));
        let mut line = Map::new();
        line.insert("deleted".into(), Value::Object(tombstone.clone()));
        let line = Value::Object(line).to_string() + "\n";
        if let Some(bucket) = &self.bucket {
            bucket_records::bury(bucket, id, line.as_bytes()).map_err(io::Error::other)?;
            if self.read(id)?.hold {
                bucket_records::unbury(bucket, id).map_err(io::Error::other)?;
                return Ok(false);
            }
            bucket_records::forget_changes(bucket, id).map_err(io::Error::other)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o640)
            .open(&new)?;
        file.write_all(line.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()?;
        File::open(&self.folder)?.sync_all()?;
        Ok(true)
    }

    /// All ids that have a record.
    fn ids(&self) -> io::Result<Vec<String>> {
        let mut ids = vec![];
        let folders = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            folders => folders?,
        };
        for folder in folders {
            let folder = folder?.path();
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let name = entry?.file_name().to_string_lossy().into_owned();
                ids.extend(Some(name).filter(|name| is_id(name)));
            }
        }
        Ok(ids)
    }

    /// Reads the folder's records into the catalogue; returns the ids whose record has changed.
    pub(super) fn load(&self, session: &Session) -> Result<Vec<String>, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.folder.display());
        let mut changed = vec![];
        for id in self.ids().map_err(failed)? {
            let added = Added::parse(&self.read_file(&id).map_err(failed)?);
            if self.bucket.is_some() && added.tombstone.is_none() && is_known(session, &id)? {
                continue; // the bucket says more of it
            }
            if put(session, &id, &added)? {
                changed.push(id);
            }
        }
        Ok(changed)
    }
}

fn is_known(session: &Session, id: &str) -> Result<bool, String> {
    let sql = "SELECT 1 FROM added WHERE id = ?1";
    let found = session.first(sql, values![id], |_| Ok(()))?;
    Ok(found.is_some())
}

/// Stores a record in the catalogue; `true`: it has changed.
pub(super) fn put(session: &Session, id: &str, added: &Added) -> Result<bool, String> {
    let tombstone = added
        .tombstone
        .clone()
        .map(|tombstone| Value::Object(tombstone).to_string());
    let sql =
        "INSERT INTO added(id, tags, note, hold, version, tombstone) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT(id) DO UPDATE SET tags = ?2, note = ?3, hold = ?4, version = ?5, tombstone = ?6
        WHERE added.version <> ?5 OR added.tombstone IS DISTINCT FROM ?6";
    let tags = Value::from(added.tags.clone()).to_string();
    let values = values![
        id,
        tags,
        &added.note,
        added.hold,
        added.version as i64,
        tombstone,
    ];
    Ok(session.execute(sql, values)? > 0)
}

impl Added {
    fn parse(text: &[u8]) -> Self {
        let mut added = Self::default();
        for line in text.split(|byte| *byte == b'\n') {
            // A line that a power cut has torn is none.
            if let Ok(Value::Object(change)) = serde_json::from_slice(line) {
                added.apply(&change);
            }
        }
        added
    }

    /// Applies a line.
    pub(super) fn apply(&mut self, change: &Map<String, Value>) {
        self.version += 1;
        if let Some(Value::Array(tags)) = change.get("tags") {
            self.tags = tags
                .iter()
                .filter_map(|tag| tag.as_str().map(str::to_owned))
                .collect();
        }
        if let Some(Value::String(note)) = change.get("note") {
            self.note.clone_from(note);
        }
        if let Some(Value::Bool(hold)) = change.get("hold") {
            self.hold = *hold;
        }
        if let Some(Value::Object(tombstone)) = change.get("deleted") {
            self.tombstone = Some(tombstone.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn map(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(map) => map,
            _ => unreachable!(),
        }
    }

    #[test]
    fn lines_add_up_and_a_tombstone_replaces_them() {
        let home = std::env::temp_dir().join(format!("callrec-records-{}", std::process::id()));
        let records = Records::new(&home, &[]);
        let id = "abcdefghijklmnopqrstuvwxyz";
        assert_eq!(records.read(id).unwrap(), Added::default());
        records
            .append(id, &map(json!({"tags": ["a"], "who": "ann"})))
            .unwrap();
        records
            .append(id, &map(json!({"note": "secret", "hold": true})))
            .unwrap();
        let added = records.read(id).unwrap();
        assert_eq!(
            (added.tags, added.note, added.hold, added.version),
            (vec!["a".into()], "secret".into(), true, 2)
        );
        let mut file = OpenOptions::new()
            .append(true)
            .open(records.path(id))
            .unwrap();
        file.write_all(b"{\"note\": \"tor").unwrap();
        assert_eq!(records.read(id).unwrap().note, "secret");
        records.bury(id, &map(json!({"why": "asked"}))).unwrap();
        let text = fs::read_to_string(records.path(id)).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert_eq!(records.read(id).unwrap().tombstone.unwrap()["why"], "asked");
        assert_eq!(records.ids().unwrap(), [id]);
        fs::remove_dir_all(home).unwrap();
    }
}
