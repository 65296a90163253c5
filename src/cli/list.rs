//! `callrec list`: a table of the recordings in a folder.

use std::cmp::Reverse;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::arguments::{expand, json_and_paths};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{harmless, quote, shown, Console};
use crate::cli::failure::Failure;
use crate::cli::run;
use crate::daemon::stick;
use crate::recordings::entry::RecordingEntry;
use crate::recordings::grouping::{group, PartKey};
use crate::recordings::recording_file::FileState;

pub(super) const LIST: CommandSpec = command! {
    "callrec", "list", "[DIR]...",
    "lists recordings, the newest first";
    [
        ("", "json", "",
            "print a JSON object per line and file, for programs"),
    ];
    "\
Without DIR it lists the USB stick, found as the daemon finds it, else the current folder. DIR may also be the folder of
a recording server. Numbers, names and the phone come from the sidecars. The parts of a recording are one line.";
    [
        "callrec list /mnt/usb",
    ]
};
/// Longer numbers and names are cut.
const MAX_WIDTH: usize = 28;
const TITLES: [&str; 9] = [
    "TIME", "LENGTH", "DIR", "NUMBER", "NAME", "CODEC", "SIZE", "STATE", "FILE",
];
/// Columns of numbers.
const RIGHT_ALIGNED: [usize; 2] = [1, 6];

/// The cells of a line.
type Row = [String; TITLES.len()];

pub(super) fn list(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some((json, mut paths)) = json_and_paths(arguments)? else {
        return console.print(LIST.help);
    };
    if paths.is_empty() {
        paths.push(stick::folder(&run::effective(None)?).unwrap_or_else(|| ".".into()));
    }
    let mut problems = vec![];
    let mut entries = vec![];
    for path in expand(&paths, console, &mut problems) {
        match RecordingEntry::of(&path) {
            Ok(None) if paths.contains(&path) => {
                problems.push(format!("{}: is not a recording", shown(&path)))
            }
            Ok(entry) => entries.extend(entry),
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
        }
    }
    entries.sort_by_cached_key(RecordingEntry::age);
    let text = if json {
        entries.iter().rev().map(as_json).collect()
    } else {
        table(&entries, &paths)
    };
    console.print(&text)?;
    console.conclude(&problems)
}

fn as_json(entry: &RecordingEntry) -> String {
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
    text("state", entry.state.name());
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
        text(key, &entry.sidecar.text(key));
    }
    for key in ["part", "parts"] {
        if let Some(number) = entry.sidecar.number(key) {
            let _ = write!(json, ",\"{key}\":{number}");
        }
    }
    let object = entry.sidecar.object();
    if let Some(set) = object.and_then(|object| object.flag("clock_set")) {
        let _ = write!(json, ",\"clock_set\":{set}");
    }
    let RecordingEntry {
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

/// A line for each recording, under titles, and a line with the totals. Columns without a value are left out.
fn table(entries: &[RecordingEntry], folders: &[PathBuf]) -> String {
    if entries.is_empty() {
        return String::new();
    }
    let keys: Vec<PartKey> = entries.iter().map(RecordingEntry::key).collect();
    let mut recordings: Vec<Vec<&RecordingEntry>> = vec![];
    for parts in group(&keys) {
        recordings.push(parts.iter().map(|part| &entries[*part]).collect());
    }
    recordings.sort_by_cached_key(|parts| Reverse(parts.first().map(|part| part.age())));
    let rows: Vec<Row> = recordings.iter().map(|parts| row(parts)).collect();
    let widths = TITLES.map(|title| title.len());
    let widths: Vec<usize> = widths
        .into_iter()
        .enumerate()
        .map(|(column, least)| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            match cells.max().unwrap_or(0) {
                0 => 0, // left out
                widest => widest.max(least),
            }
        })
        .collect();
    let mut text = String::new();
    push_row(&mut text, &TITLES.map(str::to_owned), &widths);
    for row in &rows {
        push_row(&mut text, row, &widths);
    }
    text + &totals(entries, rows.len(), folders)
}

fn push_row(text: &mut String, row: &Row, widths: &[usize]) {
    let mut line = String::new();
    for (column, cell) in row.iter().enumerate() {
        let width = widths[column];
        let _ = if width == 0 {
            Ok(())
        } else if RIGHT_ALIGNED.contains(&column) {
            write!(line, "{cell:>width$}  ")
        } else {
            write!(line, "{cell:<width$}  ")
        };
    }
    let _ = writeln!(text, "{}", line.trim_end());
}

fn totals(entries: &[RecordingEntry], recordings: usize, folders: &[PathBuf]) -> String {
    let length: u64 = entries.iter().map(|entry| entry.duration_ms).sum();
    let bytes: u64 = entries.iter().map(|entry| entry.bytes).sum();
    let folders: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
    let noun = if recordings == 1 {
        "recording"
    } else {
        "recordings"
    };
    format!(
        "{recordings} {noun}, {}, {} in {}\n",
        clock(length),
        size(bytes),
        folders.join(", ")
    )
}

fn row(parts: &[&RecordingEntry]) -> Row {
    let Some(first) = parts.first() else {
        return Row::default();
    };
    let sum = |of: fn(&RecordingEntry) -> u64| parts.iter().map(|part| of(part)).sum::<u64>();
    // The last part that knows it: a stop may replace what the start said, when the earlier parts are written already.
    let known = |key: &str| {
        let values = parts.iter().rev().map(|part| part.sidecar.text(key));
        let last = values.into_iter().find(|value| !value.is_empty());
        cut(&harmless(&last.unwrap_or_default()))
    };
    let worst = parts.iter().map(|part| part.state).max();
    let name = first.path.file_name().unwrap_or_default();
    let mut name = harmless(&name.to_string_lossy());
    if parts.len() > 1 {
        name.push_str(&format!(" and {} more", parts.len() - 1));
    }
    [
        first.local_time(),
        clock(sum(|part| part.duration_ms)),
        known("dir"),
        known("remote_number"),
        known("remote_name"),
        first.codec.clone(),
        size(sum(|part| part.bytes)),
        worst.map_or("", FileState::name).to_owned(),
        name,
    ]
}

/// A number or a name, short enough for the table.
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
