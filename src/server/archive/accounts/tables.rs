//! The tables of the accounts, in SQLite and in PostgreSQL.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rusqlite::Connection;

use crate::server::archive::database::{wait_for_others, PostgresPool, SqliteFile};
use crate::server::database_url::DatabaseUrl;

/// The schema of PostgreSQL.
const SCHEMA: &str = "accounts";

const TABLES: &str = r#"
CREATE TABLE IF NOT EXISTS secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS "user"(
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, devices TEXT NOT NULL, tenant TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session(hash BLOB PRIMARY KEY, "user" TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outside_session(
    hash BLOB PRIMARY KEY, "user" TEXT NOT NULL, issuer TEXT NOT NULL, role TEXT NOT NULL, tenant TEXT NOT NULL,
    expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token(
    name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, devices TEXT NOT NULL, tenant TEXT NOT NULL,
    expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain(host TEXT PRIMARY KEY, n INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flag(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"#;

/// The same, and the numbers of the places of all archives.
const SHARED_TABLES: &str = r#"
CREATE TABLE secret(name TEXT PRIMARY KEY, value BYTEA NOT NULL);
CREATE TABLE "user"(
    name TEXT COLLATE "C" PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, devices TEXT NOT NULL,
    tenant TEXT NOT NULL, disabled BIGINT NOT NULL DEFAULT 0);
CREATE TABLE session(hash BYTEA PRIMARY KEY, "user" TEXT NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE outside_session(
    hash BYTEA PRIMARY KEY, "user" TEXT NOT NULL, issuer TEXT NOT NULL, role TEXT NOT NULL, tenant TEXT NOT NULL,
    expires BIGINT NOT NULL);
CREATE TABLE token(
    name TEXT COLLATE "C" PRIMARY KEY, hash BYTEA NOT NULL UNIQUE, role TEXT NOT NULL, devices TEXT NOT NULL,
    tenant TEXT NOT NULL, expires BIGINT NOT NULL);
CREATE TABLE chain(host TEXT PRIMARY KEY, n BIGINT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE flag(name TEXT COLLATE "C" PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE place(name TEXT PRIMARY KEY, number BIGINT NOT NULL UNIQUE);
"#;

/// Makes the folder of what is the archive's own.
pub(super) fn make_home(home: &Path) -> Result<(), String> {
    let made = DirBuilder::new().recursive(true).mode(0o750).create(home);
    made.map_err(|error| format!("{}: {error}", home.display()))
}

/// Opens `accounts.db` in a folder, and creates it if it does not exist.
pub(super) fn open_file(home: &Path) -> Result<SqliteFile, String> {
    let path = home.join("accounts.db");
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    make_home(home)?;
    // SQLite gives the files beside it the same permissions.
    let mut options = OpenOptions::new();
    let file = options.create(true).append(true).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    let owner_only = Permissions::from_mode(0o600);
    file.set_permissions(owner_only).map_err(failed)?;
    let connection = prepare(&path).map_err(|error| format!("accounts.db: {error}"))?;
    Ok(SqliteFile::new(&path, "accounts.db", connection))
}

fn prepare(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    wait_for_others(&connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch(TABLES)?;
    Ok(connection)
}

/// Opens the schema of PostgreSQL, and makes its tables unless they are there.
pub(super) fn open_shared(url: &DatabaseUrl) -> Result<PostgresPool, String> {
    let pool = PostgresPool::new(url, SCHEMA, "the accounts");
    pool.make_schema("place", "", SHARED_TABLES)?;
    Ok(pool)
}
