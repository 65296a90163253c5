//! The audit log: who has done what, as a chain of lines in which none can be changed unseen.
//!
//! `DIR/.archive/audit-HOST.ndjson` has a JSON object a line; `prev` is the SHA-256 of the line before
//! it. The last hash is also in accounts.db, so that lines cannot be cut off. Server and commands
//! append to the same file: each holds a lock meanwhile.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::{json, Value};
use sha2::{Digest, Sha256};

use crate::io::file_lock::FileLock;
use crate::recordings::start_time::StartTime;
use crate::server::archive::accounts::Accounts;

/// The file is finished and another one is begun at this length.
const MAX_BYTES: u64 = 64 << 20;
/// No line is longer.
const MAX_LINE: u64 = 256 * 1024;
const NONE_BEFORE: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Who has done something.
#[derive(Clone, Debug, Default)]
pub(super) struct Actor {
    pub(super) who: String,
    pub(super) role: String,
    pub(super) tenant: String,
    /// His address.
    pub(super) from: String,
}

/// The log of one host.
pub(super) struct Audit {
    home: PathBuf,
    host: String,
}

impl Audit {
    pub(super) fn new(home: &Path, host: &str) -> Self {
        Self {
            home: home.into(),
            host: host.into(),
        }
    }

    fn path(&self) -> PathBuf {
        self.home.join(format!("audit-{}.ndjson", self.host))
    }

