//! A recording as the API shows it, made of its parts.

use serde_json::{json, Map, Value};

use crate::server::archive::bucket::FIRST_BUCKET;
use crate::server::archive::peer::place::FIRST_PEER;
use crate::server::archive::text;

/// One part as the catalogue has it.
#[derive(Clone, Debug)]
pub(super) struct PartRow {
    pub(super) stem: String,
    /// Where its files are: a folder, or a bucket.
    pub(super) place: i64,
    pub(super) number: i64,
    pub(super) start: i64,
    pub(super) start_text: String,
    pub(super) state: String,
    pub(super) problem: Option<String>,
    pub(super) size: i64,
    /// Milliseconds of audio, as far as they are known.
    pub(super) sound: i64,
    /// Since when its files are gone, in seconds since 1970; 0: they are there.
    pub(super) gone: i64,
    pub(super) members: Map<String, Value>,
}

/// A recording, and what is searched for.
pub(super) struct Joined {
    pub(super) start: i64,
    pub(super) state: String,
    pub(super) dir: i64,
    pub(super) remote: String,
    pub(super) local: String,
    pub(super) names: String,
    pub(super) duration: i64,
    pub(super) size: i64,
    /// Something was lost, or somebody not heard.
    pub(super) is_flawed: bool,
    pub(super) document: Map<String, Value>,
}

/// After so many seconds a file that is gone is missed; until then it may be on its way.
pub(super) const MOVING_SECONDS: i64 = 24 * 3600;

/// Members of the sidecar that the latest part decides.
const OF_LATEST: [&str; 11] = [
    "device",
    "dir",
    "remote_number",
    "remote_name",
    "local_number",
    "local_name",
    "codec",
    "format",
    "end",
    "result",
    "reason",
];
/// Members that are counted over all parts.
const SUMS: [&str; 4] = ["frames", "received", "late", "silence"];

/// Joins the parts, which are in order and at least one.
pub(super) fn join(id: &str, folder: &str, call: &str, parts: &[PartRow], now: i64) -> Joined {
    let mut document = Map::new();
    let mut set = |key: &str, value: Value| document.insert(key.to_owned(), value);
    let (state, problem, missing) = state_of(parts, now);
    set("id", id.into());
    set("state", state.into());
    if let Some(problem) = problem {
        set("problem", problem.into());
    }
    set("place", place_of(parts, now).into());
    set("folder", folder.into());
    set("call", call.into());
    set("call_id", latest(parts, "id").unwrap_or_else(|| "".into()));
    for key in OF_LATEST {
        set(key, latest(parts, key).unwrap_or_else(|| "".into()));
    }
    set(
        "start",
        first(parts).map_or("", |part| &part.start_text).into(),
    );
    let end = if state == "running" {
        None
    } else {
        latest(parts, "end_time")
    };
    set("end_time", end.unwrap_or(Value::Null));
    let duration: i64 = parts.iter().map(|part| part.sound).sum();
    let size: i64 = parts.iter().map(|part| part.size).sum();
    set("duration_ms", duration.into());
    set("size_bytes", size.into());
    for key in SUMS {
        set(key, sum(parts, key).unwrap_or(Value::Null));
    }
    let lost = sum(parts, "lost");
    let has_loss = lost.as_ref().and_then(Value::as_u64).unwrap_or(0) > 0;
    set("lost", lost.unwrap_or(Value::Null));
    let heard = heard(parts);
    set("heard", heard.into());
    set("parts", parts.len().into());
    set("parts_missing", missing.into());
    set("files", parts.iter().map(file).collect());
    let is_flawed = has_loss || !matches!(heard, "" | "both");
    searched(parts, state, is_flawed, document)
}

/// The document with what is searched for.
fn searched(
    parts: &[PartRow],
    state: &str,
    is_flawed: bool,
    document: Map<String, Value>,
) -> Joined {
    let text = |key: &str| {
        document
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let names = format!("{}\n{}", text("remote_name"), text("local_name"));
    Joined {
        start: first(parts).map_or(0, |part| part.start),
        state: state.into(),
        dir: match text("dir") {
            "in" => 1,
            "out" => 2,
            _ => 0,
        },
        remote: text("remote_number").to_owned(),
        local: text("local_number").to_owned(),
        names: text::name(&names),
        duration: parts.iter().map(|part| part.sound).sum(),
        size: parts.iter().map(|part| part.size).sum(),
        is_flawed,
        document,
    }
}

fn first(parts: &[PartRow]) -> Option<&PartRow> {
    parts.first()
}

/// What the latest part says that says something.
fn latest(parts: &[PartRow], key: &str) -> Option<Value> {
    let saying = |part: &PartRow| part.members.get(key).filter(|value| **value != "").cloned();
    parts.iter().rev().find_map(saying)
}

/// `None`: a part does not say it.
fn sum(parts: &[PartRow], key: &str) -> Option<Value> {
    let mut sum = 0_u64;
    for part in parts {
        sum = sum.saturating_add(part.members.get(key)?.as_u64()?);
    }
    Some(sum.into())
}

/// The worst of all parts: `none`, `one`, `both`; empty if no part says it.
fn heard(parts: &[PartRow]) -> &'static str {
    let said = |word: &str| {
        parts
            .iter()
            .any(|part| part.members.get("heard").is_some_and(|heard| heard == word))
    };
    ["none", "one", "both"]
        .into_iter()
        .find(|word| said(word))
        .unwrap_or("")
}

