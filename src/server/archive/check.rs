//! `callrec-server archive check`: the balance of what was accepted and what is there, and the audit
//! log. It reads only: it makes a catalogue of its own, and removes it again.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{json, Map, Value};

use crate::cli::console::print;
use crate::cli::failure::Failure;
use crate::recordings::checksum::sha256;
use crate::server::archive::accounts::Accounts;
use crate::server::archive::audio_file::AudioFile;
use crate::server::archive::audit::Audit;
use crate::server::archive::bucket::FIRST_BUCKET;
use crate::server::archive::bucket_cache::BucketCache;
use crate::server::archive::command_line::{settings, take_flag};
use crate::server::archive::database::{values, Row, Session};
use crate::server::archive::id::IdKey;
use crate::server::archive::journal_reader::{balance, hosts, Balance};
use crate::server::archive::places::Places;
use crate::server::archive::rebuild::{create, fill, remove};
use crate::server::archive::settings::ArchiveSettings;

/// A recording whose audio is missing.
const NO_FILE: &str = "(state = 'incomplete' AND document ->> 'problem' = 'no-file')";

/// All that was found.
struct Report {
    /// `PATH: REASON`.
    problems: Vec<String>,
    running: u64,
    present: u64,
    /// Recordings without audio that no journal knows.
    lost: u64,
    balance: Balance,
    by_host: Vec<(String, Balance)>,
}

pub(super) fn main(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let has_sums = take_flag(&mut arguments, "--sums");
    let is_json = take_flag(&mut arguments, "--json");
    let settings = settings(arguments)?;
    let report = check(&settings, has_sums).map_err(Failure::Failed)?;
    print(&if is_json {
        report.json()
    } else {
        report.text()
    })?;
    Ok(ExitCode::from(u8::from(!report.problems.is_empty())))
}

fn check(settings: &ArchiveSettings, has_sums: bool) -> Result<Report, String> {
    let home = settings.home();
    // It reads only: where no archive has been, ids are those of a key that nobody keeps.
    let accounts = match settings.shared().is_some() || home.join("accounts.db").exists() {
        true => Some(Accounts::of(settings)?),
        false => None,
    };
    let key = match &accounts {
        Some(accounts) => accounts.id_key()?,
        None => IdKey::new([0; 32]),
    };
    let path = std::env::temp_dir().join(format!("callrec-check-{}.db", std::process::id()));
    let places = Places::in_order(settings);
    let filled = create(&path).and_then(|new| fill(settings, new, &places, &key, false));
    let report = filled.and_then(|catalogue| {
        catalogue.read(|session| report(session, settings, &places, has_sums))
    });
    remove(&path)?;
    let mut report = report?;
    if let Some(accounts) = &accounts {
        let audit = Audit::new(&home, &settings.host_name());
        report.problems.extend(audit.check(accounts)?);
    }
    Ok(report)
}

fn report(
    session: &Session,
    settings: &ArchiveSettings,
    places: &Places,
    has_sums: bool,
) -> Result<Report, String> {
    let mut problems = part_problems(session, places)?;
    problems.extend(lost(session, places)?);
    if has_sums {
        problems.extend(wrong_sums(session, settings, places)?);
    }
    let count = |condition: &str| -> Result<u64, String> {
        let sql = format!("SELECT count(*) FROM recording WHERE {condition}");
        let count: i64 = session.one(&sql, values![], |row| row.get(0))?;
        Ok(count as u64)
    };
    let mut by_host = vec![];
    for host in hosts(session)? {
        let of_host = balance(session, Some(&host))?;
        by_host.push((host, of_host));
    }
    Ok(Report {
        problems,
        running: count("state = 'running'")?,
        present: count(&format!(
            "state NOT IN ('running', 'deleted') AND NOT {NO_FILE}"
        ))?,
        lost: count(&format!(
            "{NO_FILE} AND id NOT IN (SELECT id FROM accepted)"
        ))?,
        balance: balance(session, None)?,
        by_host,
    })
}

fn path_of(places: &Places, place: i64, folder: &str, name: &str) -> PathBuf {
    places.path(place).join(folder).join(name)
}

fn part_problems(session: &Session, places: &Places) -> Result<Vec<String>, String> {
    let sql =
        "SELECT place, folder.name, stem, problem FROM part JOIN folder ON folder.id = part.folder
        WHERE problem IS NOT NULL ORDER BY 1, 2, 3";
    let of = |row: &Row| -> Result<String, String> {
        let (folder, stem, problem): (String, String, String) =
            (row.get(1)?, row.get(2)?, row.get(3)?);
        let path = path_of(places, row.get(0)?, &folder, &format!("{stem}.wav"));
        Ok(format!("{}: {problem}", path.display()))
    };
    let mut problems = session.rows(sql, values![], of)?;
    let sql = "SELECT folder.name, document FROM recording JOIN folder ON folder.id = recording.folder WHERE state = 'incomplete'";
    let of = |row: &Row| -> Result<(String, String), String> { Ok((row.get(0)?, row.get(1)?)) };
    for (folder, document) in session.rows(sql, values![], of)? {
        let document: Value = serde_json::from_str(&document).unwrap_or_default();
        if document["problem"] == "part" {
            let call = document["call"].as_str().unwrap_or_default();
            let path = path_of(places, 0, &folder, call);
            problems.push(format!(
                "{}: part {} is missing",
                path.display(),
                document["parts_missing"]
            ));
        }
    }
    Ok(problems)
}