    /// Appends a line, and returns once it is on the disk. What cannot be logged is not to be done.
    pub(super) fn append(
        &self,
        accounts: &Accounts,
        actor: &Actor,
        what: &str,
        id: &str,
        more: Value,
        now: i64,
    ) -> Result<(), String> {
        let path = self.path();
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let lock = self.home.join("audit-lock").display().to_string();
        let _lock = FileLock::acquire(&lock).map_err(failed)?;
        let mut file = self.open().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let (before, prev) = match last_line(&mut file, length).map_err(failed)? {
            Some(line) => (number_of(&line), hash_of(&line)),
            None => accounts
                .chain_end(&self.host)?
                .unwrap_or((0, NONE_BEFORE.into())),
        };
        let n = before + 1;
        let line = json!({
            "n": n, "time": StartTime::of_seconds(now).start.to_string(), "who": actor.who, "role": actor.role,
            "tenant": actor.tenant, "from": actor.from, "what": what, "id": id, "more": more, "prev": prev,
        });
        let line = line.to_string();
        let written = file
            .write_all(format!("{line}\n").as_bytes())
            .and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Nothing of a line that is not there.
            let _ = file.set_len(length);
            return Err(failed(error));
        }
        accounts.set_chain_end(&self.host, n, &hash_of(line.as_bytes()))?;
        if length + line.len() as u64 >= MAX_BYTES {
            let finished = self
                .home
                .join(format!("audit-{}.{n:012}.ndjson", self.host));
            fs::rename(&path, finished).map_err(failed)?;
        }
        Ok(())
    }

    /// What a crash has left: half a line is cut off, and a line of which accounts.db does not know yet
    /// is its last one.
    pub(super) fn recover(&self, accounts: &Accounts) -> Result<(), String> {
        let path = self.path();
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        if !path.exists() {
            return Ok(());
        }
        let lock = self.home.join("audit-lock").display().to_string();
        let _lock = FileLock::acquire(&lock).map_err(failed)?;
        let mut file = self.open().map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let Some(line) = last_line(&mut file, length).map_err(failed)? else {
            return Ok(());
        };
        let end = ChainEnd::of(&line);
        if end.follows(accounts.chain_end(&self.host)?.as_ref()) {
            accounts.set_chain_end(&self.host, end.n, &end.hash)?;
        }
        Ok(())
    }

    fn open(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true).mode(0o600);
        options.open(self.path())
    }

    /// The last lines, newest first; `take` says whether a line is wanted.
    pub(super) fn latest(
        &self,
        limit: usize,
        take: &dyn Fn(&Value) -> bool,
    ) -> Result<Vec<Value>, String> {
        let mut found: Vec<Value> = vec![];
        for (_, path) in self.files()?.into_iter().rev() {
            let file = File::open(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let lines = BufReader::new(file).lines().map_while(Result::ok);
            let mut wanted: Vec<Value> = lines
                .filter_map(|line| serde_json::from_str(&line).ok())
                .filter(|line| take(line))
                .collect();
            wanted.reverse();
            found.extend(wanted);
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// The files of all hosts: host and path, each host's in order.
    fn files(&self) -> Result<Vec<(String, PathBuf)>, String> {
        let failed = |error: io::Error| format!("{}: {error}", self.home.display());
        let mut files = vec![];
        for entry in fs::read_dir(&self.home).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some(host) = name
                .strip_prefix("audit-")
                .and_then(|name| name.strip_suffix(".ndjson"))
            else {
                continue;
            };
            let is_number =
                |end: &str| end.len() == 12 && end.bytes().all(|byte| byte.is_ascii_digit());
            match host.rsplit_once('.').filter(|(_, end)| is_number(end)) {
                Some((host, end)) => files.push((host.to_owned(), end.to_owned(), path)),
                None => files.push((host.to_owned(), "~".into(), path)),
            }
        }
        files.sort();
        Ok(files
            .into_iter()
            .map(|(host, _, path)| (host, path))
            .collect())
    }

    /// Deletes finished files that were last written before this time.
    pub(super) fn expire(&self, before: i64) -> Result<(), String> {
        use std::os::unix::fs::MetadataExt;
        for (_, path) in self.files()? {
            let is_finished =
                path != self.path() && path.to_string_lossy().matches('.').count() > 1;
            let is_old = fs::metadata(&path).is_ok_and(|file| file.mtime() < before);
            if is_finished && is_old {
                fs::remove_file(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Checks the chains of all hosts; returns `PATH: REASON` lines.
    pub(super) fn check(&self, accounts: &Accounts) -> Result<Vec<String>, String> {
        let mut problems = vec![];
        let mut last: Option<(String, ChainEnd)> = None;
        let files = self.files()?;
        for (at, (host, path)) in files.iter().enumerate() {
            // The oldest files may have been deleted after auditDays: their end is not known any more.
            let before = last
                .take()
                .filter(|(of, ..)| of == host)
                .map(|(_, end)| end);
            let end = check_file(path, before, &mut problems)?;
            let is_last = files.get(at + 1).is_none_or(|(next, _)| next != host);
            if is_last {
                let expected = accounts.chain_end(host)?;
                // A process may have ended between the line and accounts.db; the next one puts it right.
                let is_right = end.as_ref().is_some_and(|end| {
                    expected == Some((end.n, end.hash.clone())) || end.follows(expected.as_ref())
                });
                if expected.is_some() && !is_right {
                    problems.push(format!(
                        "{}: its last line is missing or another one",
                        path.display()
                    ));
                }
            }
            last = end.map(|end| (host.clone(), end));
        }
        if files.iter().all(|(host, _)| *host != self.host)
            && accounts.chain_end(&self.host)?.is_some()
        {
            problems.push(format!("{}: is missing", self.path().display()));
        }
        Ok(problems)
    }
}

/// The last line of a chain, as far as it is known.
struct ChainEnd {
    n: u64,
    prev: String,
    hash: String,
}

impl ChainEnd {
    fn of(line: &[u8]) -> Self {
        let value: Value = serde_json::from_slice(line).unwrap_or_default();
        Self {
            n: value["n"].as_u64().unwrap_or(0),
            prev: value["prev"].as_str().unwrap_or_default().to_owned(),
            hash: hash_of(line),
        }
    }

    /// It is the line after this one; `None`: it is the first.
    fn follows(&self, before: Option<&(u64, String)>) -> bool {
        let (n, hash) = before.map_or((0, NONE_BEFORE), |(n, hash)| (*n, hash));
        self.n == n + 1 && self.prev == hash
    }
}

fn check_file(
    path: &Path,
    before: Option<ChainEnd>,
    problems: &mut Vec<String>,
) -> Result<Option<ChainEnd>, String> {
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut end = before;
    let lines = BufReader::new(File::open(path).map_err(failed)?).lines();
    for (at, line) in lines.enumerate() {
        let line = line.map_err(failed)?;
        let next = ChainEnd::of(line.as_bytes());
        let is_next = match &end {
            Some(end) => next.follows(Some(&(end.n, end.hash.clone()))),
            None => next.n > 1 || next.follows(None),
        };
        if !is_next {
            problems.push(format!(
                "{}: line {}: does not follow from the line before",
                path.display(),
                at + 1
            ));
        }
        end = Some(next);
    }
    Ok(end)
}

/// The last line without its end; a torn one of a power cut is cut off.
fn last_line(file: &mut File, length: u64) -> io::Result<Option<Vec<u8>>> {
    let from = length.saturating_sub(MAX_LINE);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = vec![];
    file.take(MAX_LINE).read_to_end(&mut tail)?;
    let whole = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if whole < tail.len() {
        file.set_len(from + whole as u64)?;
    }
    tail.truncate(whole);
    tail.pop();
    if tail.is_empty() {
        return Ok(None);
    }
    let begin = tail
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    Ok(Some(tail.split_off(begin)))
}

fn number_of(line: &[u8]) -> u64 {
    let value: Value = serde_json::from_slice(line).unwrap_or_default();
    value["n"].as_u64().unwrap_or(0)
}

fn hash_of(line: &[u8]) -> String {
    Sha256::digest(line)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_a_removed_and_a_missing_last_line_are_seen() {
        let home = std::env::temp_dir().join(format!("callrec-audit-{}", std::process::id()));
        let accounts = Accounts::open(&home).unwrap();
        let audit = Audit::new(&home, "host");
        let actor = Actor::default();
        for what in ["one", "two", "three"] {
            audit
                .append(&accounts, &actor, what, "", Value::Null, 0)
                .unwrap();
        }
        assert_eq!(audit.check(&accounts).unwrap(), [""; 0]);
        let path = audit.path();
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for (damaged, what) in [
            (whole.replace("two", "TWO"), "changed"),
            ([lines[0], lines[2], ""].join("\n"), "removed"),
            ([lines[0], lines[1], ""].join("\n"), "cut off"),
            (String::new(), "emptied"),
        ] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(audit.check(&accounts).unwrap().len(), 1, "{what}");
        }
        // A line that a power cut has torn was never told to anyone.
        fs::write(&path, whole.clone() + "{\"n\": 4, \"ti").unwrap();
        audit
            .append(&accounts, &actor, "four", "", Value::Null, 0)
            .unwrap();
        assert_eq!(audit.check(&accounts).unwrap(), [""; 0]);
        let newest = audit.latest(2, &|_| true).unwrap();
        assert_eq!(
            (&newest[0]["what"], &newest[1]["what"]),
            (&"four".into(), &"three".into())
        );
        fs::remove_dir_all(home).unwrap();
    }
}