/// State, problem, and the numbers of missing parts.
fn state_of(parts: &[PartRow], now: i64) -> (&'static str, Option<String>, Vec<i64>) {
    let count = parts
        .iter()
        .filter_map(|part| part.members.get("parts")?.as_i64())
        .max()
        .unwrap_or(0);
    let highest = parts
        .iter()
        .map(|part| part.number)
        .max()
        .unwrap_or(0)
        .max(count)
        .min(10_000);
    let has = |number: &i64| parts.iter().any(|part| part.number == *number);
    let missing: Vec<i64> = (1..=highest).filter(|number| !has(number)).collect();
    let any = |state: &str| {
        parts
            .iter()
            .any(|part| part.state == state && part.gone == 0)
    };
    if any("running") {
        return ("running", None, missing);
    }
    let is_missed = |part: &&PartRow| part.gone > 0 && now - part.gone >= MOVING_SECONDS;
    if parts.iter().any(|part| is_missed(&part)) {
        return ("incomplete", Some("no-file".into()), missing);
    }
    if let Some(problem) = parts.iter().find_map(|part| part.problem.clone()) {
        return ("incomplete", Some(problem), missing);
    }
    if !missing.is_empty() {
        return ("incomplete", Some("part".into()), missing);
    }
    if any("interrupted") {
        return ("interrupted", None, missing);
    }
    ("finished", None, missing)
}

/// Where the audio is: `local`, in a `bucket`, on a `peer`, on its way to another place, or nowhere.
fn place_of(parts: &[PartRow], now: i64) -> &'static str {
    let gone = parts
        .iter()
        .filter(|part| part.gone > 0)
        .map(|part| part.gone)
        .min();
    match gone {
        None if parts.iter().any(|part| part.place >= FIRST_PEER) => "peer",
        None if parts.iter().any(|part| part.place >= FIRST_BUCKET) => "bucket",
        None => "local",
        Some(since) if now - since < MOVING_SECONDS => "moving",
        Some(_) => "none",
    }
}

fn file(part: &PartRow) -> Value {
    let mut file = json!({
        "part": part.number, "file": format!("{}.wav", part.stem), "start": part.start_text,
        "duration_ms": part.sound, "size_bytes": part.size,
    });
    if let (Some(sha256), Value::Object(file)) = (part.members.get("sha256"), &mut file) {
        file.insert("sha256".into(), sha256.clone());
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: i64, members: Value) -> PartRow {
        let Value::Object(members) = members else {
            unreachable!()
        };
        PartRow {
            stem: format!("Record_{number}"),
            place: 0,
            number,
            start: number * 100,
            start_text: format!("time {number}"),
            state: "finished".into(),
            problem: None,
            size: 1000,
            sound: 20,
            gone: 0,
            members,
        }
    }

    fn joined(parts: &[PartRow]) -> Value {
        Value::Object(join("id", "dev", "Record_1", parts, 0).document)
    }

    #[test]
    fn sums_are_over_parts_and_the_start_is_the_first_ones() {
        let parts = [
            part(
                1,
                json!({"lost": 1, "received": 5, "end": "rolled", "remote_name": "Ann"}),
            ),
            part(
                2,
                json!({"lost": 2, "received": 6, "end": "stopped", "remote_name": "", "parts": 2}),
            ),
        ];
        let document = joined(&parts);
        for (key, expected) in [
            ("start", json!("time 1")),
            ("lost", json!(3)),
            ("received", json!(11)),
            ("duration_ms", json!(40)),
            ("end", json!("stopped")),
            ("remote_name", json!("Ann")),
            ("state", json!("finished")),
            ("parts", json!(2)),
            ("parts_missing", json!([])),
        ] {
            assert_eq!(document[key], expected, "{key}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        let unknown = [part(1, json!({"lost": 1})), part(3, json!({}))];
        let document = joined(&unknown);
        assert_eq!(
            (&document["lost"], &document["parts_missing"]),
            (&Value::Null, &json!([2]))
        );
        assert_eq!(
            (&document["state"], &document["problem"]),
            (&json!("incomplete"), &json!("part"))
        );
        let mut running = part(1, json!({}));
        running.state = "running".into();
        assert_eq!(joined(&[running])["state"], "running");
        let mut gone = part(1, json!({}));
        gone.gone = 50;
        let at =
            |now| Value::Object(join("id", "dev", "c", std::slice::from_ref(&gone), now).document);
        assert_eq!(
            (&at(60)["place"], &at(60)["state"]),
            (&json!("moving"), &json!("finished"))
        );
        assert_eq!(
            (&at(90_000)["place"], &at(90_000)["problem"]),
            (&json!("none"), &json!("no-file"))
        );
        let mut moved = part(1, json!({}));
        moved.place = FIRST_BUCKET;
        assert_eq!(
            joined(&[part(2, json!({})), moved.clone()])["place"],
            "bucket"
        );
        let mut there = part(2, json!({}));
        there.place = FIRST_PEER;
        assert_eq!(joined(&[moved, there])["place"], "peer");
    }
}
