//! A transaction in either database.

use std::cell::RefCell;

use super::postgres_session::PostgresConnection;
use super::value::{Row, Value};

/// A transaction in which statements run.
pub(in crate::server::archive) struct Session<'a> {
    pub(super) engine: Engine<'a>,
    /// What a problem's text begins with.
    pub(super) name: &'a str,
}

pub(super) enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(&'a RefCell<PostgresConnection>),
}

impl Session<'_> {
    /// It is PostgreSQL.
    pub(in crate::server::archive) fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Runs a statement, and shows each row as it comes; `on` says whether it wants the next one. It
    /// cannot run other statements meanwhile.
    pub(in crate::server::archive) fn each(
        &self,
        sql: &str,
        values: &[Value],
        mut on: impl FnMut(&Row) -> Result<bool, String>,
    ) -> Result<(), String> {
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(|e| self.fault(e))?;
                let found = statement.query(rusqlite::params_from_iter(values));
                let mut found = found.map_err(|error| self.fault(error))?;
                while let Some(row) = found.next().map_err(|error| self.fault(error))? {
                    if !on(&Row::Sqlite(row)).map_err(|error| self.fault(error))? {
                        break;
                    }
                }
                Ok(())
            }
            Engine::Postgres(connection) => {
                let mut connection = connection.borrow_mut();
                let each = connection.each(sql, values, |row| on(&Row::Postgres(row)));
                each.map_err(|error| self.fault(error))
            }
        }
    }

    /// Runs a statement; `of` makes something of each row.
    pub(in crate::server::archive) fn rows<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut of: impl FnMut(&Row) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut rows = vec![];
        self.each(sql, values, |row| {
            rows.push(of(row)?);
            Ok(true)
        })?;
        Ok(rows)
    }

    /// The first row, if there is one.
    pub(in crate::server::archive) fn first<T>(
        &self,
        sql: &str,
        values: &[Value],
        mut of: impl FnMut(&Row) -> Result<T, String>,
    ) -> Result<Option<T>, String> {
        let mut first = None;
        self.each(sql, values, |row| {
            first = Some(of(row)?);
            Ok(false)
        })?;
        Ok(first)
    }

    /// The row of a statement that always has one.
    pub(in crate::server::archive) fn one<T>(
        &self,
        sql: &str,
        values: &[Value],
        of: impl FnMut(&Row) -> Result<T, String>,
    ) -> Result<T, String> {
        let found = self.first(sql, values, of)?;
        found.ok_or_else(|| self.fault("an answer has no row"))
    }

    /// Runs a statement; returns how many rows it has changed.
    pub(in crate::server::archive) fn execute(
        &self,
        sql: &str,
        values: &[Value],
    ) -> Result<usize, String> {
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql).map_err(|e| self.fault(e))?;
                let changed = statement.execute(rusqlite::params_from_iter(values));
                changed.map_err(|error| self.fault(error))
            }
            Engine::Postgres(connection) => {
                let changed = connection.borrow_mut().execute(sql, values);
                changed.map_err(|error| self.fault(error))
            }
        }
    }

    fn fault(&self, error: impl std::fmt::Display) -> String {
        format!("{}: {error}", self.name)
    }
}
