//! The tables of the catalogue.
//!
//! `recording.key` is the start in seconds, shifted left by 24 bits, with the first bits of the id:
//! one number that orders all recordings by start and id. Every index of SQLite ends with it, so
//! that each search comes out in order, and a page begins where the last one ended.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// Counted up when the tables change: an older catalogue is made anew from the files.
const VERSION: i64 = 1;

/// How long a writer waits for another one: a rebuild copies the whole catalogue.
const BUSY: Duration = Duration::from_secs(60);

/// The parts whose recording is deleted, as what a query reads from. CROSS JOIN keeps this order: few
/// recordings have anything in `added`, and this is asked with each scan.
pub(super) const DELETED_PARTS: &str = "added CROSS JOIN part ON part.id = added.id
    JOIN folder ON folder.id = part.folder WHERE added.tombstone IS NOT NULL";

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS folder(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS part(
    folder INTEGER NOT NULL, stem TEXT NOT NULL, place INTEGER NOT NULL, id TEXT NOT NULL,
    call TEXT, call_id TEXT NOT NULL, number INTEGER NOT NULL, start INTEGER NOT NULL, finish INTEGER NOT NULL,
    start_text TEXT NOT NULL, state TEXT NOT NULL, problem TEXT, size INTEGER NOT NULL, sound INTEGER NOT NULL,
    stamp INTEGER NOT NULL, gone INTEGER NOT NULL DEFAULT 0, members TEXT NOT NULL,
    PRIMARY KEY(folder, stem, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS part_of ON part(id);
CREATE INDEX IF NOT EXISTS part_of_call ON part(folder, call_id) WHERE call IS NULL;
CREATE INDEX IF NOT EXISTS part_open ON part(state) WHERE state IN ('running', 'interrupted');
CREATE INDEX IF NOT EXISTS part_gone ON part(gone) WHERE gone > 0;
CREATE TABLE IF NOT EXISTS recording(
    key INTEGER PRIMARY KEY, id TEXT NOT NULL, folder INTEGER NOT NULL, state TEXT NOT NULL, dir INTEGER NOT NULL,
    remote TEXT NOT NULL, local TEXT NOT NULL, remote_back TEXT NOT NULL, local_back TEXT NOT NULL,
    names TEXT NOT NULL, words TEXT NOT NULL, duration INTEGER NOT NULL, size INTEGER NOT NULL, flawed INTEGER NOT NULL,
    hold INTEGER NOT NULL, document TEXT NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS recording_id ON recording(id);
CREATE INDEX IF NOT EXISTS recording_folder ON recording(folder);
CREATE INDEX IF NOT EXISTS recording_remote ON recording(remote) WHERE remote <> '';
CREATE INDEX IF NOT EXISTS recording_local ON recording(local) WHERE local <> '';
CREATE INDEX IF NOT EXISTS recording_remote_back ON recording(remote_back) WHERE remote_back <> '';
CREATE INDEX IF NOT EXISTS recording_local_back ON recording(local_back) WHERE local_back <> '';
CREATE INDEX IF NOT EXISTS recording_open ON recording(state) WHERE state IN ('running', 'interrupted', 'incomplete', 'deleted');
CREATE INDEX IF NOT EXISTS recording_held ON recording(hold) WHERE hold = 1;
CREATE TABLE IF NOT EXISTS tag(tag TEXT NOT NULL, key INTEGER NOT NULL, PRIMARY KEY(tag, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tag_of ON tag(key);
CREATE VIRTUAL TABLE IF NOT EXISTS search USING fts5(
    words, content='', contentless_delete=1, detail=none, tokenize='trigram case_sensitive 1');
CREATE TABLE IF NOT EXISTS added(
    id TEXT PRIMARY KEY, tags TEXT NOT NULL, note TEXT NOT NULL, hold INTEGER NOT NULL, version INTEGER NOT NULL,
    tombstone TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted(
    id TEXT PRIMARY KEY, host TEXT NOT NULL, folder TEXT NOT NULL, stem TEXT NOT NULL, time TEXT NOT NULL,
    ended TEXT, state TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS accepted_state ON accepted(host, state, reason);
CREATE TABLE IF NOT EXISTS refused(
    host TEXT NOT NULL, reason TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY(host, reason)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal(name TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
";

/// Opens the catalogue to write it, and creates what is not there. A catalogue of an older version
/// is emptied: the files bring all back.
pub(super) fn open(path: &Path) -> Result<Connection, String> {
    let failed = |error| {
        let shown = path.display();
        format!("{shown}: {error}; 'callrec-server archive rebuild' makes the catalogue again")
    };
    own(path)?;
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    Ok(connection)
}

/// A catalogue that is made anew, in one file and without a log.
pub(super) fn create(path: &Path) -> Result<Connection, String> {
    let failed = |error| format!("{}: {error}", path.display());
    own(path)?;
    let connection = Connection::open(path).map_err(failed)?;
    // If it does not come to its end, it is made again.
    connection
        .pragma_update(None, "journal_mode", "OFF")
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "OFF")
        .map_err(failed)?;
    prepare(&connection).map_err(failed)?;
    Ok(connection)
}

/// Creates the file for its owner alone: it has the names and numbers of all calls. SQLite gives the
/// files beside it the same permissions.
fn own(path: &Path) -> Result<(), String> {
    let mut options = OpenOptions::new();
    let opened = options.create(true).append(true).mode(0o600).open(path);
    opened
        .map(drop)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// Opens the catalogue to read it.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(None, "case_sensitive_like", true)?;
    Ok(connection)
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "cache_size", -16384)?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version != VERSION && version != 0 {
        let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'search_%'";
        let mut statement = connection.prepare(tables)?;
        let names: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        for name in names {
            connection.execute_batch(&format!("DROP TABLE IF EXISTS \"{name}\""))?;
        }
    }
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "user_version", VERSION)
}
