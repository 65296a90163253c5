//! What each index finds of a search.

use rusqlite::types::Value as Sql;

use super::query::{NumberMatch, Query};
use crate::server::archive::text;

/// Folders that are searched one by one.
const FEW_FOLDERS: usize = 50;

/// A statement that finds keys, and its values.
pub(super) type Source = (String, Vec<Sql>);

/// What an index finds for each filter.
pub(super) fn sources(query: &Query) -> Vec<Source> {
    let mut sources: Vec<Source> = vec![];
    let matching = |query: String| {
        (
            "SELECT rowid AS key FROM search WHERE search MATCH ?".to_owned(),
            vec![query.into()],
        )
    };
    if let Some(any) = &query.any {
        let pieces = [
            text::trigrams(&text::number(any)),
            text::trigrams(&text::name(any)),
        ];
        if let [number, Some(word)] = pieces {
            let or = number
                .map(|number| format!("({number}) OR "))
                .unwrap_or_default();
            sources.push(matching(format!("{or}({word})")));
        }
    }
    if let Some(number) = &query.number {
        sources.extend(number_source(number, query.number_match, &matching));
    }
    if let Some(name) = &query.name {
        sources.extend(text::trigrams(&text::name(name)).map(matching));
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
    let is_rare = |state: &String| {
        ["running", "interrupted", "incomplete", "deleted"].contains(&state.as_str())
    };
    if !query.states.is_empty() && query.states.iter().all(is_rare) {
        let marks = vec!["?"; query.states.len()].join(",");
        let sql = format!(
            "SELECT key FROM recording WHERE state IN ({marks}) AND state IN ('running', 'interrupted', 'incomplete', 'deleted')"
        );
        sources.push((
            sql,
            query
                .states
                .iter()
                .map(|state| Sql::from(state.clone()))
                .collect(),
        ));
    }
    if let Some(folders) = query
        .folders
        .as_ref()
        .filter(|folders| folders.len() <= FEW_FOLDERS)
    {
        let marks = vec!["?"; folders.len()].join(",");
        let sql = format!("SELECT key FROM recording WHERE folder IN ({marks})");
        sources.push((
            sql,
            folders.iter().map(|folder| Sql::from(*folder)).collect(),
        ));
    }
    sources
}

fn number_source(
    number: &str,
    by: NumberMatch,
    matching: &dyn Fn(String) -> Source,
) -> Option<Source> {
    let (columns, value) = match by {
        NumberMatch::Exact | NumberMatch::Begins => {
            (["remote", "local"], text::international(number))
        }
        NumberMatch::Ends => {
            let columns = ["remote_back", "local_back"];
            (columns, text::reversed(&text::number(number)))
        }
        NumberMatch::Contains => return text::trigrams(&text::number(number)).map(matching),
    };
    let (test, mut values) = if by == NumberMatch::Exact {
        ("COLUMN = ?", vec![Sql::from(value)])
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
