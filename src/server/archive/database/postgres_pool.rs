//! Connections to PostgreSQL: as many as there is work at once, and some that are kept.
//!
//! The crate waits for answers on a runtime of its own, which a thread of another one must not do while it
//! carries tasks: hence `block_in_place`.

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::Duration;

use tokio::task::block_in_place;

use super::postgres_session::PostgresConnection;
use super::session::{Engine, Session};
use crate::server::archive::lock::lock;
use crate::server::database_url::DatabaseUrl;

/// Connections that are kept open.
const MOST_KEPT: usize = 8;
/// In a problem's text: the database cannot be asked now.
pub(in crate::server::archive) const AWAY: &str = "the database is away";

/// Who reads sees one moment.
const READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The connections to one schema.
pub(in crate::server::archive) struct PostgresPool {
    url: DatabaseUrl,
    schema: String,
    /// What it is called in problems.
    name: &'static str,
    /// The lock with which all who write to the schema come one after the other, from whichever host, as
    /// in SQLite.
    lock: String,
    kept: Mutex<Vec<PostgresConnection>>,
}

impl PostgresPool {
    pub(in crate::server::archive) fn new(
        url: &DatabaseUrl,
        schema: &str,
        name: &'static str,
    ) -> Self {
        Self {
            url: url.clone(),
            schema: schema.into(),
            name,
            lock: format!("pg_advisory_xact_lock(hashtext('callrec {schema}'))"),
            kept: Mutex::default(),
        }
    }

    fn fault(&self, problem: &str) -> String {
        format!("{}: {problem}", self.name)
    }

    /// Runs statements without values, outside of a transaction: what makes tables.
    pub(in crate::server::archive) fn batch(&self, sql: &str) -> Result<(), String> {
        block_in_place(|| {
            let mut connection = self.connect()?;
            let done = connection.batch(sql);
            done.map_err(|problem| self.fault(&problem))
        })
    }

    /// Makes the schema with these tables, unless the table `mark` is there: then the user needs no right
    /// to make some. `before` is what is done with a schema that lacks it.
    pub(in crate::server::archive) fn make_schema(
        &self,
        mark: &str,
        before: &str,
        tables: &str,
    ) -> Result<(), String> {
        let Self { schema, lock, .. } = self;
        self.batch(&format!(
            "DO $do$ BEGIN
                PERFORM {lock};
                IF to_regclass('{schema}.{mark}') IS NULL THEN
                    {before}
                    CREATE SCHEMA {schema};
                    SET LOCAL search_path = {schema};
                    {tables}
                END IF;
            END $do$"
        ))
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        block_in_place(|| self.run(&format!("BEGIN; SELECT {}", self.lock), work))
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        block_in_place(|| self.run(READ, work))
    }

    fn run<T>(
        &self,
        begin: &str,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        let connection = RefCell::new(self.begin(begin)?);
        let done = work(&Session {
            engine: Engine::Postgres(&connection),
            name: self.name,
        });
        let mut connection = connection.into_inner();
        let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
        let ended = connection.batch(end);
        // Otherwise it is closed, and with it the transaction.
        if ended.is_ok() && !connection.is_closed() {
            let mut kept = lock(&self.kept);
            if kept.len() < MOST_KEPT {
                kept.push(connection);
            }
        }
        let done = done?;
        ended.map_err(|problem| self.fault(&problem))?;
        Ok(done)
    }

    /// A connection on which a transaction has begun. One that was kept may have gone meanwhile.
    fn begin(&self, begin: &str) -> Result<PostgresConnection, String> {
        loop {
            let Some(mut connection) = lock(&self.kept).pop() else {
                break;
            };
            if connection.batch(begin).is_ok() {
                return Ok(connection);
            }
        }
        let mut connection = self.connect()?;
        connection
            .batch(begin)
            .map_err(|problem| self.fault(&problem))?;
        Ok(connection)
    }

    fn connect(&self) -> Result<PostgresConnection, String> {
        let connection = PostgresConnection::open(&self.url, &self.schema);
        connection.map_err(|problem| self.fault(&format!("{AWAY}: {}: {problem}", self.url)))
    }

    /// Hands on what is notified on a channel; returns when the connection has gone.
    pub(in crate::server::archive) fn listen(
        &self,
        channel: &str,
        mut hand_on: impl FnMut(&str),
    ) -> Result<(), String> {
        let mut connection = self.connect()?;
        let listening = connection.batch(&format!("LISTEN {channel}"));
        listening.map_err(|problem| self.fault(&problem))?;
        loop {
            let next = connection.notification(Duration::from_secs(60));
            match next.map_err(|problem| self.fault(&problem))? {
                Some(payload) => hand_on(&payload),
                None => connection
                    .batch("")
                    .map_err(|problem| self.fault(&problem))?,
            }
        }
    }
}

impl Drop for PostgresPool {
    fn drop(&mut self) {
        // The connections wait for their end.
        block_in_place(|| lock(&self.kept).clear());
    }
}
