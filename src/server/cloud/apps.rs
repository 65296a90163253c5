//! The apps: their keys and the ranges of their devices.

use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};

use log::{info, warn};

use crate::base::constant_time::is_equal;
use crate::server::cloud::settings::AppLine;
use crate::server::web::secret_file::read_app_key;
use crate::wire::cloud::digests::{check_token, Verdict};
use crate::wire::cloud::token::Token;

/// An app by its place in the list.
pub(super) type AppNumber = usize;

/// A device: cids are those of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Device {
    pub(super) app: AppNumber,
    pub(super) cid: u32,
}

/// All apps.
pub(super) struct Apps {
    apps: Vec<App>,
    /// As `apps`: the keys of each, in the order of the lines.
    keys: RwLock<Vec<Vec<String>>>,
}

struct App {
    id: String,
    key_files: Vec<PathBuf>,
    /// Joined, in their order.
    ranges: Vec<(u32, u32)>,
}

impl Apps {
    /// Reads the keys.
    pub(super) fn open(lines: &[AppLine]) -> Result<Self, String> {
        let mut apps: Vec<App> = vec![];
        for line in lines {
            let known = apps.iter().position(|app| app.id == line.id);
            let number = known.unwrap_or_else(|| {
                apps.push(App {
                    id: line.id.clone(),
                    key_files: vec![],
                    ranges: vec![],
                });
                apps.len() - 1
            });
            apps[number].key_files.push(line.key_file.clone());
            apps[number].ranges.push((line.first, line.last));
        }
        for app in &mut apps {
            app.ranges = joined(std::mem::take(&mut app.ranges));
        }
        let keys = read_keys(&apps)?;
        Ok(Self {
            apps,
            keys: RwLock::new(keys),
        })
    }

    /// Reads the keys again; if a file cannot be read, the old ones stay.
    pub(super) fn reload(&self) {
        match read_keys(&self.apps) {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
                info!("app keys read again");
            }
            Err(problem) => warn!("app keys: {problem}; the old ones stay"),
        }
    }

    fn keys(&self, app: AppNumber) -> Vec<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.get(app).cloned().unwrap_or_default()
    }

    /// The app of these credentials.
    pub(super) fn of_credentials(&self, id: &str, key: &str) -> Option<AppNumber> {
        let app = self.apps.iter().position(|app| app.id == id)?;
        let is_key = |found, own: &String| found | is_equal(key.as_bytes(), own.as_bytes());
        self.keys(app).iter().fold(false, is_key).then_some(app)
    }

    /// The device of a token that is valid now.
    pub(super) fn of_token(&self, token: &str, now: u64) -> Option<(Device, u32)> {
        let parsed = Token::parse(token.as_bytes()).ok()?;
        let is_valid = |app: &AppNumber| {
            let keys = self.keys(*app);
            self.has(*app, parsed.cid)
                && check_token(token.as_bytes(), &keys, now) == Verdict::Valid
        };
        let app = (0..self.apps.len()).find(is_valid)?;
        let cid = parsed.cid;
        Some((Device { app, cid }, parsed.expire))
    }

    /// The cid is in the ranges of the app.
    pub(super) fn has(&self, app: AppNumber, cid: u32) -> bool {
        let mut ranges = self.ranges(app).iter();
        ranges.any(|(first, last)| (*first..=*last).contains(&cid))
    }

    /// Closed ranges.
    pub(super) fn ranges(&self, app: AppNumber) -> &[(u32, u32)] {
        self.apps.get(app).map_or(&[], |app| &app.ranges)
    }

    /// Its id.
    pub(super) fn id(&self, app: AppNumber) -> &str {
        self.apps.get(app).map_or("", |app| &app.id)
    }

    /// The app of this id.
    pub(super) fn number(&self, id: &str) -> Option<AppNumber> {
        self.apps.iter().position(|app| app.id == id)
    }

    /// The key that signs and makes tokens: that of the last line.
    pub(super) fn signing_key(&self, app: AppNumber) -> String {
        self.keys(app).pop().unwrap_or_default()
    }
}

fn read_keys(apps: &[App]) -> Result<Vec<Vec<String>>, String> {
    let keys_of = |app: &App| {
        app.key_files
            .iter()
            .map(|file| read_app_key(file))
            .collect()
    };
    apps.iter().map(keys_of).collect()
}

/// Ranges that touch or overlap become one.
fn joined(mut ranges: Vec<(u32, u32)>) -> Vec<(u32, u32)> {
    ranges.sort_unstable();
    let mut joined: Vec<(u32, u32)> = vec![];
    for (first, last) in ranges {
        match joined.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => joined.push((first, last)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_joined() {
        assert_eq!(
            joined(vec![(5, 9), (1, 4), (20, 30), (25, 26)]),
            [(1, 9), (20, 30)]
        );
        assert_eq!(joined(vec![(1, u32::MAX), (7, 8)]), [(1, u32::MAX)]);
    }
}
