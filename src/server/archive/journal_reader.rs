//! The journal of starts, read into the catalogue: which calls were accepted, and what became of
//! them. The balance is counted from it.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rusqlite::{params, Connection, OptionalExtension};
use serde_json::{Map, Value};

use crate::server::archive::catalogue::fault;
use crate::server::archive::id::IdKey;

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
    connection: &Connection,
    key: &IdKey,
    dirs: &[PathBuf],
    all: bool,
) -> Result<(), String> {
    for (place, dir) in dirs.iter().enumerate() {
        let root = dir.join(".journal");
        for file in files(&root, all).map_err(|error| format!("{}: {error}", root.display()))? {
            let name = format!(
                "{place}:{}",
                file.strip_prefix(&root).unwrap_or(&file).display()
            );
            let failed = |error: io::Error| format!("{}: {error}", file.display());
            read_file(connection, key, &name, &file).map_err(|error| match error {
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

fn read_file(
    connection: &Connection,
    key: &IdKey,
    name: &str,
    path: &Path,
) -> Result<(), ReadError> {
    let sql = "SELECT offset FROM journal WHERE name = ?1";
    let mut find = connection.prepare_cached(sql).map_err(fault)?;
    let found = find
        .query_row([name], |row| row.get::<_, i64>(0))
        .optional()
        .map_err(fault)?;
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
                take_line(connection, key, &line)?;
            }
        }
        offset += end as u64 + 1;
    }
    let sql = "INSERT OR REPLACE INTO journal(name, offset) VALUES(?1, ?2)";
    connection
        .execute(sql, params![name, offset as i64])
        .map_err(fault)?;
    Ok(())
}

fn take_line(
    connection: &Connection,
    key: &IdKey,
    line: &Map<String, Value>,
) -> Result<(), String> {
    let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
    let (host, folder) = (text("host"), text("folder"));
    match text("event") {
        "start" => {
            let id = key.id(folder, text("stem"));
            let sql = "INSERT OR IGNORE INTO accepted(id, host, folder, stem, time, state, reason) VALUES(?1, ?2, ?3, ?4, ?5,
                coalesce((SELECT CASE WHEN state IN ('running', 'deleted') THEN state
                    WHEN document LIKE '%\"place\":\"local\"%' AND document NOT LIKE '%\"problem\":\"no-file\"%' THEN 'present'
                    ELSE 'lost' END FROM recording WHERE id = ?1), 'lost'), 'no-file')";
            let mut insert = connection.prepare_cached(sql).map_err(fault)?;
            insert
                .execute(params![id, host, folder, text("stem"), text("time")])
                .map_err(fault)?;
        }
        "end" => {
            let id = key.id(folder, text("call"));
            let is_failed = text("result") == "failed";
            // The reason of a call that has left no file at all.
            let sql = "UPDATE accepted SET ended = ?2, reason = CASE WHEN ?3 AND state = 'lost'
                AND NOT EXISTS (SELECT 1 FROM recording WHERE recording.id = ?1) THEN ?2 ELSE reason END WHERE id = ?1";
            let mut update = connection.prepare_cached(sql).map_err(fault)?;
            update
                .execute(params![id, text("end"), is_failed])
                .map_err(fault)?;
        }
        "refused" => {
            let reason = text("reason").split(':').next().unwrap_or_default();
            let sql = "INSERT INTO refused(host, reason, count) VALUES(?1, ?2, 1)
                ON CONFLICT(host, reason) DO UPDATE SET count = count + 1";
            connection
                .execute(sql, params![host, reason])
                .map_err(fault)?;
        }
        _ => {}
    }
    Ok(())
}

/// The balance of a host; `None`: of all together.
pub(super) fn balance(connection: &Connection, host: Option<&str>) -> Result<Balance, String> {
    let mut balance = Balance::default();
    let sql = "SELECT state, CASE state WHEN 'lost' THEN reason ELSE '' END, count(*) FROM accepted
        WHERE ?1 IS NULL OR host = ?1 GROUP BY 1, 2";
    let mut count = connection.prepare_cached(sql).map_err(fault)?;
    let of = |row: &rusqlite::Row| -> rusqlite::Result<(String, String, i64)> {
        Ok((row.get(0)?, row.get(1)?, row.get(2)?))
    };
    for row in count.query_map([host], of).map_err(fault)? {
        let (state, reason, count) = row.map_err(fault)?;
        let count = count as u64;
        *balance.accepted.get_or_insert(0) += count;
        match state.as_str() {
            "running" => balance.running += count,
            "present" => balance.present += count,
            "deleted" => balance.deleted += count,
            _ => balance.lost.push((reason, count)),
        }
    }
    let sql = "SELECT reason, sum(count) FROM refused WHERE ?1 IS NULL OR host = ?1 GROUP BY 1";
    let mut count = connection.prepare_cached(sql).map_err(fault)?;
    let of =
        |row: &rusqlite::Row| -> rusqlite::Result<(String, i64)> { Ok((row.get(0)?, row.get(1)?)) };
    for row in count.query_map([host], of).map_err(fault)? {
        let (reason, count) = row.map_err(fault)?;
        balance.refused.push((reason, count as u64));
    }
    Ok(balance)
}

/// The hosts that have accepted calls.
pub(super) fn hosts(connection: &Connection) -> Result<Vec<String>, String> {
    let sql = "SELECT DISTINCT host FROM accepted UNION SELECT host FROM refused ORDER BY 1";
    let mut find = connection.prepare_cached(sql).map_err(fault)?;
    let rows = find.query_map([], |row| row.get(0)).map_err(fault)?;
    rows.collect::<Result<_, _>>().map_err(fault)
}
