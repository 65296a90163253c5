//! What no recording tells: users, sessions, tokens, and the secret that ids are made with, in
//! `DIR/.archive/accounts.db`. It is never made anew from the files; whoever keeps the archive backs
//! it up.
//!
//! Secrets are kept as their SHA-256, passwords as Argon2. Several processes may have it open: every
//! question is asked to the file.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::{params, Connection, OptionalExtension};
use sha2::{Digest, Sha256};

use crate::io::random::Random;
use crate::server::archive::catalogue::lock;
use crate::server::archive::id::IdKey;
use crate::wire::rendezvous::cipher::encode;

pub(super) mod first_link;
pub(super) mod outside_sessions;
pub(super) mod password;
pub(super) mod sessions;
pub(super) mod tokens;
pub(super) mod users;

const TABLES: &str = "
CREATE TABLE IF NOT EXISTS secret(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS user(
    name TEXT PRIMARY KEY, password TEXT NOT NULL, role TEXT NOT NULL, devices TEXT NOT NULL, tenant TEXT NOT NULL,
    disabled INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS session(hash BLOB PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outside_session(
    hash BLOB PRIMARY KEY, user TEXT NOT NULL, issuer TEXT NOT NULL, role TEXT NOT NULL, tenant TEXT NOT NULL,
    expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS token(
    name TEXT PRIMARY KEY, hash BLOB NOT NULL UNIQUE, role TEXT NOT NULL, devices TEXT NOT NULL, tenant TEXT NOT NULL,
    expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain(host TEXT PRIMARY KEY, n INTEGER NOT NULL, hash TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flag(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
";

/// What the flags of deletions begin with.
const DELETING: &str = "deleting:";

/// The open file.
pub(super) struct Accounts(Mutex<Connection>);

/// What failed, for the log.
pub(super) fn fault(error: impl std::fmt::Display) -> String {
    format!("accounts.db: {error}")
}

/// A secret of 256 bits, as text of 43 characters.
pub(super) fn secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    let filled = Random::open().fill(&mut bytes);
    filled.map_err(|error| format!("no random numbers: {error}"))?;
    let mut text = [0; 44];
    encode(&bytes, &mut text);
    let text = String::from_utf8_lossy(&text[..43]);
    Ok(text.replace('+', "-").replace('/', "_"))
}

/// What is kept of a secret.
pub(super) fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl Accounts {
    /// Opens the file, and creates it if it does not exist.
    pub(super) fn open(home: &Path) -> Result<Self, String> {
        let path = home.join("accounts.db");
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let made = DirBuilder::new().recursive(true).mode(0o750).create(home);
        made.map_err(|error| format!("{}: {error}", home.display()))?;
        // SQLite gives the files beside it the same permissions.
        let mut options = OpenOptions::new();
        let file = options
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let owner_only = std::fs::Permissions::from_mode(0o600);
        file.set_permissions(owner_only).map_err(failed)?;
        let connection = Connection::open(&path).map_err(fault)?;
        connection
            .busy_timeout(Duration::from_secs(20))
            .map_err(fault)?;
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(fault)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(fault)?;
        connection.execute_batch(TABLES).map_err(fault)?;
        Ok(Self(Mutex::new(connection)))
    }

    fn with<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        work(&lock(&self.0)).map_err(fault)
    }

    /// The secret that ids are made with; made at the first time.
    pub(super) fn id_key(&self) -> Result<IdKey, String> {
        let mut fresh = [0; 32];
        let filled = Random::open().fill(&mut fresh);
        filled.map_err(|error| format!("no random numbers: {error}"))?;
        let key = self.with(|connection| {
            let insert = "INSERT OR IGNORE INTO secret(name, value) VALUES('id', ?1)";
            connection.execute(insert, [&fresh[..]])?;
            let find = "SELECT value FROM secret WHERE name = 'id'";
            connection.query_row(find, [], |row| row.get::<_, Vec<u8>>(0))
        })?;
        let key = <[u8; 32]>::try_from(key)
            .map_err(|_| fault("the key of the ids has a wrong length"))?;
        Ok(IdKey::new(key))
    }

    /// A value that the commands leave for the server.
    pub(super) fn flag(&self, name: &str) -> Result<Option<String>, String> {
        let find = "SELECT value FROM flag WHERE name = ?1";
        self.with(|connection| {
            connection
                .query_row(find, [name], |row| row.get(0))
                .optional()
        })
    }

    /// Sets such a value.
    pub(super) fn set_flag(&self, name: &str, value: &str) -> Result<(), String> {
        let insert = "INSERT OR REPLACE INTO flag(name, value) VALUES(?1, ?2)";
        self.with(|connection| connection.execute(insert, [name, value]))
            .map(drop)
    }

    /// Removes one; `true` if it was there.
    pub(super) fn take_flag(&self, name: &str) -> Result<bool, String> {
        let delete = "DELETE FROM flag WHERE name = ?1";
        let deleted = self.with(|connection| connection.execute(delete, [name]));
        Ok(deleted? > 0)
    }

    /// A deletion begins: it is known until it has ended.
    pub(super) fn begin_deletion(&self, id: &str, what: &str) -> Result<(), String> {
        self.set_flag(&format!("{DELETING}{id}"), what)
    }

    pub(super) fn end_deletion(&self, id: &str) -> Result<(), String> {
        self.take_flag(&format!("{DELETING}{id}")).map(drop)
    }

    /// The deletions that have not ended: id and what is known.
    pub(super) fn deletions(&self) -> Result<Vec<(String, String)>, String> {
        let sql = "SELECT substr(name, length(?1) + 1), value FROM flag WHERE name LIKE ?1 || '%'";
        self.with(|connection| {
            let mut find = connection.prepare(sql)?;
            let rows = find.query_map([DELETING], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        })
    }

    /// The last line of the audit log that a host has written: its number and its hash.
    pub(super) fn chain_end(&self, host: &str) -> Result<Option<(u64, String)>, String> {
        let find = "SELECT n, hash FROM chain WHERE host = ?1";
        let found = self.with(|connection| {
            let of = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, row.get(1)?));
            connection.query_row(find, [host], of).optional()
        })?;
        Ok(found.map(|(n, hash)| (n as u64, hash)))
    }

    pub(super) fn set_chain_end(&self, host: &str, n: u64, hash: &str) -> Result<(), String> {
        let insert = "INSERT OR REPLACE INTO chain(host, n, hash) VALUES(?1, ?2, ?3)";
        self.with(|connection| connection.execute(insert, params![host, n as i64, hash]))
            .map(drop)
    }
}
