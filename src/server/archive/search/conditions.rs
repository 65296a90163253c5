//! The conditions of a search in SQL.

use super::query::{NumberMatch, Query};
use crate::server::archive::database::Value;
use crate::server::archive::text;

/// Conditions with their values, joined by `AND`.
#[derive(Default)]
pub(super) struct Conditions {
    sql: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, sql: &str, values: impl IntoIterator<Item = Value>) {
        self.sql.push(sql.to_owned());
        self.values.extend(values);
    }

    pub(super) fn sql(&self) -> String {
        if self.sql.is_empty() {
            "1 = 1".into()
        } else {
            self.sql.join(" AND ")
        }
    }
}

/// The conditions that decide, whatever has found a recording.
pub(super) fn conditions(query: &Query) -> Conditions {
    let mut all = Conditions::default();
    if let Some(any) = &query.any {
        add_any(&mut all, any);
    }
    if let Some(number) = &query.number {
        add_number(&mut all, number, query.number_match);
    }
    if let Some(name) = &query.name {
        all.add("instr(r.names, ?)", [text::name(name).into()]);
    }
    if let Some(folders) = &query.folders {
        let folders = serde_json::Value::from(folders.clone()).to_string();
        all.add(
            "r.folder IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(? AS TEXT)))",
            [folders.into()],
        );
    }
    let numbers = [
        ("r.dir = ?", query.dir),
        ("r.duration >= ?", query.min_ms),
        ("r.duration <= ?", query.max_ms),
    ];
    for (sql, value) in numbers {
        if let Some(value) = value {
            all.add(sql, [value.into()]);
        }
    }
    for tag in &query.tags {
        all.add(
            "r.key IN (SELECT key FROM tag WHERE tag = ?)",
            [tag.clone().into()],
        );
    }
    if query.states.is_empty() {
        all.add("r.state <> 'deleted'", []);
    } else {
        let states = serde_json::Value::from(query.states.clone()).to_string();
        all.add(
            "r.state IN (SELECT value FROM json_each(CAST(? AS TEXT)))",
            [states.into()],
        );
    }
    if query.flawed {
        all.add("r.flawed = 1", []);
    }
    if query.held {
        all.add("r.hold = 1", []);
    }
    if let Some(end) = &query.end {
        all.add("r.document ->> 'end' = ?", [end.clone().into()]);
    }
    all
}

fn add_number(all: &mut Conditions, number: &str, by: NumberMatch) {
    let back = text::reversed(&text::number(number));
    let plain = text::international(number);
    match by {
        NumberMatch::Exact => all.add("? IN (r.remote, r.local)", [plain.into()]),
        NumberMatch::Begins => all.add(
            "(substr(r.remote, 1, ?) = ? OR substr(r.local, 1, ?) = ?)",
            prefix(plain),
        ),
        NumberMatch::Ends => all.add(
            "(substr(r.remote_back, 1, ?) = ? OR substr(r.local_back, 1, ?) = ?)",
            prefix(back),
        ),
        NumberMatch::Contains => all.add(
            "(instr(r.remote_back, ?) OR instr(r.local_back, ?))",
            [back.clone().into(), back.into()],
        ),
    }
}

fn prefix(text: String) -> [Value; 4] {
    let length = Value::from(text.chars().count() as i64);
    [length.clone(), text.clone().into(), length, text.into()]
}

fn add_any(all: &mut Conditions, any: &str) {
    let word = text::name(any);
    let back = text::reversed(&text::number(any));
    let tag = any.trim().to_owned();
    let mut sql =
        "(instr(r.names, ?) OR instr(r.words, ?) OR r.key IN (SELECT key FROM tag WHERE tag = ?)"
            .to_owned();
    let mut values: Vec<Value> = vec![word.clone().into(), word.into(), tag.into()];
    if !back.is_empty() {
        sql += " OR instr(r.remote_back, ?) OR instr(r.local_back, ?)";
        values.extend([back.clone().into(), back.into()]);
    }
    all.add(&(sql + ")"), values);
}
