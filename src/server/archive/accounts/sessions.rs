//! Sessions: who has logged in, until when.

use super::users::{rights, User};
use super::{hash_of, secret, Accounts};
use crate::server::archive::database::{values, Row};

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
        self.write(|session| {
            session.execute("DELETE FROM session WHERE expires <= ?1", values![now])?;
            let insert = "INSERT INTO session(hash, \"user\", expires) VALUES(?1, ?2, ?3)";
            session.execute(insert, values![&hash[..], user, expires])
        })?;
        Ok(value)
    }

    /// The user of a session that is valid.
    pub(in crate::server::archive) fn session(
        &self,
        value: &str,
        now: i64,
    ) -> Result<Option<User>, String> {
        let sql = "SELECT u.name, role, tenant, devices FROM session AS s JOIN \"user\" AS u ON u.name = s.\"user\"
            WHERE hash = ?1 AND expires > ?2 AND disabled = 0";
        let hash = hash_of(value);
        let of = |row: &Row| {
            Ok(User {
                name: row.get(0)?,
                rights: rights(row, 1)?,
                is_disabled: false,
            })
        };
        self.read(|session| session.first(sql, values![&hash[..], now], of))
    }

    /// Ends a session.
    pub(in crate::server::archive) fn end_session(&self, value: &str) -> Result<(), String> {
        let hash = hash_of(value);
        self.write(|session| {
            for table in TABLES {
                let delete = format!("DELETE FROM {table} WHERE hash = ?1");
                session.execute(&delete, values![&hash[..]])?;
            }
            Ok(())
        })
    }

    pub(super) fn end_sessions(&self, user: &str) -> Result<(), String> {
        self.write(|session| {
            for table in TABLES {
                let delete = format!("DELETE FROM {table} WHERE \"user\" = ?1");
                session.execute(&delete, values![user])?;
            }
            Ok(())
        })
    }
}
