//! SQLite: one connection that writes, and some that read.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::session::{Engine, Session};
use crate::server::archive::lock::lock;

/// Connections that are kept open for readers.
const MAX_READERS: usize = 8;
/// How often a copy is tried, and the pause before the next try: a minute in all.
const COPY_TRIES: usize = 1200;
const COPY_PAUSE: Duration = Duration::from_millis(50);
/// How long a writer waits for another one: a rebuild copies the whole catalogue.
const BUSY: Duration = Duration::from_secs(60);

/// An open file.
pub(in crate::server::archive) struct SqliteFile {
    path: PathBuf,
    /// What it is called in problems.
    name: &'static str,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

impl SqliteFile {
    pub(in crate::server::archive) fn new(
        path: &Path,
        name: &'static str,
        writer: Connection,
    ) -> Self {
        Self {
            path: path.into(),
            name,
            writer: Mutex::new(writer),
            readers: Mutex::new(vec![]),
        }
    }

    fn session<'a>(&self, connection: &'a Connection) -> Session<'a> {
        Session {
            engine: Engine::Sqlite(connection),
            name: self.name,
        }
    }

    fn fault(&self, error: impl std::fmt::Display) -> String {
        format!("{}: {error}", self.name)
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut writer = lock(&self.writer);
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| self.fault(error))?;
        let done = work(&self.session(&transaction))?;
        transaction.commit().map_err(|error| self.fault(error))?;
        Ok(done)
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Session) -> Result<T, String>,
    ) -> Result<T, String> {
        let kept = lock(&self.readers).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => open_to_read(&self.path).map_err(|error| self.fault(error))?,
        };
        let done = {
            let transaction = connection
                .transaction()
                .map_err(|error| self.fault(error))?;
            work(&self.session(&transaction))?
        };
        let mut readers = lock(&self.readers);
        if readers.len() < MAX_READERS {
            readers.push(connection);
        }
        Ok(done)
    }

    /// Copies another file over this one, in one step for all who read.
    pub(in crate::server::archive) fn replace_with(&self, other: &Path) -> Result<(), String> {
        let source = Connection::open(other).map_err(|error| self.fault(error))?;
        let mut writer = lock(&self.writer);
        let backup = Backup::new(&source, &mut writer).map_err(|error| self.fault(error))?;
        for _ in 0..COPY_TRIES {
            match backup.step(-1).map_err(|error| self.fault(error))? {
                StepResult::Done => return Ok(()),
                // A reader or a writer is in the middle of something.
                _ => std::thread::sleep(COPY_PAUSE),
            }
        }
        Err(self.fault("is always in use; stop the server, and rebuild again"))
    }
}

/// Sets what each connection that writes needs.
pub(in crate::server::archive) fn wait_for_others(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)
}

fn open_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(None, "case_sensitive_like", true)?;
    Ok(connection)
}
