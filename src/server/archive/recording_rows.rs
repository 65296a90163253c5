//! The rows of recordings in the catalogue, with what is searched for in them.

use serde_json::{Map, Value};

use crate::server::archive::database::{values, Row};
use crate::server::archive::document::Joined;
use crate::server::archive::id::order_of;
use crate::server::archive::parts::{Change, PartWriter};
use crate::server::archive::pieces;
use crate::server::archive::text;

/// A recording's row before a change.
pub(super) struct Before {
    pub(super) key: i64,
    pub(super) state: String,
    pub(super) document: Map<String, Value>,
}

impl PartWriter<'_> {
    pub(super) fn recording(&self, id: &str) -> Result<Option<Before>, String> {
        let sql = "SELECT key, state, document FROM recording WHERE id = ?1";
        let of = |row: &Row| {
            let document: String = row.get(2)?;
            Ok(Before {
                key: row.get(0)?,
                state: row.get(1)?,
                document: serde_json::from_str(&document).unwrap_or_default(),
            })
        };
        self.session.first(sql, values![id], of)
    }

    pub(super) fn tombstone(&self, id: &str) -> Result<Option<Map<String, Value>>, String> {
        let sql = "SELECT tombstone FROM added WHERE id = ?1 AND tombstone IS NOT NULL";
        let found: Option<String> = self.session.first(sql, values![id], |row| row.get(0))?;
        Ok(found.map(|text| serde_json::from_str(&text).unwrap_or_default()))
    }

    pub(super) fn remove(&self, key: i64) -> Result<(), String> {
        for sql in [
            "DELETE FROM recording WHERE key = ?1",
            "DELETE FROM tag WHERE key = ?1",
        ] {
            self.session.execute(sql, values![key])?;
        }
        pieces::remove(self.session, key)
    }

    /// A deleted recording: only what its tombstone tells.
    pub(super) fn bury(
        &self,
        id: &str,
        before: Option<Before>,
        tombstone: Map<String, Value>,
    ) -> Result<Option<Change>, String> {
        self.set_accepted(id, ("deleted", ""))?;
        if before
            .as_ref()
            .is_some_and(|before| before.state == "deleted")
        {
            return Ok(None);
        }
        let text = |key: &str| {
            tombstone
                .get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let folder = text("folder");
        let mut document = tombstone.clone();
        document.insert("id".into(), id.into());
        document.insert("state".into(), "deleted".into());
        let joined = Joined {
            start: tombstone
                .get("start_s")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            state: "deleted".into(),
            dir: 0,
            remote: String::new(),
            local: String::new(),
            names: String::new(),
            duration: tombstone
                .get("duration_ms")
                .and_then(Value::as_i64)
                .unwrap_or(0),
            size: 0,
            is_flawed: false,
            document,
        };
        self.store(id, &folder, before, joined)?;
        let id = id.to_owned();
        Ok(Some(Change {
            id,
            folder,
            kind: "deleted",
        }))
    }

    pub(super) fn store(
        &self,
        id: &str,
        folder: &str,
        before: Option<Before>,
        joined: Joined,
    ) -> Result<(), String> {
        if let Some(before) = before {
            self.remove(before.key)?;
        }
        let key = self.free_key(joined.start << 24 | order_of(id))?;
        let (tags, note, hold) = self.added(id)?;
        let is_deleted = joined.state == "deleted";
        let words = if is_deleted {
            String::new()
        } else {
            words(&joined, &tags, &note)
        };
        let folder = self.folder(folder)?;
        let sql = "INSERT INTO recording(key, id, folder, state, dir, remote, local, remote_back, local_back, names, words,
            duration, size, flawed, hold, document) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        let values = values![
            key,
            id,
            folder,
            joined.state,
            joined.dir,
            text::international(&joined.remote),
            text::international(&joined.local),
            text::reversed(&text::number(&joined.remote)),
            text::reversed(&text::number(&joined.local)),
            joined.names,
            text::name(&note),
            joined.duration,
            joined.size,
            joined.is_flawed,
            hold && !is_deleted,
            Value::Object(joined.document).to_string(),
        ];
        self.session.execute(sql, values)?;
        if is_deleted {
            return Ok(());
        }
        pieces::insert(self.session, key, &words)?;
        for tag in tags {
            let sql = "INSERT INTO tag(tag, key) VALUES(?1, ?2) ON CONFLICT DO NOTHING";
            self.session.execute(sql, values![tag, key])?;
        }
        Ok(())
    }

    /// Two recordings of one second and the same first bits of their ids.
    fn free_key(&self, mut key: i64) -> Result<i64, String> {
        let sql = "SELECT 1 FROM recording WHERE key = ?1";
        let is_taken = |key: i64| self.session.first(sql, values![key], |_| Ok(()));
        while is_taken(key)?.is_some() {
            key += 1;
        }
        Ok(key)
    }

    /// Tags, note and hold.
    fn added(&self, id: &str) -> Result<(Vec<String>, String, bool), String> {
        let sql = "SELECT tags, note, hold FROM added WHERE id = ?1";
        let of = |row: &Row| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found: Option<(String, String, bool)> = self.session.first(sql, values![id], of)?;
        let (tags, note, hold) = found.unwrap_or_default();
        Ok((serde_json::from_str(&tags).unwrap_or_default(), note, hold))
    }
}

/// The text that the search for pieces of three characters finds.
fn words(joined: &Joined, tags: &[String], note: &str) -> String {
    let numbers = [text::number(&joined.remote), text::number(&joined.local)];
    let [remote, local] = &numbers;
    let names = &joined.names;
    let rest = text::name(&format!("{note}\n{}", tags.join("\n")));
    format!("{remote}\n{local}\n{names}\n{rest}")
}
