//! The two databases that the archive knows: SQLite, in a file, for one process; PostgreSQL for several
//! hosts.
//!
//! Statements are written once, in what both understand: `?1` or `?` for values (`postgres` numbers them in its own
//! way), `ON CONFLICT` instead of `INSERT OR`, `->>` for members of JSON. `schema` has the tables of each;
//! `pieces` is the search for parts of words, for which the two have nothing in common.

pub(super) use database_place::DatabasePlace;
pub(super) use postgres_pool::{PostgresPool, AWAY};
pub(super) use session::Session;
pub(super) use sqlite_file::{wait_for_others, SqliteFile};
pub(super) use value::{Row, Value};

mod database_place;
mod postgres_pool;
mod postgres_session;
mod session;
mod sqlite_file;
mod value;

/// The values of a statement.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::server::archive::database::Value::from($value)),*] };
}
pub(super) use values;

/// A database, in one of the two.
pub(super) enum Database {
    Sqlite(SqliteFile),
    Postgres(PostgresPool),
}

impl Database {
    /// Does some work in one transaction; nothing is changed if it fails.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        match self {
            Self::Sqlite(file) => file.write(work),
            Self::Postgres(pool) => pool.write(work),
        }
    }

    /// Reads in one transaction: everything is of the same moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        match self {
            Self::Sqlite(file) => file.read(work),
            Self::Postgres(pool) => pool.read(work),
        }
    }
}
