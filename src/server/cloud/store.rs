//! What survives a restart: devices that were seen, addresses of webhooks, revocations. SQLite.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use log::warn;
use rusqlite::{params, Connection};

/// How long another process may hold the file.
const BUSY_TIME: Duration = Duration::from_secs(5);

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = NORMAL;
    CREATE TABLE IF NOT EXISTS device (app TEXT, cid INTEGER, PRIMARY KEY (app, cid)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS webhook (app TEXT, kind TEXT, url TEXT, PRIMARY KEY (app, kind)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS revocation (app TEXT, cid INTEGER, expire INTEGER, PRIMARY KEY (app, cid)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS reissue (app TEXT, cid INTEGER, expire INTEGER, PRIMARY KEY (app, cid, expire)) WITHOUT ROWID;
";

/// The database.
pub(super) struct Store(Mutex<Connection>);

/// A row: app, cid, and a number of Unix seconds where there is one.
pub(super) type Row = (String, u32, u32);

impl Store {
    /// Opens or makes the file.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let open = || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(BUSY_TIME)?;
            connection.execute_batch(SCHEMA)?;
            Ok(connection)
        };
        let connection = open().map_err(|problem: rusqlite::Error| {
            format!("database {}: {problem}", path.display())
        })?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Devices that were seen.
    pub(super) fn devices(&self) -> Vec<Row> {
        self.rows("SELECT app, cid, 0 FROM device")
    }

    /// The tokens of a cid up to this expiry are refused.
    pub(super) fn revocations(&self) -> Vec<Row> {
        self.rows("SELECT app, cid, expire FROM revocation")
    }

    /// Tokens that were issued after a revocation.
    pub(super) fn reissues(&self) -> Vec<Row> {
        self.rows("SELECT app, cid, expire FROM reissue")
    }

    /// Addresses of webhooks: app, kind, address.
    pub(super) fn webhooks(&self) -> Vec<(String, String, String)> {
        self.with(|connection| {
            let mut statement = connection.prepare("SELECT app, kind, url FROM webhook")?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .unwrap_or_default()
    }

    pub(super) fn add_device(&self, app: &str, cid: u32) {
        self.change(
            "INSERT OR IGNORE INTO device VALUES (?1, ?2)",
            params![app, cid],
        );
    }

    pub(super) fn remove_device(&self, app: &str, cid: u32) {
        self.change(
            "DELETE FROM device WHERE app = ?1 AND cid = ?2",
            params![app, cid],
        );
    }

    pub(super) fn set_webhook(&self, app: &str, kind: &str, url: &str) {
        self.change(
            "INSERT OR REPLACE INTO webhook VALUES (?1, ?2, ?3)",
            params![app, kind, url],
        );
    }

    pub(super) fn revoke(&self, app: &str, cid: u32, expire: u32) {
        self.change(
            "DELETE FROM reissue WHERE app = ?1 AND cid = ?2",
            params![app, cid],
        );
        self.change(
            "INSERT OR REPLACE INTO revocation VALUES (?1, ?2, ?3)",
            params![app, cid, expire],
        );
    }

    pub(super) fn add_reissue(&self, app: &str, cid: u32, expire: u32) {
        self.change(
            "INSERT OR IGNORE INTO reissue VALUES (?1, ?2, ?3)",
            params![app, cid, expire],
        );
    }

    /// Tokens that have expired need no revocation.
    pub(super) fn forget_expired(&self, now: u64) {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        self.change("DELETE FROM revocation WHERE expire <= ?1", params![now]);
        self.change("DELETE FROM reissue WHERE expire <= ?1", params![now]);
    }

    fn rows(&self, sql: &str) -> Vec<Row> {
        self.with(|connection| {
            let mut statement = connection.prepare(sql)?;
            let rows =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            rows.collect()
        })
        .unwrap_or_default()
    }

    fn change(&self, sql: &str, values: impl rusqlite::Params) {
        self.with(|connection| connection.prepare_cached(sql)?.execute(values));
    }

    /// A failure is logged: the cloud works on from memory.
    fn with<T>(&self, action: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Option<T> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = action(&connection);
        result.map_err(|problem| warn!("database: {problem}")).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_there_after_a_restart() {
        let path = std::env::temp_dir().join(format!("callrec-cloud-{}.db", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let store = Store::open(&path).unwrap();
        store.add_device("Test", u32::MAX);
        store.add_device("Test", u32::MAX);
        store.add_device("Test", 2);
        store.remove_device("Test", 2);
        store.set_webhook("Test", "state", "http://a");
        store.set_webhook("Test", "state", "http://b");
        store.add_reissue("Test", 1, 5);
        store.revoke("Test", 1, 9);
        store.add_reissue("Test", 1, 7);
        drop(store);
        let store = Store::open(&path).unwrap();
        assert_eq!(store.devices(), [("Test".into(), u32::MAX, 0)]);
        assert_eq!(
            store.webhooks(),
            [("Test".into(), "state".into(), "http://b".into())]
        );
        assert_eq!(store.revocations(), [("Test".into(), 1, 9)]);
        assert_eq!(store.reissues(), [("Test".into(), 1, 7)]);
        store.forget_expired(7);
        assert_eq!((store.revocations().len(), store.reissues().len()), (1, 0));
        std::fs::remove_file(&path).unwrap();
        assert!(Store::open(Path::new("/no/such/folder/x.db")).is_err());
    }
}
