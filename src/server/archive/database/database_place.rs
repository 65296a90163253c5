//! The value of `database`.

use std::fmt;
use std::path::PathBuf;

use crate::server::database_url::{is_url, DatabaseUrl};

/// Where the catalogue is.
#[derive(Clone, Debug)]
pub(in crate::server::archive) enum DatabasePlace {
    /// A file of SQLite.
    File(PathBuf),
    /// PostgreSQL, which several archives share.
    Shared(Box<DatabaseUrl>),
}

impl DatabasePlace {
    /// An error continues the sentence that the key begins.
    pub(in crate::server::archive) fn parse(value: &str) -> Result<Self, String> {
        match value.strip_prefix("sqlite:") {
            Some(file) if !file.is_empty() => Ok(Self::File(file.into())),
            _ if is_url(value) => Ok(Self::Shared(Box::new(DatabaseUrl::parse(value)?))),
            _ => Err(format!(
                "must be sqlite:FILE or postgres://USER:PASSWORD@HOST/DB, not '{value}'"
            )),
        }
    }
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "sqlite:{}", path.display()),
            Self::Shared(url) => url.fmt(f),
        }
    }
}
