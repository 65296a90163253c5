//! The catalogue: one connection that writes, and some that read.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::Connection;

use crate::server::archive::schema;

/// Connections that are kept open for readers.
const MAX_READERS: usize = 8;

/// How often a copy is tried, and the pause before the next try: a minute in all.
const COPY_TRIES: usize = 1200;
const COPY_PAUSE: Duration = Duration::from_millis(50);

/// The open catalogue.
pub(super) struct Catalogue {
    path: PathBuf,
    writer: Mutex<Connection>,
    readers: Mutex<Vec<Connection>>,
}

/// What failed, for the log.
pub(super) fn fault(error: impl std::fmt::Display) -> String {
    format!("the catalogue: {error}")
}

/// A lock that a panic elsewhere does not poison: what it guards is a database with transactions, or
/// plain values.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalogue {
    /// Opens it, and creates it if it does not exist.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        Ok(Self {
            writer: Mutex::new(schema::open(path)?),
            path: path.into(),
            readers: Mutex::new(vec![]),
        })
    }

    /// Makes a new one, which nobody reads until it is whole.
    pub(super) fn create(path: &Path) -> Result<Self, String> {
        Ok(Self {
            writer: Mutex::new(schema::create(path)?),
            path: path.into(),
            readers: Mutex::new(vec![]),
        })
    }

    /// Does some work in one transaction; nothing is changed if it fails.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, String>,
    ) -> Result<T, String> {
        let mut writer = lock(&self.writer);
        let transaction = writer
            .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
            .map_err(fault)?;
        let done = work(&transaction)?;
        transaction.commit().map_err(fault)?;
        Ok(done)
    }

    /// Reads in one transaction: everything is of the same moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, String>,
    ) -> Result<T, String> {
        let kept = lock(&self.readers).pop();
        let mut connection = match kept {
            Some(connection) => connection,
            None => schema::open_to_read(&self.path).map_err(fault)?,
        };
        let done = {
            let transaction = connection.transaction().map_err(fault)?;
            work(&transaction)?
        };
        let mut readers = lock(&self.readers);
        if readers.len() < MAX_READERS {
            readers.push(connection);
        }
        Ok(done)
    }

    /// Copies another catalogue over this one, in one step for all who read.
    pub(super) fn replace_with(&self, other: &Path) -> Result<(), String> {
        let source = Connection::open(other).map_err(fault)?;
        let mut writer = lock(&self.writer);
        let backup = Backup::new(&source, &mut writer).map_err(fault)?;
        for _ in 0..COPY_TRIES {
            match backup.step(-1).map_err(fault)? {
                StepResult::Done => return Ok(()),
                // A reader or a writer is in the middle of something.
                _ => std::thread::sleep(COPY_PAUSE),
            }
        }
        Err(fault(
            "is always in use; stop the server, and rebuild again",
        ))
    }
}
