//! `callrec list`: a table of the recordings in a folder.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::{expand, parser};
use crate::cli::call_facts::{add_members, clock, heard_mark};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{harmless, shown, Console};
use crate::cli::failure::Failure;
use crate::cli::json_line::JsonLine;
use crate::cli::list_filter::{ListFilter, TimeLimit};
use crate::cli::run::default_folder;
use crate::recordings::call::Call;
use crate::recordings::entry::RecordingEntry;

pub(super) const LIST: CommandSpec = command! {
    "callrec", "list", "[DIR]...",
    "lists recordings, the newest first";
    [
        ("", "json", "",
            "print a JSON object per line and file, for programs"),
        ("", "number", "N",
            "only calls with this number, on either side"),
        ("", "since", "T",
            "only calls that began at T or later: 2026-01-31, '2026-01-31 14:30', 2026-01-31T14:30:00+01:00"),
        ("", "until", "T",
            "only calls that began at T or before; a day counts as a whole"),
        ("", "device", "D",
            "only calls of this phone: its MAC address, or the name of its folder"),
    ];
    "\
Without DIR it lists the USB stick, found as the daemon finds it, else the current folder. DIR may also be the folder of
a recording server. Numbers, names and the phone come from the sidecars. The parts of a call are listed together, each
file on a line. Times are those of the phone, with their offset from UTC if it is known; T without an offset is a time of
the phone, too.

HEARD says what was not heard, and why. A question mark behind the time says that the phone's clock had not been set.";
    [
        "callrec list /mnt/usb",
        "callrec list --number 100 --since 2026-01-01 --until 2026-01-31 /mnt/usb",
    ]
};
/// Longer numbers and names are cut.
const MAX_WIDTH: usize = 28;
/// A reason why something was not heard may be longer.
const MARK_WIDTH: usize = 64;
const TITLES: [&str; 11] = [
    "TIME", "LENGTH", "DIR", "NUMBER", "NAME", "CODEC", "SIZE", "STATE", "HEARD", "FOLDER", "FILE",
];
const FOLDER: usize = 9;
const FILE: usize = 10;
/// Columns of numbers.
const RIGHT_ALIGNED: [usize; 2] = [1, 6];

/// The cells of a line.
type Row = [String; TITLES.len()];

#[derive(Default)]
struct ListOptions {
    json: bool,
    filter: ListFilter,
    paths: Vec<PathBuf>,
}

