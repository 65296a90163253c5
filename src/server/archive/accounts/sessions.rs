//! Sessions: who has logged in, until when.

use rusqlite::{params, OptionalExtension};

use super::users::{rights, User};
use super::{hash_of, secret, Accounts};

/// Those who have a password here, and those whom an issuer has named.
const TABLES: [&str; 2] = ["session", "outside_session"];

impl Accounts {
    /// Begins a session; returns the cookie's value.
    pub(in crate::server::archive) fn begin_session(
        &self,
        user: &str,
        now: i64,
        hours: u64,
    ) -> Result<String, String> {
        let value = secret()?;
        let hash = hash_of(&value);
        let expires = now + hours as i64 * 3600;
        self.with(|connection| {
            connection.execute("DELETE FROM session WHERE expires <= ?1", [now])?;
            let insert = "INSERT INTO session(hash, user, expires) VALUES(?1, ?2, ?3)";
            connection.execute(insert, params![&hash[..], user, expires])
        })?;
        Ok(value)
    }

    /// The user of a session that is valid.
    pub(in crate::server::archive) fn session(
        &self,
        value: &str,
        now: i64,
    ) -> Result<Option<User>, String> {
        let sql = "SELECT user.name, role, tenant, devices FROM session JOIN user ON user.name = session.user
            WHERE hash = ?1 AND expires > ?2 AND disabled = 0";
        let hash = hash_of(value);
        self.with(|connection| {
            let of = |row: &rusqlite::Row| {
                Ok(User {
                    name: row.get(0)?,
                    rights: rights(row, 1)?,
                    is_disabled: false,
                })
            };
            let mut find = connection.prepare_cached(sql)?;
            find.query_row(params![&hash[..], now], of).optional()
        })
    }

    /// Ends a session.
    pub(in crate::server::archive) fn end_session(&self, value: &str) -> Result<(), String> {
        let hash = hash_of(value);
        self.with(|connection| {
            for table in TABLES {
                let delete = format!("DELETE FROM {table} WHERE hash = ?1");
                connection.execute(&delete, [&hash[..]])?;
            }
            Ok(())
        })
    }

    pub(super) fn end_sessions(&self, user: &str) -> Result<(), String> {
        self.with(|connection| {
            for table in TABLES {
                let delete = format!("DELETE FROM {table} WHERE user = ?1");
                connection.execute(&delete, [user])?;
            }
            Ok(())
        })
    }
}
