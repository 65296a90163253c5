//! Tokens: the passwords of programs, `cra_` and 43 characters.

use super::users::{rights, Rights, User};
use super::{hash_of, secret, Accounts};
use crate::server::archive::database::{values, Row};

/// What a token begins with, so that scanners for secrets find one that was published.
pub(in crate::server::archive) const PREFIX: &str = "cra_";

/// A token without its secret.
pub(in crate::server::archive) struct Token {
    pub(in crate::server::archive) name: String,
    pub(in crate::server::archive) rights: Rights,
    /// Seconds since 1970.
    pub(in crate::server::archive) expires: i64,
}

impl Accounts {
    /// Makes a token; returns what its program is given.
    pub(in crate::server::archive) fn new_token(
        &self,
        name: &str,
        rights: &Rights,
        expires: i64,
    ) -> Result<String, String> {
        if name.is_empty() || name.chars().any(char::is_control) {
            return Err(format!("'{name}': is no name for a token"));
        }
        let token = format!("{PREFIX}{}", secret()?);
        let hash = hash_of(&token);
        let insert = "INSERT INTO token(name, hash, role, devices, tenant, expires) VALUES(?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT DO NOTHING";
        let values = values![
            name,
            &hash[..],
            rights.role.name(),
            rights.devices.join(","),
            &rights.tenant,
            expires,
        ];
        match self.write(|session| session.execute(insert, values))? {
            0 => Err(format!(
                "{name}: there is such a token already; 'revoke' removes it"
            )),
            _ => Ok(token),
        }
    }

    /// Whose token this is, if it is valid: a program, with the token's name.
    pub(in crate::server::archive) fn token(
        &self,
        token: &str,
        now: i64,
    ) -> Result<Option<User>, String> {
        let sql = "SELECT name, role, tenant, devices FROM token WHERE hash = ?1 AND expires > ?2";
        let hash = hash_of(token);
        let of = |row: &Row| {
            Ok(User {
                name: format!("token:{}", row.get::<String>(0)?),
                rights: rights(row, 1)?,
                is_disabled: false,
            })
        };
        self.read(|session| session.first(sql, values![&hash[..], now], of))
    }

    /// All tokens, by name.
    pub(in crate::server::archive) fn tokens(&self) -> Result<Vec<Token>, String> {
        let sql = "SELECT name, role, tenant, devices, expires FROM token ORDER BY name";
        let of = |row: &Row| {
            Ok(Token {
                name: row.get(0)?,
                rights: rights(row, 1)?,
                expires: row.get(4)?,
            })
        };
        self.read(|session| session.rows(sql, values![], of))
    }

    /// Removes a token.
    pub(in crate::server::archive) fn revoke_token(&self, name: &str) -> Result<(), String> {
        let delete = "DELETE FROM token WHERE name = ?1";
        match self.write(|session| session.execute(delete, values![name]))? {
            0 => Err(format!("{name}: there is no such token")),
            _ => Ok(()),
        }
    }
}