/// Calls that were accepted, and of which there is nothing.
fn lost(session: &Session, places: &Places) -> Result<Vec<String>, String> {
    let sql = "SELECT folder, stem, reason FROM accepted WHERE state = 'lost'
        AND NOT EXISTS (SELECT 1 FROM recording WHERE recording.id = accepted.id) ORDER BY folder, stem";
    let of = |row: &Row| -> Result<String, String> {
        let (folder, stem, reason): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let path = path_of(places, 0, &folder, &format!("{stem}.wav"));
        Ok(format!("{}: lost: {reason}", path.display()))
    };
    session.rows(sql, values![], of)
}

/// Reads all audio.
fn wrong_sums(
    session: &Session,
    settings: &ArchiveSettings,
    places: &Places,
) -> Result<Vec<String>, String> {
    let sql =
        "SELECT place, folder.name, stem, members FROM part JOIN folder ON folder.id = part.folder
        WHERE state = 'finished' AND problem IS NULL ORDER BY 1, 2, 3";
    let buckets = settings.buckets()?;
    let temporary = std::env::temp_dir().join(format!("callrec-check-{}", std::process::id()));
    let cache = BucketCache::new(&temporary, buckets);
    let mut problems = vec![];
    session.each(sql, values![], |row| {
        let (place, folder, stem): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let members: String = row.get(3)?;
        let members: Map<String, Value> = serde_json::from_str(&members).unwrap_or_default();
        let Some(expected) = members.get("sha256").and_then(Value::as_str) else {
            return Ok(true); // a crash has interrupted it
        };
        let path = path_of(places, place, &folder, &format!("{stem}.wav"));
        let audio = if place >= FIRST_BUCKET {
            let copy = cache.copy(&folder, &format!("{stem}.wav"), 0)?;
            copy.unwrap_or_default()
        } else {
            path.clone()
        };
        match sum_of(&audio) {
            Ok(sum) if sum == expected => {}
            Ok(_) => problems.push(format!("{}: sum", path.display())),
            Err(error) => problems.push(format!("{}: {error}", path.display())),
        }
        Ok(true)
    })?;
    cache.clear()?;
    let _ = std::fs::remove_dir(temporary);
    Ok(problems)
}

/// SHA-256 of all bytes after the file's header.
fn sum_of(path: &Path) -> io::Result<String> {
    let head = AudioFile::open(path)?
        .layout
        .map_or(0, |layout| layout.head);
    let file = File::open(path)?;
    let length = file.metadata()?.len().saturating_sub(head);
    let sum = sha256(&file, head, length)?;
    Ok(sum.iter().map(|byte| format!("{byte:02x}")).collect())
}

impl Report {
    fn lost(&self) -> u64 {
        let accepted: u64 = self.balance.lost.iter().map(|(_, count)| count).sum();
        accepted + self.lost
    }

    fn text(&self) -> String {
        let mut text: String = self
            .problems
            .iter()
            .map(|line| format!("{line}\n"))
            .collect();
        let count = self.running + self.present + self.balance.deleted + self.lost();
        text += &format!(
            "{count} recordings: {} running, {} present, {} deleted, {} lost\n",
            self.running,
            self.present,
            self.balance.deleted,
            self.lost()
        );
        match self.balance.accepted {
            None => text += "accepted unknown\n",
            Some(accepted) => text += &format!("accepted {accepted}{}\n", reasons(&self.balance)),
        }
        text
    }

    fn json(&self) -> String {
        let hosts: Map<String, Value> = self
            .by_host
            .iter()
            .map(|(host, balance)| (host.clone(), of(balance)))
            .collect();
        let report = json!({
            "problems": self.problems, "running": self.running, "present": self.present,
            "deleted": self.balance.deleted, "lost": self.lost(), "balance": of(&self.balance), "hosts": hosts,
        });
        report.to_string() + "\n"
    }
}

fn reasons(balance: &Balance) -> String {
    let of = |what: &str, counts: &[(String, u64)]| {
        let counts: Vec<String> = counts
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        if counts.is_empty() {
            String::new()
        } else {
            format!("; {what}: {}", counts.join(", "))
        }
    };
    of("lost", &balance.lost) + &of("refused", &balance.refused)
}

fn of(balance: &Balance) -> Value {
    let map = |counts: &[(String, u64)]| -> Map<String, Value> {
        counts
            .iter()
            .map(|(reason, count)| (reason.clone(), (*count).into()))
            .collect()
    };
    json!({
        "accepted": balance.accepted, "running": balance.running, "present": balance.present, "deleted": balance.deleted,
        "lost": map(&balance.lost), "refused": map(&balance.refused),
    })
}
