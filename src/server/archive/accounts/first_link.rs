//! The one-time link that makes the first administrator.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{hash_of, secret, Accounts};
use crate::base::constant_time::is_equal;

/// The link is valid for so many seconds.
const SECONDS: i64 = 24 * 3600;
const FLAG: &str = "first-link";

impl Accounts {
    /// Makes the link, and writes it to a file; `None`: there has been an administrator.
    pub(in crate::server::archive) fn make_first_link(
        &self,
        home: &Path,
        base: &str,
        now: i64,
    ) -> Result<Option<String>, String> {
        let path = home.join("first-link");
        if self.has_admin()? {
            let _ = fs::remove_file(&path);
            return Ok(None);
        }
        let token = secret()?;
        let link = format!("{base}/first?token={token}");
        let hash: String = hash_of(&token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.set_flag(FLAG, &format!("{hash} {}", now + SECONDS))?;
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let _ = fs::remove_file(&path);
        let mut file = OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        file.write_all(format!("{link}\n").as_bytes())
            .map_err(failed)?;
        Ok(Some(link))
    }

    /// The link's token is valid.
    pub(in crate::server::archive) fn is_first(
        &self,
        token: &str,
        now: i64,
    ) -> Result<bool, String> {
        let Some(flag) = self.flag(FLAG)? else {
            return Ok(false);
        };
        let (hash, expires) = flag.split_once(' ').unwrap_or((&flag, "0"));
        let given: String = hash_of(token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let is_fresh = expires.parse::<i64>().is_ok_and(|expires| now < expires);
        Ok(is_equal(given.as_bytes(), hash.as_bytes()) && is_fresh && !self.has_admin()?)
    }

    /// The link has done its work.
    pub(in crate::server::archive) fn use_up_first_link(&self, home: &Path) -> Result<(), String> {
        self.take_flag(FLAG)?;
        let _ = fs::remove_file(home.join("first-link"));
        Ok(())
    }
}
