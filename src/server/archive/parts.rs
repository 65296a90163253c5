//! Parts in the catalogue, and the recordings that they make.

use serde_json::{json, Map, Value};

use crate::server::archive::database::{values, Row, Session, Value as Sql};
use crate::server::archive::document::{join, PartRow};
use crate::server::archive::facts::PartFacts;
use crate::server::archive::id::IdKey;

/// Seconds between the end of a part and the start of the next one, at the most.
const NEAR_SECONDS: i64 = 5;

const PUT_PART: &str = "INSERT INTO part(folder, stem, place, id, call, call_id, number, start, finish, start_text,
        state, problem, size, sound, stamp, gone, members)
    VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, ?16)
    ON CONFLICT(folder, stem, place) DO UPDATE SET id = ?4, call = ?5, call_id = ?6, number = ?7, start = ?8, finish = ?9,
        start_text = ?10, state = ?11, problem = ?12, size = ?13, sound = ?14, stamp = ?15, gone = 0, members = ?16";

/// A part as a scan has found it.
pub(super) struct FoundPart<'a> {
    pub(super) folder: &'a str,
    pub(super) stem: &'a str,
    pub(super) place: i64,
    pub(super) facts: PartFacts,
    pub(super) state: &'static str,
    pub(super) problem: Option<&'static str>,
    pub(super) size: i64,
    pub(super) sound: i64,
    pub(super) stamp: i64,
}

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) id: String,
    pub(super) folder: String,
    pub(super) kind: &'static str,
}

impl Change {
    const KINDS: [&'static str; 4] = ["started", "finished", "changed", "deleted"];

    /// As archives tell it to each other.
    pub(super) fn to_json(&self) -> Value {
        json!({"id": self.id, "folder": self.folder, "kind": self.kind})
    }

    pub(super) fn of_json(change: &Value) -> Option<Self> {
        let kind = Self::KINDS
            .into_iter()
            .find(|kind| change["kind"] == *kind)?;
        Some(Self {
            id: change["id"].as_str()?.to_owned(),
            folder: change["folder"].as_str()?.to_owned(),
            kind,
        })
    }
}

/// Writes parts and recordings.
pub(super) struct PartWriter<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) key: &'a IdKey,
    pub(super) now: i64,
}

