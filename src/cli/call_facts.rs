//! What is known of a call, as `list` and `info` say it, for people and in JSON.

use crate::cli::console::harmless;
use crate::cli::json_line::JsonLine;
use crate::recordings::call::{Call, Heard};
use crate::recordings::entry::RecordingEntry;
use crate::wire::decimal::parse_decimal;
use crate::wire::json::Object;

/// What the sidecars say in texts, and under the same keys.
const TEXTS: [&str; 9] = [
    "id",
    "device",
    "dir",
    "remote_number",
    "remote_name",
    "local_number",
    "local_name",
    "unintelligible",
    "end",
];

/// Adds the members that are the same for a call and for one of its files.
pub(super) fn add_members(line: &mut JsonLine, call: &Call) {
    let Some(first) = call.parts.first() else {
        return;
    };
    line.text("start", &first.time.start.to_string());
    if !first.time.has_offset {
        line.flag("offset_known", false);
    }
    line.text("time", &first.time.known()); // the former name of `start`
    line.text("codec", &first.codec);
    line.text("state", call.state().name());
    for key in TEXTS {
        line.text(key, &call.text(key));
    }
    if first.sidecar.object().is_some() {
        line.text("heard", heard_name(call));
        add_pauses(line, call);
        for key in ["heard_ms", "dropped"] {
            if call.parts.iter().any(|part| has(part, key)) {
                line.numbers(key, &sums(call, key));
            }
        }
    }
    let object = first.sidecar.object();
    if let Some(set) = object.and_then(|object| object.flag("clock_set")) {
        line.flag("clock_set", set);
    }
    line.number("frames", call.sum(|part| part.frames));
    line.number("duration_ms", call.sum(|part| part.duration_ms));
    let bytes = call.sum(|part| part.bytes);
    line.number("size_bytes", bytes);
    line.number("bytes", bytes); // the former name of `size_bytes`
}

/// `heard` as in the sidecar; empty if no part says it.
fn heard_name(call: &Call) -> &'static str {
    if !call.parts.iter().any(|part| has(part, "heard")) {
        return "";
    }
    match call.heard() {
        Heard::Both => "both",
        Heard::One => "one",
        Heard::None => "none",
    }
}

fn has(part: &RecordingEntry, key: &str) -> bool {
    let object = part.sidecar.object();
    object.is_some_and(|object| object.raw(key).is_some())
}

/// Pauses at their places in the call's audio; their number if a part only has that.
fn add_pauses(line: &mut JsonLine, call: &Call) {
    if !call.parts.iter().any(|part| has(part, "pauses")) {
        return;
    }
    let mut pauses = vec![];
    let mut unlisted = 0u64;
    let mut before = 0u64;
    for part in &call.parts {
        unlisted = unlisted.saturating_add(part.sidecar.number("pauses").unwrap_or(0));
        let listed = part.sidecar.object();
        for [at, length] in listed.iter().flat_map(|object| object.pairs("pauses")) {
            pauses.push([before.saturating_add(at), length]);
        }
        before = before.saturating_add(part.duration_ms);
    }
    if unlisted > 0 {
        line.number("pauses", unlisted.saturating_add(pauses.len() as u64));
    } else {
        line.pairs("pauses", &pauses);
    }
}

/// The numbers of an object in the sidecars, added up by name.
fn sums(call: &Call, key: &str) -> Vec<(String, u64)> {
    let mut sums: Vec<(String, u64)> = vec![];
    for part in &call.parts {
        let raw = part.sidecar.object().and_then(|object| object.raw(key));
        let Some(object) = raw.and_then(|raw| Object::parse(raw).ok()) else {
            continue;
        };
        for (name, value) in object.members() {
            let Some(value) = parse_decimal(value) else {
                continue;
            };
            let name = String::from_utf8_lossy(name);
            match sums.iter_mut().find(|(known, _)| *known == name) {
                Some((_, sum)) => *sum = sum.saturating_add(value),
                None => sums.push((name.into_owned(), value)),
            }
        }
    }
    sums
}

/// A mark for what was not heard; empty if all was, or nothing is known of it.
pub(super) fn heard_mark(call: &Call) -> String {
    let heard = match call.heard() {
        Heard::Both => "",
        Heard::One => "one party only",
        Heard::None => "nobody",
    };
    let unintelligible = harmless(&call.text("unintelligible"));
    match (heard, unintelligible.as_str()) {
        (heard, "") => heard.into(),
        ("", reason) => format!("not all: {reason}"),
        (heard, reason) => format!("{heard}: {reason}"),
    }
}

/// Whose call it was: `Call from 100 Ann to 200`; empty if that is unknown.
pub(super) fn parties(known: &dyn Fn(&str) -> String) -> String {
    let party = |number: &str, name: &str| [known(number), known(name)].join(" ").trim().to_owned();
    let remote = party("remote_number", "remote_name");
    let local = party("local_number", "local_name");
    let direction = known("dir");
    let (from, to) = if direction == "out" {
        (local, remote)
    } else {
        (remote, local)
    };
    match (from.as_str(), to.as_str()) {
        ("", "") => String::new(),
        (party, "") | ("", party) if direction.is_empty() => format!("Call with {party}"),
        (from, to) if direction.is_empty() => format!("Call of {from} and {to}"),
        (from, "") => format!("Call from {from}"),
        ("", to) => format!("Call to {to}"),
        (from, to) => format!("Call from {from} to {to}"),
    }
}

/// `M:SS` or `H:MM:SS`, rounded to a second.
pub(super) fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds.saturating_add(500) / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}