pub(super) fn list(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some(ListOptions {
        json,
        filter,
        mut paths,
    }) = options_of(arguments)?
    else {
        return console.print(LIST.help);
    };
    if paths.is_empty() {
        paths.push(default_folder()?);
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
    let mut calls = Call::group(entries);
    calls.retain(|call| filter.accepts(call));
    let text = if json {
        as_json(calls)
    } else {
        table(&calls, &paths)
    };
    console.print(&text)?;
    console.conclude(&problems)
}

fn options_of(arguments: Vec<OsString>) -> Result<Option<ListOptions>, Failure> {
    let mut parser = parser(arguments);
    let mut options = ListOptions::default();
    let filter = &mut options.filter;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("number") => filter.number = Some(text(parser.value()?)),
            Long("device") => filter.device = Some(text(parser.value()?)),
            Long("since") => filter.since = Some(TimeLimit::parse(&parser.value()?)?),
            Long("until") => filter.until = Some(TimeLimit::parse(&parser.value()?)?),
            Short('h') | Long("help") => return Ok(None),
            Value(path) => options.paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

fn text(value: OsString) -> String {
    value.to_string_lossy().into_owned()
}

/// A line for each file, the newest first.
fn as_json(calls: Vec<Call>) -> String {
    let mut lines = vec![];
    for call in calls {
        let count = call.count();
        let numbers: Vec<u64> = (0..call.parts.len()).map(|at| call.number(at)).collect();
        for (part, number) in call.parts.into_iter().zip(numbers) {
            let mut line = JsonLine::new();
            line.text("file", &part.path.to_string_lossy());
            line.number("part", number);
            line.number("parts", count);
            let age = part.age();
            let alone = Call { parts: vec![part] };
            add_members(&mut line, &alone);
            lines.push((age, line.finish()));
        }
    }
    lines.sort_by(|(one, _), (other, _)| other.cmp(one));
    lines.into_iter().map(|(_, line)| line).collect()
}

/// Lines for each call, under titles, and a line with the totals. Columns without a value are left
/// out.
fn table(calls: &[Call], folders: &[PathBuf]) -> String {
    if calls.is_empty() {
        return String::new();
    }
    let mut newest_first: Vec<&Call> = calls.iter().collect();
    newest_first.sort_by_cached_key(|call| call.parts.first().map(RecordingEntry::age));
    newest_first.reverse();
    let rows: Vec<Row> = newest_first
        .iter()
        .flat_map(|call| rows_of(call, folders))
        .collect();
    let widths = widths(&rows);
    let mut text = String::new();
    push_row(&mut text, &TITLES.map(str::to_owned), &widths);
    for row in &rows {
        push_row(&mut text, row, &widths);
    }
    text + &totals(calls, folders)
}

/// Of each column; 0 if it has no value.
fn widths(rows: &[Row]) -> Vec<usize> {
    let width = |column: usize, title: &str| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        match cells.max().unwrap_or(0) {
            0 => 0,
            widest => widest.max(title.len()),
        }
    };
    let titles = TITLES.iter().enumerate();
    titles.map(|(column, title)| width(column, title)).collect()
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

fn totals(calls: &[Call], folders: &[PathBuf]) -> String {
    let sum = |of: fn(&RecordingEntry) -> u64| calls.iter().map(|call| call.sum(of)).sum();
    let folders: Vec<String> = folders.iter().map(|folder| shown(folder)).collect();
    let noun = if calls.len() == 1 {
        "recording"
    } else {
        "recordings"
    };
    format!(
        "{} {noun}, {}, {} in {}\n",
        calls.len(),
        clock(sum(|part| part.duration_ms)),
        size(sum(|part| part.bytes)),
        folders.join(", ")
    )
}

/// A line that describes the call and names its first file, and a line for each further file.
fn rows_of(call: &Call, folders: &[PathBuf]) -> Vec<Row> {
    let known = |key: &str| cut(&harmless(&call.text(key)), MAX_WIDTH);
    let mut rows: Vec<Row> = vec![];
    for part in &call.parts {
        let mut row = Row::default();
        let name = part.path.file_name().unwrap_or_default();
        row[FILE] = harmless(&name.to_string_lossy());
        row[FOLDER] = folder_of(&part.path, folders);
        rows.push(row);
    }
    let (Some(row), Some(first)) = (rows.first_mut(), call.parts.first()) else {
        return rows;
    };
    let mark = if first.is_clock_unset() { " ?" } else { "" };
    let [folder, file] = [FOLDER, FILE].map(|column| std::mem::take(&mut row[column]));
    *row = [
        first.time.spaced() + mark,
        clock(call.sum(|part| part.duration_ms)),
        known("dir"),
        known("remote_number"),
        known("remote_name"),
        first.codec.clone(),
        size(call.sum(|part| part.bytes)),
        call.state().name().to_owned(),
        cut(&heard_mark(call), MARK_WIDTH),
        folder,
        file,
    ];
    rows
}

/// The file's folder, below the one that is listed; empty if it is that one.
fn folder_of(path: &Path, listed: &[PathBuf]) -> String {
    let folder = path.parent().unwrap_or(Path::new(""));
    let below = listed
        .iter()
        .find_map(|listed| path.strip_prefix(listed).ok());
    match below.and_then(Path::parent) {
        Some(below) if listed.len() == 1 => shown(below),
        _ => shown(folder),
    }
}

/// A number or a name, short enough for the table.
fn cut(text: &str, width: usize) -> String {
    match text.char_indices().nth(width) {
        None => text.to_owned(),
        Some(_) => text.chars().take(width - 1).chain(['\u{2026}']).collect(),
    }
}

/// Rounded to a digit that is shown.
fn size(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = bytes.saturating_add(unit / 20) / (unit / 10);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..999_500 => format!("{} kB", (bytes + 500) / 1_000),
        999_500..999_950_000 => format!("{} MB", tenths(1_000_000)),
        _ => format!("{} GB", tenths(1_000_000_000)),
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
            92_784,
            999_499,
            999_999,
            1_250_000,
            999_949_999,
            999_999_999,
            5_368_709_120,
        ]
        .map(size);
        assert_eq!(
            said,
            [
                "0 B", "999 B", "1 kB", "93 kB", "999 kB", "1.0 MB", "1.3 MB", "999.9 MB",
                "1.0 GB", "5.4 GB"
            ]
        );
    }
}
