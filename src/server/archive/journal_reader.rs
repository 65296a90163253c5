//! The journal of starts, read into the catalogue: which calls were accepted, and what became of
//! them. The balance is counted from it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::server::archive::database::{values, Row, Session};
use crate::server::archive::id::IdKey;
use crate::server::archive::places::NumberedDir;

/// Bytes that are read at once.
const PIECE: u64 = 1 << 20;
/// Days that are looked at in between.
const LATEST_DAYS: usize = 2;

/// What the recorders have accepted, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Balance {
    /// `None`: there is no journal.
    pub(super) accepted: Option<u64>,
    pub(super) running: u64,
    pub(super) present: u64,
    pub(super) deleted: u64,
    /// By reason.
    pub(super) lost: Vec<(String, u64)>,
    /// Refused starts by reason.
    pub(super) refused: Vec<(String, u64)>,
}

/// Reads what was added to the journals of all folders; `all`: also to those of earlier days.
pub(super) fn read(
    session: &Session,
    key: &IdKey,
    dirs: &[NumberedDir],
    all: bool,
) -> Result<(), String> {
    for (place, dir) in dirs {
        let root = dir.join(".journal");
        for file in files(&root, all).map_err(|error| format!("{}: {error}", root.display()))? {
            let name = format!(
                "{place}:{}",
                file.strip_prefix(&root).unwrap_or(&file).display()
            );
            let failed = |error: io::Error| format!("{}: {error}", file.display());
            read_file(session, key, &name, &file).map_err(|error| match error {
                ReadError::Io(error) => failed(error),
                ReadError::Catalogue(fault) => fault,
            })?;
        }
    }
    Ok(())
}

enum ReadError {
    Io(io::Error),
    Catalogue(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<String> for ReadError {
    fn from(fault: String) -> Self {
        Self::Catalogue(fault)
    }
}

fn files(root: &Path, all: bool) -> io::Result<Vec<PathBuf>> {
    let mut days = entries(root)?;
    if !all {
        days.drain(..days.len().saturating_sub(LATEST_DAYS));
    }
    let mut files = vec![];
    for day in days {
        files.extend(
            entries(&day)?
                .into_iter()
                .filter(|file| file.extension().is_some_and(|end| end == "ndjson")),
        );
    }
    Ok(files)
}

/// The entries of a folder, sorted; none if it does not exist.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error)
            if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) =>
        {
            return Ok(vec![]);
        }
        entries => entries?,
    };
    let mut paths = vec![];
    for entry in entries {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn read_file(session: &Session, key: &IdKey, name: &str, path: &Path) -> Result<(), ReadError> {
    let sql = "SELECT position FROM journal WHERE name = ?1";
    let found: Option<i64> = session.first(sql, values![name], |row| row.get(0))?;
    let mut offset = found.unwrap_or(0) as u64;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    if length == offset {
        return Ok(());
    }
    while offset < length {
        file.seek(SeekFrom::Start(offset))?;
        let mut piece = vec![];
        (&mut file).take(PIECE).read_to_end(&mut piece)?;
        // A line that is being written is read the next time.
        let Some(end) = piece.iter().rposition(|byte| *byte == b'\n') else {
            break;
        };
        for line in piece[..=end].split(|byte| *byte == b'\n') {
            if let Ok(Value::Object(line)) = serde_json::from_slice(line) {
                take_line(session, key, &line)?;
            }
        }
        offset += end as u64 + 1;
    }
    let sql = "INSERT INTO journal(name, position) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET position = ?2";
    session.execute(sql, values![name, offset as i64])?;
    Ok(())
}

fn take_line(session: &Session, key: &IdKey, line: &Map<String, Value>) -> Result<(), String> {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let (host, folder) = (text("host"), text("folder"));
    match text("event") {
        "start" => {
            let id = key.id(folder, text("stem"));
            let sql = "INSERT INTO accepted(id, host, folder, stem, time, state, reason) VALUES(?1, ?2, ?3, ?4, ?5,
                coalesce((SELECT CASE WHEN state IN ('running', 'deleted') THEN state
                    WHEN document ->> 'place' NOT IN ('moving', 'none') AND coalesce(document ->> 'problem', '') <> 'no-file' THEN 'present'
                    ELSE 'lost' END FROM recording WHERE id = ?1), 'lost'), 'no-file') ON CONFLICT DO NOTHING";
            session.execute(sql, values![id, host, folder, text("stem"), text("time")])?;
        }
        "end" => {
            let id = key.id(folder, text("call"));
            let is_failed = text("result") == "failed";
            // The reason of a call that has left no file at all.
            let sql = "UPDATE accepted SET ended = ?2, reason = CASE WHEN ?3 = 1 AND state = 'lost'
                AND NOT EXISTS (SELECT 1 FROM recording WHERE recording.id = ?1) THEN ?2 ELSE reason END WHERE id = ?1";
            session.execute(sql, values![id, text("end"), is_failed])?;
        }
        "refused" => {
            let reason = text("reason").split(':').next().unwrap_or_default();
            let sql = "INSERT INTO refused(host, reason, count) VALUES(?1, ?2, 1)
                ON CONFLICT(host, reason) DO UPDATE SET count = refused.count + 1";
            session.execute(sql, values![host, reason])?;
        }
        _ => {}
    }
    Ok(())
}

/// The balance of a host; `None`: of all together.
pub(super) fn balance(session: &Session, host: Option<&str>) -> Result<Balance, String> {
    let mut balance = Balance::default();
    let sql = "SELECT state, CASE state WHEN 'lost' THEN reason ELSE '' END, count(*) FROM accepted
        WHERE host = coalesce(?1, host) GROUP BY 1, 2";
    let of = |row: &Row| -> Result<(String, String, i64), String> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    };
    for (state, reason, count) in session.rows(sql, values![host], of)? {
        let count = count as u64;
        *balance.accepted.get_or_insert(0) += count;
        match state.as_str() {
            "running" => balance.running += count,
            "present" => balance.present += count,
            "deleted" => balance.deleted += count,
            _ => balance.lost.push((reason, count)),
        }
    }
    let sql = "SELECT reason, CAST(sum(count) AS BIGINT) FROM refused WHERE host = coalesce(?1, host) GROUP BY 1";
    let of = |row: &Row| -> Result<(String, i64), String> { Ok((row.get(0)?, row.get(1)?)) };
    for (reason, count) in session.rows(sql, values![host], of)? {
        balance.refused.push((reason, count as u64));
    }
    Ok(balance)
}

/// The hosts that have accepted calls.
pub(super) fn hosts(session: &Session) -> Result<Vec<String>, String> {
    let sql = "SELECT DISTINCT host FROM accepted UNION SELECT host FROM refused ORDER BY 1";
    session.rows(sql, values![], |row| row.get(0))
}
