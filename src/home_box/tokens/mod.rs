//! The tokens that screens join with: made, checked and revoked by this box.
//!
//! A token carries the HMAC of its own text (`token`), so nobody else can make one. It counts only
//! as long as it is in the list of tokens made (`list`) and not revoked there. Secret and list are
//! files in `stateDir`, which `callrec-box token` changes while a box runs: changes are made under a
//! lock, on what the file holds by then, and the running box reads the file again when it has
//! changed.

use std::fs::{self, Metadata};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;

use crate::base::limits::home_box::{MAX_TOKEN_DAYS, TOKEN_FILE_BYTES};
use crate::home_box::id::is_id;
use crate::home_box::state_dir;
use crate::io::atomic_file;
use crate::io::file_lock::FileLock;
use crate::io::random::Random;

mod list;
mod problem;
mod token;

pub(crate) use list::ListedToken;
pub(crate) use problem::{ChangeProblem, TokenProblem};
pub(crate) use token::{Token, TokenKind};

use list::TokenList;
use token::{Secret, SECRET_BYTES};

const SECRET_FILE: &str = "secret";
const LIST_FILE: &str = "tokens";
const LOCK_FILE: &str = "lock";
const DAY: u64 = 86_400;
/// The first second of 2024: a clock before it has not been set since the box started.
const CLOCK_SET: u64 = 1_704_067_200;

/// The owner of a token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) device: String,
    pub(crate) kind: TokenKind,
}

/// The box's secret and the tokens made with it.
pub(crate) struct TokenStore {
    folder: String,
    secret: Secret,
    list: TokenList,
    /// The list's file when it was read.
    seen: Option<FileStamp>,
}

/// Tells whether a file is still the one that was read: each change replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileStamp {
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

impl TokenStore {
    /// Opens the store in this folder. At its first use folder and secret are made.
    pub(crate) fn open(folder: &str) -> Result<Self, String> {
        let mut store = Self {
            folder: folder.into(),
            secret: open_secret(folder)?,
            list: TokenList::default(),
            seen: None,
        };
        store.read_list()?;
        Ok(store)
    }

    /// Makes a token; `now` is seconds since 1970.
    pub(crate) fn create(
        &mut self,
        device: &str,
        kind: TokenKind,
        days: u32,
        now: u64,
    ) -> Result<String, ChangeProblem> {
        if !is_id(device) {
            return Err(ChangeProblem::Device);
        }
        if !(1..=MAX_TOKEN_DAYS).contains(&days) {
            return Err(ChangeProblem::Days);
        }
        // It would have expired once the clock is set.
        if now < CLOCK_SET {
            return Err(ChangeProblem::ClockNotSet);
        }
        let _lock = self.lock()?;
        self.read_list()?;
        let mut list = self.list.clone();
        if !list.make_room(now) {
            return Err(ChangeProblem::Full);
        }
        list.last_serial += 1;
        let token = Token {
            device: device.into(),
            kind,
            made: now,
            expires: now + u64::from(days) * DAY,
            serial: list.last_serial,
        };
        let text = token.emit(&self.secret);
        list.tokens.push(ListedToken {
            token,
            is_revoked: false,
        });
        self.write_list(list)?;
        Ok(text)
    }

    /// Revokes the tokens made for a device so far; later ones are good.
    pub(crate) fn revoke(&mut self, device: &str) -> Result<(), ChangeProblem> {
        let _lock = self.lock()?;
        self.read_list()?;
        let mut list = self.list.clone();
        let of_device = |listed: &&mut ListedToken| listed.token.device == device;
        let mut is_known = false;
        for listed in list.tokens.iter_mut().filter(of_device) {
            listed.is_revoked = true;
            is_known = true;
        }
        if !is_known {
            return Err(ChangeProblem::UnknownDevice);
        }
        self.write_list(list)?;
        Ok(())
    }

