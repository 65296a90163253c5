//! `callrec list`: the recordings in a folder, as people look for them.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::console::{harmless, quote, shown, Console};
use crate::cli::entry::Entry;
use crate::cli::recording::expand;
use crate::cli::{json_and_paths, run, Failure};
use crate::daemon::stick;
use crate::recordings::order::{group, Key};

const HELP: &str = "\
callrec list [--json] [DIR...]: the recordings, newest first

  --json   one JSON object a line for each file, parts by themselves

Without DIR: the USB stick, found as the daemon finds it, else the current folder. A server's folder does as well. What
is known of a call (numbers, names, phone) stands in the file beside a recording. Parts of one recording are one line.

Example: callrec list /mnt/usb
";
/// Longer numbers and names are cut.
const MAX_WIDTH: usize = 28;
const TITLES: [&str; 9] = [
    "TIME", "LENGTH", "DIR", "NUMBER", "NAME", "CODEC", "SIZE", "STATE", "FILE",
];
/// Numbers stand on the right.
const RIGHT: [usize; 2] = [1, 6];

pub(super) fn list(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some((json, mut paths)) = json_and_paths(arguments)? else {
        return console.print(HELP);
    };
    if paths.is_empty() {
        paths.push(stick::folder(&run::effective(None)?).unwrap_or_else(|| ".".into()));
    }
    let mut problems = vec![];
    let mut entries = vec![];
    for path in expand(&paths, console, &mut problems) {
        match Entry::of(&path) {
            Ok(None) if paths.contains(&path) => {
                problems.push(format!("{}: is no recording", shown(&path)))
            }
            Ok(entry) => entries.extend(entry),
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
        }
    }
    entries.sort_by_cached_key(Entry::age);
    let text = if json {
        entries.iter().rev().map(as_json).collect()
    } else {
        table(&entries, &paths)
    };
    console.print(&text)?;
    console.conclude(&problems)
}

fn as_json(entry: &Entry) -> String {
    let mut json = String::from("{\"file\":");
    quote(&mut json, &entry.path.to_string_lossy());
    let mut text = |key: &str, value: &str| {
        if !value.is_empty() {
            let _ = write!(json, ",\"{key}\":");
            quote(&mut json, value);
        }
    };
    text("time", &entry.time());
    text("codec", &entry.codec);
    text("state", entry.state);
    for key in [
        "id",
        "device",
        "dir",
        "remote_number",
        "remote_name",
        "local_number",
        "local_name",
        "end",
    ] {
        text(key, &entry.beside.text(key));
    }
    for key in ["part", "parts"] {
        if let Some(number) = entry.beside.number(key) {
            let _ = write!(json, ",\"{key}\":{number}");
        }
    }
    if let Some(set) = entry
        .beside
        .object()
        .and_then(|object| object.flag("clock_set"))
    {
        let _ = write!(json, ",\"clock_set\":{set}");
    }
    let Entry {
        frames,
        duration_ms,
        bytes,
        ..
    } = entry;
    let _ = writeln!(
        json,
        ",\"frames\":{frames},\"duration_ms\":{duration_ms},\"bytes\":{bytes}}}"
    );
    json
}

/// A line a recording, under titles; columns in which nothing stands are left out.
fn table(entries: &[Entry], folders: &[PathBuf]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let keys: Vec<Key> = entries.iter().map(Entry::key).collect();
    let mut calls: Vec<Vec<&Entry>> = group(&keys)
        .iter()
        .map(|parts| parts.iter().map(|part| &entries[*part]).collect())
        .collect();
    calls.sort_by_cached_key(|parts| std::cmp::Reverse(parts.first().map(|part| part.age())));
    let rows: Vec<[String; 9]> = calls.iter().map(|parts| row(parts)).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..TITLES.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&TITLES.map(str::to_owned)).chain(&rows) {
        let mut line = String::new();
        for (column, cell) in row
            .iter()
            .enumerate()
            .filter(|(column, _)| widths[*column] > 0)
        {
            let width = widths[column].max(TITLES[column].len());
            let _ = match RIGHT.contains(&column) {
                true => write!(line, "{cell:>width$}  "),
                false => write!(line, "{cell:<width$}  "),
            };
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let (length, bytes) = entries.iter().fold((0, 0), |(length, bytes), e| {
        (length + e.duration_ms, bytes + e.bytes)
    });
    let places: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
    let count = if rows.len() == 1 {
        "1 recording".into()
    } else {
        format!("{} recordings", rows.len())
    };
    let _ = writeln!(
        text,
        "{count}, {}, {} in {}",
        clock(length),
        size(bytes),
        places.join(", ")
    );
    text
}

fn row(parts: &[&Entry]) -> [String; 9] {
    let sum = |of: fn(&Entry) -> u64| parts.iter().map(|part| of(part)).sum::<u64>();
    // The latest word: a stop may replace what the start said, and an earlier part has been written by then.
    let known = |key: &str| {
        let value = parts
            .iter()
            .rev()
            .map(|part| part.beside.text(key))
            .find(|value| !value.is_empty());
        cut(&harmless(&value.unwrap_or_default()))
    };
    let worst = parts
        .iter()
        .map(|part| part.state)
        .max_by_key(|state| STATES.iter().position(|s| s == state));
    let name = parts.first().map(|part| part.name()).unwrap_or_default();
    let more = if parts.len() > 1 {
        format!(" and {} more", parts.len() - 1)
    } else {
        String::new()
    };
    [
        parts
            .first()
            .map(|part| part.shown_time())
            .unwrap_or_default(),
        clock(sum(|part| part.duration_ms)),
        known("dir"),
        known("remote_number"),
        known("remote_name"),
        parts
            .first()
            .map(|part| part.codec.clone())
            .unwrap_or_default(),
        size(sum(|part| part.bytes)),
        worst.unwrap_or_default().to_owned(),
        name + &more,
    ]
}

/// The better ones first.
const STATES: [&str; 4] = ["finished", "unfinished", "damaged", "recording"];

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_WIDTH) {
        None => text.to_owned(),
        Some(_) => text
            .chars()
            .take(MAX_WIDTH - 1)
            .chain(['\u{2026}'])
            .collect(),
    }
}

fn clock(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_short() {
        let said = [
            0,
            999,
            1_000,
            999_999,
            1_000_000,
            999_999_999,
            5_368_709_120,
        ]
        .map(size);
        assert_eq!(
            said,
            ["0 B", "999 B", "1 kB", "999 kB", "1.0 MB", "999.9 MB", "5.3 GB"]
        );
    }
}
