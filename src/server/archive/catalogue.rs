//! The catalogue of recordings: a file of SQLite, or a schema of PostgreSQL that several archives share.

use std::path::Path;

use serde_json::{json, Value};

use crate::server::archive::database::{
    values, Database, DatabasePlace, PostgresPool, Session, SqliteFile,
};
use crate::server::archive::parts::Change;
use crate::server::archive::schema;
use crate::server::database_url::DatabaseUrl;

/// What problems begin with.
pub(super) const NAME: &str = "the catalogue";
/// Where PostgreSQL has it, and where a new one is made.
const SCHEMA: &str = "catalogue";
const NEW_SCHEMA: &str = "catalogue_new";
/// Where changes are told to other archives, and how many at once: 8000 bytes are the most.
const CHANNEL: &str = "callrec_archive";
const CHANGES_AT_ONCE: usize = 20;

/// The open catalogue.
pub(super) struct Catalogue(Database);

/// What failed, for the log.
pub(super) fn fault(error: impl std::fmt::Display) -> String {
    format!("{NAME}: {error}")
}

impl Catalogue {
    /// Opens it, and creates it if it does not exist.
    pub(super) fn open(place: &DatabasePlace) -> Result<Self, String> {
        match place {
            DatabasePlace::File(path) => {
                let file = SqliteFile::new(path, NAME, schema::open(path)?);
                Ok(Self(Database::Sqlite(file)))
            }
            DatabasePlace::Shared(url) => {
                let pool = schema::open_shared(url, SCHEMA, NAME)?;
                Ok(Self(Database::Postgres(pool)))
            }
        }
    }

    /// Makes a new file, which nobody reads until it is whole.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        let file = SqliteFile::new(path, NAME, schema::create(path)?);
        Ok(Self(Database::Sqlite(file)))
    }

    /// Makes a new schema, which nobody reads until it is whole.
    pub(super) fn create_shared(url: &DatabaseUrl) -> Result<Self, String> {
        let left_behind = PostgresPool::new(url, NEW_SCHEMA, NAME);
        left_behind.batch(&format!("DROP SCHEMA IF EXISTS {NEW_SCHEMA} CASCADE"))?;
        let pool = schema::open_shared(url, NEW_SCHEMA, NAME)?;
        Ok(Self(Database::Postgres(pool)))
    }

    /// Does some work in one transaction; nothing is changed if it fails.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        self.0.write(work)
    }

    /// Reads in one transaction: everything is of the same moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        self.0.read(work)
    }

    /// Copies a new file over one that others have open, in one step for all who read.
    pub(super) fn replace_file(path: &Path, new: &Path) -> Result<(), String> {
        SqliteFile::new(path, NAME, schema::open(path)?).replace_with(new)
    }

    /// Puts the new schema in the place of the old one, in one step for all who read.
    pub(super) fn replace_shared(url: &DatabaseUrl) -> Result<(), String> {
        PostgresPool::new(url, SCHEMA, NAME).batch(&format!(
            "BEGIN;
            DROP SCHEMA IF EXISTS {SCHEMA} CASCADE;
            ALTER SCHEMA {NEW_SCHEMA} RENAME TO {SCHEMA};
            COMMIT"
        ))
    }

    /// Tells other archives what has changed; `from`: who tells it.
    pub(super) fn tell(&self, from: &str, changes: &[Change]) -> Result<(), String> {
        if matches!(self.0, Database::Sqlite(_)) || changes.is_empty() {
            return Ok(());
        }
        self.read(|session| {
            for some in changes.chunks(CHANGES_AT_ONCE) {
                let some: Vec<Value> = some.iter().map(Change::to_json).collect();
                let note = json!({"from": from, "changes": some}).to_string();
                let sql = "SELECT pg_notify(?1, ?2)";
                session.rows(sql, values![CHANNEL, note], |_| Ok(()))?;
            }
            Ok(())
        })
    }

    /// Hands on what other archives tell, until the connection is lost. `None`: there are none.
    pub(super) fn listen(
        &self,
        own: &str,
        mut hand_on: impl FnMut(Vec<Change>),
    ) -> Option<Result<(), String>> {
        let Database::Postgres(pool) = &self.0 else {
            return None;
        };
        Some(pool.listen(CHANNEL, |note| {
            let note: Value = serde_json::from_str(note).unwrap_or_default();
            let changes = note["changes"].as_array().filter(|_| note["from"] != own);
            let changes = changes.into_iter().flatten().filter_map(Change::of_json);
            hand_on(changes.collect());
        }))
    }
}