    /// Whether a screen may join with this token; `now` is seconds since 1970.
    pub(crate) fn verify(&self, text: &str, now: u64) -> Result<Verified, TokenProblem> {
        let token = Token::parse(text, &self.secret).ok_or(TokenProblem::Foreign)?;
        // A token leaves the list only after it was revoked or has expired.
        let is_good = |listed: &ListedToken| !listed.is_revoked;
        let is_expired = token.expires <= now;
        match self.list.find(&token) {
            Some(listed) if is_good(listed) && !is_expired => Ok(Verified {
                device: token.device,
                kind: token.kind,
            }),
            Some(listed) if is_good(listed) => Err(TokenProblem::Expired),
            Some(_) => Err(TokenProblem::Revoked),
            None if is_expired => Err(TokenProblem::Expired),
            None => Err(TokenProblem::Revoked),
        }
    }

    /// The tokens made, the oldest first.
    pub(crate) fn tokens(&self) -> &[ListedToken] {
        &self.list.tokens
    }

    /// Reads the list again if another process has changed it; whether it has. Costs one `stat`.
    pub(crate) fn reload_if_changed(&mut self) -> Result<bool, String> {
        let path = self.path(LIST_FILE);
        let stamp = match fs::metadata(&path) {
            Ok(metadata) => Some(FileStamp::of(&metadata)),
            Err(problem) if problem.kind() == ErrorKind::NotFound => None,
            Err(problem) => return Err(format!("{path}: {problem}")),
        };
        if stamp == self.seen {
            return Ok(false);
        }
        self.read_list()?;
        Ok(true)
    }

    fn lock(&self) -> Result<FileLock, String> {
        lock(&self.folder)
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    fn read_list(&mut self) -> Result<(), String> {
        let path = self.path(LIST_FILE);
        let failed = |problem: std::io::Error| format!("{path}: {problem}");
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(problem) if problem.kind() == ErrorKind::NotFound => {
                self.list = TokenList::default();
                self.seen = None;
                return Ok(());
            }
            Err(problem) => return Err(failed(problem)),
        };
        let stamp = FileStamp::of(&file.metadata().map_err(failed)?);
        let mut text = String::new();
        let mut beginning = file.take(TOKEN_FILE_BYTES);
        beginning.read_to_string(&mut text).map_err(failed)?;
        self.list = TokenList::parse(&text).map_err(|line| {
            format!("{path}: line {line} is none of this program's; restore the file or remove it, which revokes all tokens")
        })?;
        self.seen = Some(stamp);
        Ok(())
    }

    /// The list counts from when it is on the medium.
    fn write_list(&mut self, list: TokenList) -> Result<(), String> {
        let path = self.path(LIST_FILE);
        let failed = |problem: std::io::Error| format!("{path}: {problem}");
        atomic_file::replace(&path, list.emit().as_bytes()).map_err(failed)?;
        self.list = list;
        self.seen = fs::metadata(&path).ok().as_ref().map(FileStamp::of);
        Ok(())
    }
}

fn lock(folder: &str) -> Result<FileLock, String> {
    let path = format!("{folder}/{LOCK_FILE}");
    FileLock::acquire(&path).map_err(|problem| format!("{path}: {problem}"))
}

/// The box's secret, which is made if there is none.
fn open_secret(folder: &str) -> Result<Secret, String> {
    if let Some(secret) = read_secret(folder)? {
        return Ok(secret);
    }
    state_dir::create(folder)?;
    let _lock = lock(folder)?;
    // Another process may have been faster.
    if let Some(secret) = read_secret(folder)? {
        return Ok(secret);
    }
    let path = format!("{folder}/{SECRET_FILE}");
    let mut secret = [0; SECRET_BYTES];
    let made = Random::open()
        .fill(&mut secret)
        .and_then(|()| atomic_file::replace(&path, &secret));
    match made {
        Ok(()) => Ok(secret),
        Err(problem) => Err(format!("{path}: {problem}")),
    }
}

/// Only a file that does not exist may be replaced by a new one: that would end all tokens.
fn read_secret(folder: &str) -> Result<Option<Secret>, String> {
    let path = format!("{folder}/{SECRET_FILE}");
    match fs::read(&path) {
        Ok(bytes) => match Secret::try_from(&*bytes) {
            Ok(secret) => Ok(Some(secret)),
            Err(_) => Err(format!(
                "{path}: has {} bytes, not {SECRET_BYTES}; restore it, or remove it, which ends all tokens",
                bytes.len()
            )),
        },
        Err(problem) if problem.kind() == ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(format!("{path}: {problem}")),
    }
}

#[cfg(test)]
mod tests;
