//! Deleting what has come of age: a bounded number in each round, and never what is held.
//!
//! What came of age since the last round is deleted, at most two days of it. More than that, and over
//! 5 % of all and over 20 recordings, waits until somebody lets it through: a wrong clock or a wrong
//! number in the configuration must not empty an archive.

use std::sync::atomic::Ordering;

use log::{error, info, warn};

use crate::io::dir::Dir;
use crate::server::archive::app::App;
use crate::server::archive::audit::Actor;
use crate::server::archive::database::{values, Row};
use crate::server::archive::deletion::{delete, DeletionRefusal};
use crate::server::archive::scan::now;

/// The flag that lets a stopped round through, once.
pub(super) const ALLOWED: &str = "retain";
/// When the last round was, in seconds since 1970.
const LAST_ROUND: &str = "last-round";
const DAY: i64 = 86_400;
/// A round deletes what came of age in so many days.
const MOST_DAYS: i64 = 2;
/// So many recordings may be deleted without a question.
const FEW: u64 = 20;

/// What a round would delete.
struct Round {
    ids: Vec<String>,
    all: u64,
}

/// One round. An error says why nothing is deleted.
pub(super) fn round(app: &App) -> Result<(), String> {
    if app.settings.retain_days == 0 && app.settings.retain_bytes == 0 {
        return Ok(());
    }
    let now = now();
    let last = app
        .accounts
        .flag(LAST_ROUND)?
        .and_then(|last| last.parse::<i64>().ok());
    check_clock(app, now, last)?;
    let round = due(app, now)?;
    let is_allowed = app.accounts.flag(ALLOWED)?.is_some();
    let since_last = recent(app, now, last, round.ids.len())?;
    let is_much = round.ids.len() as u64 > FEW && round.ids.len() as u64 * 20 > round.all;
    if is_much && !since_last && !is_allowed {
        let waiting = round.ids.len() as u64;
        if app.stopped_round.swap(waiting, Ordering::Relaxed) != waiting {
            error!(
                "retention: {waiting} of {} recordings would be deleted; nothing is, until 'callrec-server archive retain --yes' \
                 or the page lets it through",
                round.all
            );
        }
        return Ok(());
    }
    app.accounts.take_flag(ALLOWED)?;
    app.stopped_round.store(0, Ordering::Relaxed);
    let actor = Actor {
        who: "retention".into(),
        role: "retention".into(),
        ..Actor::default()
    };
    let mut count = 0;
    for id in &round.ids {
        match delete(app, &actor, id, "retention") {
            Ok(()) => count += 1,
            Err(
                DeletionRefusal::Audit(problem)
                | DeletionRefusal::Bucket(problem)
                | DeletionRefusal::Failed(problem),
            ) => return Err(problem),
            Err(refusal) => warn!("retention: {id} stays: {refusal:?}"),
        }
    }
    if count > 0 {
        info!("retention: {count} recordings were deleted");
    }
    app.accounts.set_flag(LAST_ROUND, &now.to_string())
}

/// Nothing is deleted while the clock cannot be right.
fn check_clock(app: &App, now: i64, last: Option<i64>) -> Result<(), String> {
    let newest = app.catalogue.read(|session| {
        let sql = "SELECT max(key) >> 24 FROM recording";
        session.one(sql, values![], |row| row.get::<Option<i64>>(0))
    })?;
    if newest.is_some_and(|newest| newest > now + 60) {
        return Err("nothing is deleted: the clock is before the newest recording".into());
    }
    match last {
        Some(last) if last > now + 60 => {
            Err("nothing is deleted: the clock has been set back".into())
        }
        _ => Ok(()),
    }
}

/// All of it came of age since the last round, in two days at the most.
fn recent(app: &App, now: i64, last: Option<i64>, count: usize) -> Result<bool, String> {
    let days = app.settings.retain_days as i64;
    let Some(last) = last.filter(|last| days > 0 && now - last <= MOST_DAYS * DAY) else {
        return Ok(false);
    };
    let (from, to) = (last - days * DAY, now - days * DAY);
    let of_age: i64 = app.catalogue.read(|session| {
        let sql = "SELECT count(*) FROM recording WHERE key >= ?1 AND key < ?2 AND hold = 0
            AND state NOT IN ('running', 'deleted')";
        session.one(sql, values![from << 24, to << 24], |row| row.get(0))
    })?;
    Ok(count as i64 <= of_age)
}

/// What is too old, and the oldest of what is too much.
fn due(app: &App, now: i64) -> Result<Round, String> {
    let days = app.settings.retain_days as i64;
    let most_bytes = app.settings.retain_bytes;
    app.catalogue.read(|session| {
        let counted = "SELECT count(*), CAST(coalesce(sum(size), 0) AS DOUBLE PRECISION) FROM recording WHERE state NOT IN ('running', 'deleted')";
        let of = |row: &Row| -> Result<(i64, f64), String> { Ok((row.get(0)?, row.get(1)?)) };
        let (all, mut bytes) = session.one(counted, values![], of)?;
        let before = if days > 0 { (now - days * DAY) << 24 } else { i64::MIN };
        let sql = "SELECT id, key, size FROM recording WHERE hold = 0 AND state NOT IN ('running', 'deleted') ORDER BY key";
        let mut ids = vec![];
        session.each(sql, values![], |row| {
            let (key, size): (i64, i64) = (row.get(1)?, row.get(2)?);
            let is_too_much = most_bytes > 0 && bytes > most_bytes as f64;
            let is_due = key < before || is_too_much;
            if is_due {
                bytes -= size as f64;
                ids.push(row.get(0)?);
            }
            Ok(is_due)
        })?;
        Ok(Round {
            ids,
            all: all as u64,
        })
    })
}

/// Days until the disk is full, at the rate of the last seven; `None`: nothing was recorded in them.
pub(super) fn disk_days(app: &App) -> Result<Option<u64>, String> {
    let since = (now() - 7 * DAY) << 24;
    let bytes: f64 = app.catalogue.read(|session| {
        let sql = "SELECT CAST(coalesce(sum(size), 0) AS DOUBLE PRECISION) FROM recording WHERE key >= ?1 AND state <> 'deleted'";
        session.one(sql, values![since], |row| row.get(0))
    })?;
    let a_day = bytes / 7.0;
    Ok((a_day >= 1.0).then(|| (free_bytes(app) as f64 / a_day) as u64))
}

/// Bytes that are free where the first folder is.
fn free_bytes(app: &App) -> u64 {
    use std::os::unix::ffi::OsStrExt;
    let dirs = app.settings.dirs();
    let dir = dirs
        .first()
        .and_then(|dir| Dir::open(dir.as_os_str().as_bytes()).ok());
    dir.and_then(|dir| dir.free_bytes().ok()).unwrap_or(0)
}

/// Raises an alarm before the disk is full, once for each change.
pub(super) fn check_disk(app: &App) {
    let free = free_bytes(app);
    let is_low = free < app.settings.min_free_mib << 20;
    if app.is_disk_low.swap(is_low, Ordering::Relaxed) == is_low {
        return;
    }
    let mib = free >> 20;
    if is_low {
        error!("the disk is nearly full: {mib} MiB are free; delete recordings, or add space");
    } else {
        info!("the disk has space again: {mib} MiB are free");
    }
}
