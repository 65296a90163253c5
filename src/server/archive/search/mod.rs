//! Searches of the catalogue: newest first, page by page, each in bounded time.
//!
//! Each filter that an index can find is tried first: if it finds few recordings, these are all that
//! are looked at. If every filter finds many, recordings are looked at in order of time, a bounded
//! number for each page: then a page may have fewer rows than asked for, and still a next one.

use crate::server::archive::catalogue::fault;
use crate::server::archive::database::{self, values, Session, Value};

pub(super) use query::{NumberMatch, Query};

use conditions::{conditions, Conditions};
use sources::{newest_first, sources, Source};

mod conditions;
mod query;
mod sources;

/// A filter that finds at most so many recordings is worth reading them all.
const FEW: usize = 3000;
/// Recordings that are looked at for one page: most pages are full after the first ones.
const WINDOWS: [i64; 2] = [1000, 25_000];

/// A recording that was found.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) key: i64,
    pub(super) id: String,
    pub(super) folder: String,
    pub(super) state: String,
    pub(super) document: String,
    pub(super) tags: String,
    pub(super) note: String,
    pub(super) hold: bool,
    pub(super) version: i64,
}

/// A page.
pub(super) struct Page {
    pub(super) rows: Vec<Row>,
    /// The next page begins below this key; `None`: this is the last one.
    pub(super) next: Option<i64>,
}

const COLUMNS: &str = "r.key, r.id, folder.name, r.state, r.document, coalesce(added.tags, '[]'),
    coalesce(added.note, ''), r.hold, coalesce(added.version, 0)";
const TABLES: &str = "JOIN folder ON folder.id = r.folder LEFT JOIN added ON added.id = r.id";

fn row(row: &database::Row) -> Result<Row, String> {
    Ok(Row {
        key: row.get(0)?,
        id: row.get(1)?,
        folder: row.get(2)?,
        state: row.get(3)?,
        document: row.get(4)?,
        tags: row.get(5)?,
        note: row.get(6)?,
        hold: row.get(7)?,
        version: row.get(8)?,
    })
}

/// The recording with this id.
pub(super) fn find(session: &Session, id: &str) -> Result<Option<Row>, String> {
    let sql = format!("SELECT {COLUMNS} FROM recording r {TABLES} WHERE r.id = ?1");
    session.first(&sql, values![id], row)
}

/// A page of what is searched for.
pub(super) fn search(session: &Session, query: &Query) -> Result<Page, String> {
    let (low, high) = key_range(query);
    if low >= high || query.folders.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Page {
            rows: vec![],
            next: None,
        });
    }
    let conditions = conditions(query);
    if let Some(keys) = few_keys(session, query, low, high)? {
        let rows = of_keys(session, &keys, &conditions, query.limit + 1)?;
        return Ok(page(rows, query.limit, None));
    }
    if let Some(source) = newest_first(query) {
        return newest(session, query, &source, &conditions, low, high);
    }
    for window in WINDOWS {
        let end = window_end(session, low, high, window)?;
        let rows = walk(session, &conditions, end.unwrap_or(low), high, query.limit)?;
        if rows.len() > query.limit || end.is_none() || window == WINDOWS[1] {
            return Ok(page(rows, query.limit, end));
        }
    }
    Err(fault("a search has no end"))
}

/// A page of a source that finds many, newest first: so many of them are looked at.
fn newest(
    session: &Session,
    query: &Query,
    (source, values): &Source,
    conditions: &Conditions,
    low: i64,
    high: i64,
) -> Result<Page, String> {
    let sql = format!(
        "SELECT key FROM ({source}) AS found WHERE key >= ? AND key < ? ORDER BY key DESC LIMIT ?"
    );
    let (mut rows, mut end) = (vec![], None);
    for window in [4 * query.limit, FEW] {
        let more = [low.into(), high.into(), Value::from(window as i64)];
        let values = [&values[..], &more].concat();
        let keys: Vec<i64> = session.rows(&sql, &values, |row| row.get(0))?;
        rows = of_keys(session, &keys, conditions, query.limit + 1)?;
        end = keys.last().copied();
        if rows.len() > query.limit {
            break;
        }
    }
    Ok(page(rows, query.limit, end))
}

/// In order of time, between two keys; one more than a page has.
fn walk(
    session: &Session,
    conditions: &Conditions,
    low: i64,
    high: i64,
    limit: usize,
) -> Result<Vec<Row>, String> {
    let sql = format!(
        "SELECT {COLUMNS} FROM recording r {TABLES} WHERE r.key >= ? AND r.key < ? AND {} ORDER BY r.key DESC LIMIT ?",
        conditions.sql()
    );
    let mut values = vec![Value::from(low), high.into()];
    values.extend(conditions.values.iter().cloned());
    values.push((limit as i64 + 1).into());
    session.rows(&sql, &values, row)
}

fn page(mut rows: Vec<Row>, limit: usize, end: Option<i64>) -> Page {
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let last = rows.last().map(|row| row.key);
    let next = if has_more { last } else { end };
    Page { rows, next }
}

fn key_range(query: &Query) -> (i64, i64) {
    let low = query
        .from
        .map_or(i64::MIN, |from| from.saturating_mul(1 << 24));
    let high = query.to.map_or(i64::MAX, |to| to.saturating_mul(1 << 24));
    (low, query.before.map_or(high, |before| high.min(before)))
}

/// Where a page stops to look; `None`: it looks at all that is left.
fn window_end(session: &Session, low: i64, high: i64, window: i64) -> Result<Option<i64>, String> {
    let sql = "SELECT key FROM recording WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1 OFFSET ?3";
    session.first(sql, values![low, high, window], |row| row.get(0))
}

fn of_keys(
    session: &Session,
    keys: &[i64],
    conditions: &Conditions,
    limit: usize,
) -> Result<Vec<Row>, String> {
    let keys = serde_json::Value::from(keys).to_string();
    let sql = format!(
        "SELECT {COLUMNS} FROM recording r {TABLES} WHERE r.key IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(? AS TEXT))) AND {}
         ORDER BY r.key DESC LIMIT ?",
        conditions.sql()
    );
    let mut values = vec![Value::from(keys)];
    values.extend(conditions.values.iter().cloned());
    values.push((limit as i64).into());
    session.rows(&sql, &values, row)
}

/// All recordings that one filter finds, if there is a filter that finds few; the fewest.
fn few_keys(
    session: &Session,
    query: &Query,
    low: i64,
    high: i64,
) -> Result<Option<Vec<i64>>, String> {
    let mut best: Option<Vec<i64>> = None;
    for (sql, mut values) in sources(query, session.is_postgres()) {
        let sql = format!("SELECT key FROM ({sql}) AS found WHERE key >= ? AND key < ? LIMIT ?");
        let limit = best.as_ref().map_or(FEW, Vec::len);
        values.extend([low.into(), high.into(), Value::from(limit as i64 + 1)]);
        let keys: Vec<i64> = session.rows(&sql, &values, |row| row.get(0))?;
        if keys.len() <= limit {
            best = Some(keys);
        }
    }
    Ok(best)
}
