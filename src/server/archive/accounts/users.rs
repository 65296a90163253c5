//! Users: their roles, and which recordings are theirs.

use super::{password, Accounts};
use crate::server::archive::database::{values, Row};
use crate::server::archive::glob::matches;
use crate::server::archive::tenants::{Tenants, DEFAULT_TENANT};

/// What somebody may do; each may what the ones before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::server::archive) enum Role {
    Agent,
    Supervisor,
    Admin,
}

impl Role {
    pub(in crate::server::archive) const ALL: [Self; 3] =
        [Self::Agent, Self::Supervisor, Self::Admin];

    pub(in crate::server::archive) fn name(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    pub(in crate::server::archive) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// Whose recordings somebody may see, and what he may do with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::archive) struct Rights {
    pub(in crate::server::archive) role: Role,
    pub(in crate::server::archive) tenant: String,
    /// Only these devices; empty: all of the tenant.
    pub(in crate::server::archive) devices: Vec<String>,
}

impl Rights {
    /// He may see what is in this folder.
    pub(in crate::server::archive) fn sees(&self, tenants: &Tenants, folder: &str) -> bool {
        let of_tenant = self.is_of_all() || tenants.of(folder) == self.tenant;
        let of_device =
            self.devices.is_empty() || self.devices.iter().any(|glob| matches(glob, folder));
        of_tenant && of_device
    }

    /// An administrator of the first tenant administers all.
    pub(in crate::server::archive) fn is_of_all(&self) -> bool {
        self.role == Role::Admin && self.tenant == DEFAULT_TENANT
    }
}

/// A user.
#[derive(Clone, Debug)]
pub(in crate::server::archive) struct User {
    pub(in crate::server::archive) name: String,
    pub(in crate::server::archive) rights: Rights,
    pub(in crate::server::archive) is_disabled: bool,
}

pub(in crate::server::archive) fn devices_of(text: &str) -> Vec<String> {
    crate::server::archive::tenants::globs_of(text)
}

/// `role`, `tenant` and `devices` of a row, from this column on.
pub(super) fn rights(row: &Row, at: usize) -> Result<Rights, String> {
    let role: String = row.get(at)?;
    let devices: String = row.get(at + 2)?;
    Ok(Rights {
        role: Role::parse(&role).unwrap_or(Role::Agent),
        tenant: row.get(at + 1)?,
        devices: devices_of(&devices),
    })
}

/// Names of users: what a log line and a command line take without doubt.
pub(in crate::server::archive) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_alphanumeric() || "-_.@".contains(c);
    if name.is_empty() || name.chars().count() > 64 || !name.chars().all(is_plain) {
        return Err(format!(
            "'{name}': a name has letters, digits, '-', '_', '.' and '@', 64 at the most"
        ));
    }
    Ok(())
}

impl Accounts {
    /// Adds a user.
    pub(in crate::server::archive) fn add_user(
        &self,
        name: &str,
        password: &str,
        rights: &Rights,
    ) -> Result<(), String> {
        check_name(name)?;
        let hashed = password::hash(password)?;
        let insert =
            "INSERT INTO \"user\"(name, password, role, devices, tenant) VALUES(?1, ?2, ?3, ?4, ?5)
            ON CONFLICT DO NOTHING";
        let values = values![
            name,
            hashed,
            rights.role.name(),
            rights.devices.join(","),
            &rights.tenant,
        ];
        match self.write(|session| session.execute(insert, values))? {
            0 => Err(format!(
                "{name}: there is such a user already; 'passwd' changes the password"
            )),
            _ => Ok(()),
        }
    }

    /// Changes a password; it ends all sessions.
    pub(in crate::server::archive) fn set_password(
        &self,
        name: &str,
        password: &str,
    ) -> Result<(), String> {
        let hashed = password::hash(password)?;
        let update = "UPDATE \"user\" SET password = ?2, disabled = 0 WHERE name = ?1";
        let changed = self.write(|session| session.execute(update, values![name, &hashed]))?;
        self.end_sessions(name)?;
        found(name, changed)
    }

    /// Disables a user, and ends his sessions.
    pub(in crate::server::archive) fn disable_user(&self, name: &str) -> Result<(), String> {
        let update = "UPDATE \"user\" SET disabled = 1 WHERE name = ?1";
        let changed = self.write(|session| session.execute(update, values![name]))?;
        self.end_sessions(name)?;
        found(name, changed)
    }

    /// The user of this name, also one that is disabled.
    pub(in crate::server::archive) fn user(&self, name: &str) -> Result<Option<User>, String> {
        let sql = "SELECT name, role, tenant, devices, disabled FROM \"user\" WHERE name = ?1";
        self.read(|session| session.first(sql, values![name], user_of))
    }

    /// All users, by name.
    pub(in crate::server::archive) fn users(&self) -> Result<Vec<User>, String> {
        let sql = "SELECT name, role, tenant, devices, disabled FROM \"user\" ORDER BY name";
        self.read(|session| session.rows(sql, values![], user_of))
    }

    /// There has been an administrator.
    pub(in crate::server::archive) fn has_admin(&self) -> Result<bool, String> {
        let sql = "SELECT EXISTS(SELECT 1 FROM \"user\" WHERE role = 'admin')";
        self.read(|session| session.one(sql, values![], |row| row.get(0)))
    }

    /// The user with this name and password. It takes as long for names that do not exist.
    pub(in crate::server::archive) fn log_in(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<User>, String> {
        let sql = "SELECT name, role, tenant, devices, password FROM \"user\" WHERE name = ?1 AND disabled = 0";
        let of = |row: &Row| {
            let user = User {
                name: row.get(0)?,
                rights: rights(row, 1)?,
                is_disabled: false,
            };
            Ok((user, row.get::<String>(4)?))
        };
        let found = self.read(|session| session.first(sql, values![name], of))?;
        let hash = found.as_ref().map(|(_, hash)| hash.as_str());
        let is_right = password::is_right(password, hash);
        Ok(found.filter(|_| is_right).map(|(user, _)| user))
    }
}

fn user_of(row: &Row) -> Result<User, String> {
    Ok(User {
        name: row.get(0)?,
        rights: rights(row, 1)?,
        is_disabled: row.get(4)?,
    })
}

fn found(name: &str, changed: usize) -> Result<(), String> {
    match changed {
        0 => Err(format!("there is no user '{name}'")),
        _ => Ok(()),
    }
}
