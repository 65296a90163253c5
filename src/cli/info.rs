//! `callrec info`: whose call a recording is, when it was and how long, and what its files are.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::call_facts::{self, add_members, clock, heard_mark};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{harmless, shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::file_facts::rows;
use crate::cli::json_line::JsonLine;
use crate::cli::selection::{select, Selected, SelectedCall};
use crate::recordings::recording_file::{FileState, RecordingFile};

pub(super) const INFO: CommandSpec = command! {
    "callrec", "info", "FILE|DIR...",
    "describes recordings: whose call it was, when, how long, and what the files are";
    [
        ("", "json", "",
            "print a JSON object per line and call, for programs"),
        ("", "this-part", "",
            "describe only the named file, not all parts of its call"),
    ];
    "\
All parts of a call are described together; they are searched for in the folder of FILE. DIR stands for the recordings in
it. An unfinished file is read up to its end, and one with a damaged header is read by means of its frames. A file that is
not a recording is an error; the others are shown.";
    [
        "callrec info /mnt/usb/Record_*.wav",
        "callrec info --json --this-part Record_20260102_101500.wav",
    ]
};

#[derive(Default)]
struct InfoOptions {
    json: bool,
    this_part: bool,
    paths: Vec<PathBuf>,
}

pub(super) fn info(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut options = InfoOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => options.json = true,
            Long("this-part") => options.this_part = true,
            Short('h') | Long("help") => return console.print(INFO.help),
            Value(path) => options.paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if options.paths.is_empty() {
        return usage("info: which FILE or DIR?");
    }
    let mut problems = vec![];
    for selected in select(&options.paths, options.this_part, console, &mut problems) {
        let mut files = vec![];
        for path in selected.files() {
            match RecordingFile::open(&path) {
                Ok(recording) => files.push(recording),
                Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
            }
        }
        let Selected::Call(selected) = selected else {
            continue;
        };
        if files.is_empty() {
            continue;
        }
        let text = if options.json {
            as_json(&selected, &files)
        } else {
            as_text(&selected, &files)
        };
        console.print(&text)?;
    }
    console.conclude(&problems)
}

fn as_text(selected: &SelectedCall, files: &[RecordingFile]) -> String {
    let mut text = title(selected);
    text.push('\n');
    let mark = heard_mark(&selected.call);
    if !mark.is_empty() {
        text.push_str(&format!("  {:<12} {mark}\n", "heard"));
    }
    if let Some(missing) = selected.missing_text() {
        text.push_str(&format!("  {missing}\n"));
    }
    for file in files {
        text.push_str(&format!("{}\n{}", shown(&file.path), rows(file)));
    }
    text
}

/// `Call from 100 Ann, 2026-11-21 10:15:00 +01:00, 1:12 in 2 parts`
fn title(selected: &SelectedCall) -> String {
    let call = &selected.call;
    let known = |key: &str| harmless(&call.text(key));
    let parties = match call_facts::parties(&known) {
        parties if parties.is_empty() => "Call of unknown parties".into(),
        parties => parties,
    };
    let (time, clock_unset) = match call.parts.first() {
        Some(first) => (first.time.spaced(), first.is_clock_unset()),
        None => Default::default(),
    };
    let remark = if clock_unset {
        " (the phone's clock had not been set)"
    } else {
        ""
    };
    let length = clock(call.sum(|part| part.duration_ms));
    let parts = match selected.this_part {
        Some(part) => format!(", {part}"),
        None if call.parts.len() > 1 => format!(" in {} parts", call.parts.len()),
        None => String::new(),
    };
    format!("{parties}, {time}{remark}, {length}{parts}")
}

fn as_json(selected: &SelectedCall, files: &[RecordingFile]) -> String {
    let mut line = JsonLine::new();
    let Some(first) = files.first() else {
        return String::new();
    };
    let path_of = |file: &RecordingFile| file.path.to_string_lossy().into_owned();
    line.text("file", &path_of(first));
    match selected.this_part {
        Some(part) => {
            line.number("part", part.number);
            line.number("parts", part.count);
        }
        None => {
            let paths: Vec<String> = files.iter().map(path_of).collect();
            line.texts("files", &paths);
            line.number("parts", selected.call.count());
        }
    }
    add_members(&mut line, &selected.call);
    let header = &first.header;
    let data_bytes = files.iter().map(|file| u64::from(file.extent.data_size));
    let data_bytes = data_bytes.sum();
    line.number("frame_bytes", header.rtp_len.into());
    line.number("rtpLen", header.rtp_len.into()); // the former name of `frame_bytes`
    line.number("increment", header.increment.into());
    line.number("data_bytes", data_bytes);
    line.number("dataSize", data_bytes); // the former name of `data_bytes`
    line.number("period_ms", header.period_ms().into());
    line.flag("rtp", first.is_rtp());
    line.flag("big_endian", header.big_endian);
    // The former form of `state`.
    line.flag("finished", selected.call.state() == FileState::Finished);
    line.finish()
}
