//! `callrec info`: describes recordings. A file that cannot be read does not prevent the others from being shown.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::arguments::{expand, json_and_paths};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{quote, shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::recordings::recording_file::{FileState, RecordingFile};

pub(super) const INFO: CommandSpec = command! {
    "callrec", "info", "FILE|DIR...",
    "describes recordings";
    [
        ("", "json", "",
            "print a JSON object per line, for programs"),
    ];
    "\
A folder stands for the recordings in it. An unfinished file is read up to its end, and one with a damaged header is
read by means of its frames. A file that is not a recording is an error; the others are shown.";
    [
        "callrec info /mnt/usb/Record_*.wav",
    ]
};

pub(super) fn info(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some((json, paths)) = json_and_paths(arguments)? else {
        return console.print(INFO.help);
    };
    if paths.is_empty() {
        return usage("info: which FILE or DIR?");
    }
    let mut problems = vec![];
    for path in expand(&paths, console, &mut problems) {
        match RecordingFile::open(&path) {
            Ok(recording) => {
                let text = if json {
                    as_json(&recording)
                } else {
                    as_text(&recording)
                };
                console.print(&text)?;
            }
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
        }
    }
    console.conclude(&problems)
}

fn as_text(recording: &RecordingFile) -> String {
    let RecordingFile {
        path,
        header,
        extent,
        state,
        ..
    } = recording;
    let rtp = recording.is_rtp();
    let milliseconds = header.duration_ms(extent.frames);
    let mut text = format!("{}\n", shown(path));
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    row("codec", header.codec.name().into());
    row(
        "rtpLen",
        format!(
            "{} bytes{}",
            header.rtp_len,
            if rtp { ", with RTP header" } else { "" }
        ),
    );
    row("increment", header.increment.to_string());
    row("dataSize", format!("{} bytes", extent.data_size));
    row("frames", extent.frames.to_string());
    row(
        "duration_ms",
        format!("{milliseconds} ({})", clock(milliseconds)),
    );
    row("period_ms", header.period_ms().to_string());
    if header.big_endian {
        row("byte order", "big-endian".into());
    }
    let more = match state {
        FileState::Finished => "",
        FileState::Unfinished => {
            ": header and length disagree; 'callrec repair' corrects the header"
        }
        FileState::Recording => ": it is being written",
        FileState::Damaged => {
            ": the header is damaged, this is what the frames say; 'callrec repair' may repair it"
        }
    };
    row("state", format!("{}{more}", state.name()));
    text
}

fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        milliseconds % 1000
    )
}

fn as_json(recording: &RecordingFile) -> String {
    let RecordingFile {
        path,
        header,
        extent,
        state,
        ..
    } = recording;
    let rtp = recording.is_rtp();
    let mut json = String::from("{\"file\":");
    quote(&mut json, &path.to_string_lossy());
    let _ = writeln!(
        json,
        ",\"codec\":\"{}\",\"rtpLen\":{},\"increment\":{},\"dataSize\":{},\"frames\":{},\
         \"duration_ms\":{},\"period_ms\":{},\"rtp\":{rtp},\"big_endian\":{},\"finished\":{},\"state\":\"{}\"}}",
        header.codec.name(),
        header.rtp_len,
        header.increment,
        extent.data_size,
        extent.frames,
        header.duration_ms(extent.frames),
        header.period_ms(),
        header.big_endian,
        *state == FileState::Finished,
        state.name(),
    );
    json
}
