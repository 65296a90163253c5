//! What no recording tells: users, sessions, tokens, and the secret that ids are made with, in
//! `DIR/.archive/accounts.db`, or in the schema `accounts` of PostgreSQL (`tables`). It is never made anew from the
//! files; whoever keeps the archive backs it up.
//!
//! Secrets are kept as their SHA-256, passwords as Argon2. Several processes may have it open: every
//! question is asked to the database.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::io::random::Random;
use crate::server::archive::database::{values, Database, Row, Session};
use crate::server::archive::id::IdKey;
use crate::server::archive::settings::ArchiveSettings;
use crate::server::database_url::DatabaseUrl;
use crate::wire::rendezvous::cipher::encode;

pub(super) mod first_link;
pub(super) mod outside_sessions;
pub(super) mod password;
pub(super) mod sessions;
mod tables;
pub(super) mod tokens;
pub(super) mod users;

/// The open database.
pub(super) struct Accounts {
    database: Database,
    /// What the flags of this host's deletions begin with.
    deleting: String,
}

/// A secret of 256 bits, as text of 43 characters.
pub(super) fn secret() -> Result<String, String> {
    let mut bytes = [0; 32];
    let filled = Random::open().fill(&mut bytes);
    filled.map_err(|error| format!("no random numbers: {error}"))?;
    let mut text = [0; 44];
    encode(&bytes, &mut text);
    let text = String::from_utf8_lossy(&text[..43]);
    Ok(text.replace('+', "-").replace('/', "_"))
}

/// What is kept of a secret.
pub(super) fn hash_of(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

impl Accounts {
    /// Those of the configuration.
    pub(super) fn of(settings: &ArchiveSettings) -> Result<Self, String> {
        match settings.shared() {
            None => Self::open(&settings.home()),
            Some(url) => Self::open_shared(url, &settings.host_name(), &settings.home()),
        }
    }

    /// Opens `accounts.db` in a folder, and creates it if it does not exist.
    pub(super) fn open(home: &Path) -> Result<Self, String> {
        Ok(Self {
            database: Database::Sqlite(tables::open_file(home)?),
            deleting: "deleting:".into(),
        })
    }

    /// Opens those that several archives share; `host` is this one's name.
    fn open_shared(url: &DatabaseUrl, host: &str, home: &Path) -> Result<Self, String> {
        tables::make_home(home)?;
        Ok(Self {
            database: Database::Postgres(tables::open_shared(url)?),
            deleting: format!("deleting@{host}:"),
        })
    }

    fn read<T>(&self, work: impl FnOnce(&Session) -> Result<T, String>) -> Result<T, String> {
        self.database.read(work)
    }

    fn write<T>(&self, work: impl FnOnce(&Session) -> Result<T, String>) -> Result<T, String> {
        self.database.write(work)
    }

    /// The secret that ids are made with; made at the first time.
    pub(super) fn id_key(&self) -> Result<IdKey, String> {
        let mut fresh = [0; 32];
        let filled = Random::open().fill(&mut fresh);
        filled.map_err(|error| format!("no random numbers: {error}"))?;
        let key: Vec<u8> = self.write(|session| {
            let insert = "INSERT INTO secret(name, value) VALUES('id', ?1) ON CONFLICT DO NOTHING";
            session.execute(insert, values![&fresh[..]])?;
            let find = "SELECT value FROM secret WHERE name = 'id'";
            session.one(find, values![], |row| row.get(0))
        })?;
        let key = <[u8; 32]>::try_from(key)
            .map_err(|_| "the key of the ids has a wrong length".to_owned())?;
        Ok(IdKey::new(key))
    }

    /// A value that the commands leave for the server.
    pub(super) fn flag(&self, name: &str) -> Result<Option<String>, String> {
        let find = "SELECT value FROM flag WHERE name = ?1";
        self.read(|session| session.first(find, values![name], |row| row.get(0)))
    }

    /// Sets such a value.
    pub(super) fn set_flag(&self, name: &str, value: &str) -> Result<(), String> {
        let insert = "INSERT INTO flag(name, value) VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = ?2";
        self.write(|session| session.execute(insert, values![name, value]))
            .map(drop)
    }

    /// Removes one; `true` if it was there.
    pub(super) fn take_flag(&self, name: &str) -> Result<bool, String> {
        let delete = "DELETE FROM flag WHERE name = ?1";
        let deleted = self.write(|session| session.execute(delete, values![name]));
        Ok(deleted? > 0)
    }

    /// A deletion begins: it is known until it has ended.
    pub(super) fn begin_deletion(&self, id: &str, what: &str) -> Result<(), String> {
        self.set_flag(&format!("{}{id}", self.deleting), what)
    }

    pub(super) fn end_deletion(&self, id: &str) -> Result<(), String> {
        self.take_flag(&format!("{}{id}", self.deleting)).map(drop)
    }

    /// The deletions of this host that have not ended: id and what is known.
    pub(super) fn deletions(&self) -> Result<Vec<(String, String)>, String> {
        let sql = "SELECT name, value FROM flag WHERE substr(name, 1, ?1) = ?2";
        let length = self.deleting.chars().count() as i64;
        let of = |row: &Row| -> Result<(String, String), String> {
            let name: String = row.get(0)?;
            Ok((name[self.deleting.len()..].to_owned(), row.get(1)?))
        };
        self.read(|session| session.rows(sql, values![length, &self.deleting], of))
    }

    /// The last line of the audit log that a host has written: its number and its hash.
    pub(super) fn chain_end(&self, host: &str) -> Result<Option<(u64, String)>, String> {
        let find = "SELECT n, hash FROM chain WHERE host = ?1";
        let of = |row: &Row| -> Result<(i64, String), String> { Ok((row.get(0)?, row.get(1)?)) };
        let found = self.read(|session| session.first(find, values![host], of))?;
        Ok(found.map(|(n, hash)| (n as u64, hash)))
    }

    pub(super) fn set_chain_end(&self, host: &str, n: u64, hash: &str) -> Result<(), String> {
        let insert = "INSERT INTO chain(host, n, hash) VALUES(?1, ?2, ?3)
            ON CONFLICT(host) DO UPDATE SET n = ?2, hash = ?3";
        self.write(|session| session.execute(insert, values![host, n as i64, hash]))
            .map(drop)
    }

    /// The number of a place in a database that archives share; numbers of its kind begin with `first`.
    pub(super) fn place(&self, name: &str, first: i64, end: i64) -> Result<i64, String> {
        self.write(|session| {
            let insert = "INSERT INTO place(name, number)
                SELECT ?1, coalesce(max(number) + 1, ?2) FROM place WHERE number >= ?2 AND number < ?3
                ON CONFLICT DO NOTHING";
            session.execute(insert, values![name, first, end])?;
            let find = "SELECT number FROM place WHERE name = ?1";
            session.one(find, values![name], |row| row.get(0))
        })
    }
}
