//! The lines that `callrec fetch ls` prints.

use crate::cli::console::harmless;
use crate::cli::fetch::remote::RemoteEntry;
use crate::cli::json_line::JsonLine;
use crate::recordings::start_time::StartTime;

/// Seconds of a day. The folder of a day has midnight as its time, without an offset.
const DAY: u32 = 86_400;
/// Length of `YYYY-MM-DD HH:MM:SS +HH:MM`.
const TIME_CHARS: usize = 26;
/// Length of `YYYY-MM-DD`.
const DATE_CHARS: usize = 10;

/// A line for people. `offset`: the phone's local time minus UTC, in minutes.
pub(super) fn text_line(entry: &RemoteEntry, offset: i16) -> String {
    let time = match modified(entry, offset) {
        Some(time) => time.spaced(),
        None => day(entry).unwrap_or_default(),
    };
    let name = harmless(&entry.name);
    if entry.is_folder {
        format!("dir  {:>10}  {time:<TIME_CHARS$}  {name}\n", "-")
    } else {
        format!("file {:>10}  {time:<TIME_CHARS$}  {name}\n", entry.size)
    }
}

/// A line for programs.
pub(super) fn json_line(entry: &RemoteEntry, offset: i16) -> String {
    let mut line = JsonLine::new();
    line.text("name", &entry.name);
    line.text("type", if entry.is_folder { "directory" } else { "file" });
    if !entry.is_folder {
        line.number("size_bytes", entry.size.into());
    }
    if let Some(time) = modified(entry, offset) {
        line.text("modified", &time.start.to_string());
    }
    if let Some(day) = day(entry) {
        line.text("day", &day);
    }
    // The former names, until 2.0.
    line.flag("dir", entry.is_folder);
    line.number("size", entry.size.into());
    if entry.time > 0 {
        line.number("time", entry.time.into());
    }
    line.finish()
}

/// When it was written last. Folders of days do not know it. `offset`: as in `text_line`.
pub(super) fn modified(entry: &RemoteEntry, offset: i16) -> Option<StartTime> {
    let is_known = entry.time > 0 && !is_day(entry);
    is_known.then(|| StartTime::at_offset(entry.time.into(), offset))
}

/// The day of a folder.
fn day(entry: &RemoteEntry) -> Option<String> {
    let mut day = StartTime::at_offset(entry.time.into(), 0).start.to_string();
    day.truncate(DATE_CHARS);
    (entry.time > 0 && is_day(entry)).then_some(day)
}

fn is_day(entry: &RemoteEntry) -> bool {
    entry.is_folder && entry.time % DAY == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(is_folder: bool, time: u32) -> RemoteEntry {
        RemoteEntry {
            name: "x".into(),
            is_folder,
            size: 5,
            time,
        }
    }

    #[test]
    fn times_are_those_of_the_phone_and_unknown_ones_are_left_out() {
        let lines = [
            text_line(&entry(false, 1_795_252_500), 60),
            text_line(&entry(false, 1_795_252_500), 0),
            text_line(&entry(true, 1_767_312_000), 60),
            text_line(&entry(true, 0), 60),
        ];
        let expected = [
            "file          5  2026-11-21 10:15:00 +01:00  x\n",
            "file          5  2026-11-21 09:15:00 +00:00  x\n",
            "dir           -  2026-01-02                  x\n",
            "dir           -                              x\n",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn former_names_stay_beside_the_new_ones() {
        let lines = [(false, 1_795_252_500), (true, 1_767_312_000), (true, 0)];
        let lines = lines.map(|(is_folder, time)| {
            let line = json_line(&entry(is_folder, time), 60);
            serde_json::from_str::<serde_json::Value>(&line).unwrap()
        });
        let expected = [
            serde_json::json!({"v": 2, "name": "x", "type": "file", "size_bytes": 5,
                "modified": "2026-11-21T10:15:00+01:00", "dir": false, "size": 5, "time": 1_795_252_500}),
            serde_json::json!({"v": 2, "name": "x", "type": "directory", "day": "2026-01-02",
                "dir": true, "size": 5, "time": 1_767_312_000}),
            serde_json::json!({"v": 2, "name": "x", "type": "directory", "dir": true, "size": 5}),
        ];
        assert_eq!(lines, expected);
    }
}