impl PartWriter<'_> {
    /// The number of a folder.
    pub(super) fn folder(&self, name: &str) -> Result<i64, String> {
        let sql = "SELECT id FROM folder WHERE name = ?1";
        if let Some(id) = self.session.first(sql, values![name], |row| row.get(0))? {
            return Ok(id);
        }
        let insert = "INSERT INTO folder(name) VALUES(?1) RETURNING id";
        self.session.one(insert, values![name], |row| row.get(0))
    }

    /// Stores a part; returns the ids of the recordings that are to be joined again.
    pub(super) fn put(&self, part: &FoundPart) -> Result<Vec<String>, String> {
        let folder = self.folder(part.folder)?;
        let facts = &part.facts;
        let before = self.id_of(folder, part.stem, part.place)?;
        let call = facts.call.as_deref().unwrap_or(part.stem);
        let id = self.key.id(part.folder, call);
        let members = Value::Object(facts.members.clone()).to_string();
        let values = values![
            folder,
            part.stem,
            part.place,
            &id,
            facts.call.as_deref(),
            &facts.call_id,
            facts.number as i64,
            facts.start,
            facts.finish,
            &facts.start_text,
            part.state,
            part.problem,
            part.size,
            part.sound,
            part.stamp,
            members,
        ];
        self.session.execute(PUT_PART, values)?;
        let mut changed: Vec<String> = before.into_iter().chain([id]).collect();
        if facts.call.is_none() && !facts.call_id.is_empty() {
            changed.extend(self.chain(folder, part.folder, &facts.call_id)?);
        }
        changed.sort();
        changed.dedup();
        Ok(changed)
    }

    fn id_of(&self, folder: i64, stem: &str, place: i64) -> Result<Option<String>, String> {
        let sql = "SELECT id FROM part WHERE folder = ?1 AND stem = ?2 AND place = ?3";
        self.session
            .first(sql, values![folder, stem, place], |row| row.get(0))
    }

    /// Parts whose sidecars do not name their call: they are joined by the phone's id, by their
    /// numbers and by their times.
    fn chain(&self, folder: i64, name: &str, call_id: &str) -> Result<Vec<String>, String> {
        let sql = "SELECT stem, number, start, finish, id FROM part WHERE folder = ?1 AND call_id = ?2 AND call IS NULL
            ORDER BY start, number, stem";
        type Found = (String, i64, i64, i64, String);
        let of = |row: &Row| -> Result<Found, String> {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        };
        let rows = self.session.rows(sql, values![folder, call_id], of)?;
        let mut changed = vec![];
        let mut last: Option<(i64, i64, String)> = None;
        let mut before: Option<String> = None;
        for (stem, number, start, finish, id) in rows {
            // The same part in another place.
            if before.as_ref() == Some(&stem) {
                continue;
            }
            before = Some(stem.clone());
            let continues = |(before, end, _): &&(i64, i64, String)| {
                number == before + 1 && (start - end).abs() <= NEAR_SECONDS
            };
            let wanted = match last.as_ref().filter(continues) {
                Some((_, _, id)) => id.clone(),
                None => self.key.id(name, &stem),
            };
            if wanted != id {
                let sql = "UPDATE part SET id = ?1 WHERE folder = ?2 AND stem = ?3";
                self.session.execute(sql, values![&wanted, folder, stem])?;
                changed.extend([id, wanted.clone()]);
            }
            last = Some((number, finish, wanted));
        }
        Ok(changed)
    }

    /// Joins the parts of a recording again, and stores the result if it has changed. `has_added`: what
    /// people have added has changed.
    pub(super) fn rejoin(&self, id: &str, has_added: bool) -> Result<Option<Change>, String> {
        let before = self.recording(id)?;
        let tombstone = self.tombstone(id)?;
        let parts = self.parts(id)?;
        if let Some(tombstone) = tombstone {
            return self.bury(id, before, tombstone);
        }
        let Some((folder, call, parts)) = parts else {
            let Some(before) = before else {
                return Ok(None);
            };
            self.remove(before.key)?;
            return Ok(None);
        };
        let joined = join(id, &folder, &call, &parts, self.now);
        let accepted = match joined.state.as_str() {
            "running" => ("running", ""),
            _ if parts.iter().any(|part| part.gone > 0) => ("lost", "no-file"),
            _ if joined
                .document
                .get("problem")
                .is_some_and(|problem| problem == "no-file") =>
            {
                ("lost", "no-file")
            }
            _ => ("present", ""),
        };
        self.set_accepted(id, accepted)?;
        let kind = match (&before, joined.state.as_str()) {
            (Some(before), _) if before.document == joined.document && !has_added => {
                return Ok(None)
            }
            (None, "running") => "started",
            (None, _) => "finished",
            (Some(before), state) if before.state == "running" && state != "running" => "finished",
            (Some(_), _) => "changed",
        };
        self.store(id, &folder, before, joined)?;
        let (id, folder) = (id.to_owned(), folder);
        Ok(Some(Change { id, folder, kind }))
    }

    /// Joins several recordings again.
    pub(super) fn rejoin_all(&self, mut ids: Vec<String>) -> Result<Vec<Change>, String> {
        ids.sort();
        ids.dedup();
        let mut changes = vec![];
        for id in ids {
            changes.extend(self.rejoin(&id, false)?);
        }
        Ok(changes)
    }

    /// Parts of a folder are not in a place any more.
    pub(super) fn mark_gone(
        &self,
        folder: &str,
        place: i64,
        stems: &[&String],
    ) -> Result<Vec<Change>, String> {
        let sql =
            "UPDATE part SET gone = ?4 WHERE folder = ?1 AND stem = ?2 AND place = ?3 RETURNING id";
        self.change_parts(sql, folder, stems, values![place, self.now])
    }

    /// Parts of a folder are not of interest any more.
    pub(super) fn forget(
        &self,
        folder: &str,
        place: i64,
        stems: &[&String],
    ) -> Result<Vec<Change>, String> {
        let sql = "DELETE FROM part WHERE folder = ?1 AND stem = ?2 AND place = ?3 RETURNING id";
        self.change_parts(sql, folder, stems, values![place])
    }

    /// Changes parts of a folder by a statement that takes folder, stem and `more`, and returns the
    /// id; joins their recordings again.
    fn change_parts(
        &self,
        sql: &str,
        folder: &str,
        stems: &[&String],
        more: &[Sql],
    ) -> Result<Vec<Change>, String> {
        let folder = self.folder(folder)?;
        let mut ids: Vec<String> = vec![];
        for stem in stems {
            let values = [values![folder, *stem], more].concat();
            // Another archive may have changed it meanwhile.
            ids.extend(self.session.first(sql, &values, |row| row.get(0))?);
        }
        self.rejoin_all(ids)
    }

    pub(super) fn set_accepted(
        &self,
        id: &str,
        (state, reason): (&str, &str),
    ) -> Result<(), String> {
        let sql = "UPDATE accepted SET state = ?2, reason = ?3 WHERE id = ?1";
        self.session
            .execute(sql, values![id, state, reason])
            .map(drop)
    }

    /// The parts of a recording, each once: folder, call, and rows in order.
    fn parts(&self, id: &str) -> Result<Option<(String, String, Vec<PartRow>)>, String> {
        let sql = "SELECT folder.name, stem, place, number, start, start_text, state, problem, size, sound, gone, members, call
            FROM part JOIN folder ON folder.id = part.folder WHERE part.id = ?1 ORDER BY number, start, stem, gone, place";
        let of = |row: &Row| -> Result<(String, Option<String>, PartRow), String> {
            let members: String = row.get(11)?;
            let members: Map<String, Value> = serde_json::from_str(&members).unwrap_or_default();
            Ok((
                row.get(0)?,
                row.get(12)?,
                PartRow {
                    stem: row.get(1)?,
                    place: row.get(2)?,
                    number: row.get(3)?,
                    start: row.get(4)?,
                    start_text: row.get(5)?,
                    state: row.get(6)?,
                    problem: row.get(7)?,
                    size: row.get(8)?,
                    sound: row.get(9)?,
                    gone: row.get(10)?,
                    members,
                },
            ))
        };
        let rows = self.session.rows(sql, values![id], of)?;
        let Some((folder, call, first)) = rows.first() else {
            return Ok(None);
        };
        let call = call.clone().unwrap_or_else(|| first.stem.clone());
        let folder = folder.clone();
        let mut parts: Vec<PartRow> = rows.into_iter().map(|(_, _, part)| part).collect();
        // The same part in two places.
        parts.dedup_by(|later, earlier| later.stem == earlier.stem);
        Ok(Some((folder, call, parts)))
    }
}
