//! Asks each peer which calls it records, and puts them into the catalogue. A peer that is slow or away
//! holds up nobody: each has a task of its own.

use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::warn;
use sha2::{Digest, Sha256};

use super::client::NoAnswer;
use super::listing::{parse, Listing, PeerCall};
use super::peers::PeerStatus;
use super::place::FIRST_PEER;
use crate::server::archive::app::App;
use crate::server::archive::database::{values, Row, Session};
use crate::server::archive::document::MOVING_SECONDS;
use crate::server::archive::facts::PartFacts;
use crate::server::archive::parts::{Change, FoundPart, PartWriter};
use crate::server::archive::scan::now;

/// The least time between two requests; they may not take more than a quarter of the time.
const ASK_EVERY: Duration = Duration::from_secs(1);
const ASK_SHARE: u32 = 3;
/// The slowest.
const ASK_AT_LEAST: Duration = Duration::from_secs(15);

/// Of an earlier run: what runs is told anew, and what has ended is in its bucket.
pub(in crate::server::archive) fn forget_all(app: &App) -> Result<(), String> {
    let now = now();
    app.catalogue.write(|session| {
        let mut removed = vec![];
        // Other archives may know them at this moment.
        if app.settings.shared().is_none() {
            let sql = "DELETE FROM part WHERE place >= ?1 AND state IN ('running', 'interrupted') RETURNING id";
            removed = ids(session, sql, FIRST_PEER)?;
        }
        let sql = "DELETE FROM part WHERE place >= ?1 AND gone > 0 RETURNING id";
        removed.extend(ids(session, sql, FIRST_PEER)?);
        writer(app, session, now).rejoin_all(removed).map(drop)
    })
}

/// Asks the peer of this number, for ever.
pub(in crate::server::archive) async fn watch(app: Arc<App>, number: usize) {
    let mut warned = HashSet::new();
    loop {
        let began = Instant::now();
        let answer = app.peers.ask(number, "/peer/v1/running").await;
        let (of_task, mut seen) = (app.clone(), std::mem::take(&mut warned));
        let noted = tokio::task::spawn_blocking(move || {
            note(&of_task, number, answer, &mut seen);
            of_task.peers.expire_copies();
            seen
        });
        warned = noted.await.unwrap_or_default();
        let pause = (began.elapsed() * ASK_SHARE).clamp(ASK_EVERY, ASK_AT_LEAST);
        tokio::time::sleep(pause).await;
    }
}

/// Notes an answer, or that there is none.
fn note(
    app: &App,
    number: usize,
    answer: Result<axum::body::Bytes, NoAnswer>,
    warned: &mut HashSet<String>,
) {
    let listing = match answer {
        Ok(body) => parse(&body),
        Err(NoAnswer::Failed(problem)) => Err(problem),
        Err(NoAnswer::NotThere) => Err("is no archive that has a peerKeyFile".into()),
    };
    let taken = listing.and_then(|listing| {
        if listing.instance == app.peers.instance {
            app.peers.set_status(number, PeerStatus::Itself);
            return Ok(());
        }
        warn_of_tenants(app, &listing, warned);
        app.peers.set_calls(number, &listing.host, &listing.calls);
        app.announce(take(app, number, &listing.calls)?);
        app.peers.set_status(number, PeerStatus::Answers);
        Ok(())
    });
    if let Err(problem) = taken {
        let since = app.peers.fail(number, problem);
        if now() - since >= MOVING_SECONDS {
            app.peers.set_calls(number, "", &[]);
            let given_up = take(app, number, &[]);
            given_up.map_or_else(
                |problem| warn!("{problem}"),
                |changes| app.announce(changes),
            );
        }
    }
}

/// Who may see a call is decided here: a peer that would decide otherwise is configured otherwise.
fn warn_of_tenants(app: &App, listing: &Listing, warned: &mut HashSet<String>) {
    for call in &listing.calls {
        let here = app.settings.tenants.of(&call.folder);
        let Some(there) = call.tenant.as_deref().filter(|there| *there != here) else {
            continue;
        };
        let (host, folder) = (&listing.host, &call.folder);
        // Names of devices come from outside: only so many are remembered.
        if warned.len() < 100 && warned.insert(folder.clone()) {
            warn!("{host}: {folder} is of tenant {there} there and of {here} here: here it is {here}'s; their 'tenant' lines should be the same");
        }
    }
}

