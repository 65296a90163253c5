//! Sessions of those whom an issuer of OpenID Connect has named: they need no account here.

use super::users::{rights, User};
use super::{hash_of, Accounts};
use crate::server::archive::database::{values, Row};

/// Who has signed in elsewhere.
pub(in crate::server::archive) struct OutsideUser {
    pub(in crate::server::archive) user: User,
    /// He has an account of this name here as well, and with it a password.
    pub(in crate::server::archive) has_account: bool,
}

impl Accounts {
    /// Begins a session; returns the cookie's value. `rights` are those by groups; `None`: an account
    /// of his name says what he may do.
    #[cfg(feature = "oidc")]
    pub(in crate::server::archive) fn begin_outside_session(
        &self,
        user: &str,
        issuer: &str,
        rights: Option<&super::users::Rights>,
        now: i64,
        hours: u64,
    ) -> Result<String, String> {
        let value = super::secret()?;
        let hash = hash_of(&value);
        let expires = now + hours as i64 * 3600;
        let role = rights.map_or("", |rights| rights.role.name());
        let tenant = rights.map_or("", |rights| rights.tenant.as_str());
        self.write(|session| {
            let delete = "DELETE FROM outside_session WHERE expires <= ?1";
            session.execute(delete, values![now])?;
            let insert =
                "INSERT INTO outside_session(hash, \"user\", issuer, role, tenant, expires)
                VALUES(?1, ?2, ?3, ?4, ?5, ?6)";
            let values = values![&hash[..], user, issuer, role, tenant, expires];
            session.execute(insert, values)
        })?;
        Ok(value)
    }

    /// The user of a session that is valid, while this is the issuer who names people.
    pub(in crate::server::archive) fn outside_session(
        &self,
        value: &str,
        issuer: &str,
        now: i64,
    ) -> Result<Option<OutsideUser>, String> {
        // An account that was added or disabled since counts at once.
        let sql = "SELECT o.\"user\", u.name IS NOT NULL,
                coalesce(u.role, o.role), coalesce(u.tenant, o.tenant), coalesce(u.devices, '')
            FROM outside_session AS o LEFT JOIN \"user\" AS u ON u.name = o.\"user\"
            WHERE hash = ?1 AND issuer = ?2 AND expires > ?3 AND coalesce(disabled, 0) = 0
                AND coalesce(u.role, o.role) <> ''";
        let hash = hash_of(value);
        let of = |row: &Row| {
            Ok(OutsideUser {
                user: User {
                    name: row.get(0)?,
                    rights: rights(row, 2)?,
                    is_disabled: false,
                },
                has_account: row.get(1)?,
            })
        };
        self.read(|session| session.first(sql, values![&hash[..], issuer, now], of))
    }
}
