//! What each index finds of a search.

use super::query::{NumberMatch, Query};
use crate::server::archive::database::Value;
use crate::server::archive::pieces::{self, pieces};
use crate::server::archive::text;

/// Folders that are searched one by one.
const FEW_FOLDERS: usize = 50;

/// A statement that finds keys, and its values.
pub(super) type Source = (String, Vec<Value>);

/// What an index finds for each filter.
pub(super) fn sources(query: &Query, is_postgres: bool) -> Vec<Source> {
    let mut sources: Vec<Source> = vec![];
    let matching = |alternatives: Vec<Vec<String>>| pieces::source(is_postgres, &alternatives);
    if let Some(any) = &query.any {
        sources.extend(any_pieces(any).map(matching));
    }
    if let Some(number) = &query.number {
        sources.extend(number_source(number, query.number_match, &matching));
    }
    if let Some(name) = &query.name {
        sources.extend(pieces(&text::name(name)).map(|all| matching(vec![all])));
    }
    for tag in &query.tags {
        sources.push((
            "SELECT key FROM tag WHERE tag = ?".into(),
            vec![tag.clone().into()],
        ));
    }
    if query.held {
        sources.push(("SELECT key FROM recording WHERE hold = 1".into(), vec![]));
    }
    sources.extend(state_source(&query.states));
    let few = |folders: &&Vec<i64>| folders.len() <= FEW_FOLDERS;
    if let Some(folders) = query.folders.as_ref().filter(few) {
        let marks = vec!["?"; folders.len()].join(",");
        let sql = format!("SELECT key FROM recording WHERE folder IN ({marks})");
        let values = folders.iter().map(|folder| Value::from(*folder));
        sources.push((sql, values.collect()));
    }
    sources
}

/// What an index finds newest first, of a filter that finds many.
pub(super) fn newest_first(query: &Query) -> Option<Source> {
    if let Some(tag) = query.tags.first() {
        let sql = "SELECT key FROM tag WHERE tag = ?";
        return Some((sql.into(), vec![tag.clone().into()]));
    }
    match query.folders.as_deref() {
        Some([folder]) => {
            let sql = "SELECT key FROM recording WHERE folder = ?";
            Some((sql.into(), vec![Value::from(*folder)]))
        }
        _ => None,
    }
}

/// Text in any field. `None`: a part of it is too short for the index.
fn any_pieces(any: &str) -> Option<Vec<Vec<String>>> {
    let number = text::number(any);
    let word = pieces(&text::name(any))?;
    if number.is_empty() {
        return Some(vec![word]);
    }
    Some(vec![pieces(&number)?, word])
}

/// States that few recordings are in have an index.
fn state_source(states: &[String]) -> Option<Source> {
    const RARE: [&str; 4] = ["running", "interrupted", "incomplete", "deleted"];
    let is_rare = |state: &String| RARE.contains(&state.as_str());
    if states.is_empty() || !states.iter().all(is_rare) {
        return None;
    }
    let marks = vec!["?"; states.len()].join(",");
    let rare = RARE.join("', '");
    let sql = format!("SELECT key FROM recording WHERE state IN ({marks}) AND state IN ('{rare}')");
    let values = states.iter().map(|state| Value::from(state.clone()));
    Some((sql, values.collect()))
}

fn number_source(
    number: &str,
    by: NumberMatch,
    matching: &dyn Fn(Vec<Vec<String>>) -> Source,
) -> Option<Source> {
    let (columns, value) = match by {
        NumberMatch::Exact | NumberMatch::Begins => {
            (["remote", "local"], text::international(number))
        }
        NumberMatch::Ends => {
            let columns = ["remote_back", "local_back"];
            (columns, text::reversed(&text::number(number)))
        }
        NumberMatch::Contains => {
            return pieces(&text::number(number)).map(|all| matching(vec![all]));
        }
    };
    let (test, mut values) = if by == NumberMatch::Exact {
        ("COLUMN = ?", vec![Value::from(value)])
    } else {
        // The texts between this prefix and the next one.
        let end = format!("{value}\u{10ffff}");
        ("COLUMN >= ? AND COLUMN < ?", vec![value.into(), end.into()])
    };
    values.extend(values.clone());
    let of = |column: &str| {
        let test = test.replace("COLUMN", column);
        format!("SELECT key FROM recording WHERE {test} AND {column} <> ''")
    };
    let [remote, local] = columns.map(of);
    Some((format!("{remote} UNION ALL {local}"), values))
}