/// Compares a peer's calls with the catalogue.
fn take(app: &App, number: usize, calls: &[PeerCall]) -> Result<Vec<Change>, String> {
    let place = app.places.peer(number);
    let known = app.catalogue.read(|session| known(session, place))?;
    let key = |call: &PeerCall| (call.folder.clone(), call.stem.clone());
    let listed: HashSet<(String, String)> = calls.iter().map(key).collect();
    let is_new = |call: &&PeerCall| known.get(&key(call)) != Some(&stamp(call));
    let new: Vec<&PeerCall> = calls.iter().filter(is_new).collect();
    let ended: Vec<_> = known.keys().filter(|key| !listed.contains(*key)).collect();
    if new.is_empty() && ended.is_empty() {
        return Ok(vec![]);
    }
    let now = now();
    app.catalogue.write(|session| {
        let writer = writer(app, session, now);
        let mut ids = vec![];
        for call in &new {
            ids.extend(writer.put(&FoundPart {
                folder: &call.folder,
                stem: &call.stem,
                place,
                facts: PartFacts::new(&call.stem, call.members.clone(), now),
                state: "running",
                problem: None,
                size: call.size,
                sound: call.sound,
                stamp: stamp(call),
            })?);
        }
        for (folder, stem) in &ended {
            ids.extend(end(
                app,
                session,
                (folder.as_str(), stem.as_str()),
                place,
                now,
            )?);
        }
        let changes = writer.rejoin_all(ids)?;
        remove_doubles(session)?;
        Ok(changes)
    })
}

/// A part does not run any more: it is on its way to the bucket. Without buckets nothing will come.
fn end(
    app: &App,
    session: &Session,
    (folder, stem): (&str, &str),
    place: i64,
    now: i64,
) -> Result<Option<String>, String> {
    let of_part = "folder = (SELECT id FROM folder WHERE name = ?1) AND stem = ?2 AND place = ?3";
    let sql = match app.cache.buckets().is_empty() {
        true => format!("DELETE FROM part WHERE {of_part} AND CAST(?4 AS BIGINT) > 0 RETURNING id"),
        false => {
            format!("UPDATE part SET gone = ?4, state = 'finished' WHERE {of_part} RETURNING id")
        }
    };
    session.first(&sql, values![folder, stem, place, now], |row| row.get(0))
}

/// Parts that have come to their bucket meanwhile.
fn remove_doubles(session: &Session) -> Result<(), String> {
    let sql =
        "DELETE FROM part WHERE place >= ?1 AND gone > 0 AND EXISTS (SELECT 1 FROM part AS other
        WHERE other.folder = part.folder AND other.stem = part.stem AND other.gone = 0)";
    session.execute(sql, values![FIRST_PEER]).map(drop)
}

type Known = HashMap<(String, String), i64>;

/// The running parts of a place, with their stamps. Both conditions: the first one is that of an index.
fn known(session: &Session, place: i64) -> Result<Known, String> {
    let sql = "SELECT folder.name, stem, stamp FROM part JOIN folder ON folder.id = part.folder
        WHERE state IN ('running', 'interrupted') AND state = 'running' AND gone = 0 AND place = ?1";
    let of = |row: &Row| Ok(((row.get(0)?, row.get(1)?), row.get(2)?));
    Ok(session.rows(sql, values![place], of)?.into_iter().collect())
}

/// Changes with what is told of a call; not with its length.
fn stamp(call: &PeerCall) -> i64 {
    let members = serde_json::Value::Object(call.members.clone()).to_string();
    let sum = Sha256::digest(members);
    sum[..8]
        .iter()
        .fold(0, |bits, byte| bits << 8 | i64::from(*byte))
}

fn writer<'a>(app: &'a App, session: &'a Session<'a>, now: i64) -> PartWriter<'a> {
    PartWriter {
        session,
        key: &app.key,
        now,
    }
}

fn ids(session: &Session, sql: &str, place: i64) -> Result<Vec<String>, String> {
    session.rows(sql, values![place], |row| row.get(0))
}
