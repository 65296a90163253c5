//! `callrec info` of the phone's program: describes files. A PC's program also knows the call
//! (`info`).

use std::ffi::OsString;
use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::arguments::{expand, json_and_paths};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{quote, shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::file_facts::rows;
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
                    format!("{}\n{}", shown(&path), rows(&recording))
                };
                console.print(&text)?;
            }
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
        }
    }
    console.conclude(&problems)
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
    let frame_bytes = header.rtp_len;
    let data_bytes = extent.data_size;
    let mut json = String::from("{\"v\":2,\"file\":");
    quote(&mut json, &path.to_string_lossy());
    let _ = writeln!(
        json,
        ",\"codec\":\"{}\",\"frame_bytes\":{frame_bytes},\"rtpLen\":{frame_bytes},\"increment\":{},\
         \"data_bytes\":{data_bytes},\"dataSize\":{data_bytes},\"frames\":{},\"duration_ms\":{},\"period_ms\":{},\
         \"rtp\":{rtp},\"big_endian\":{},\"finished\":{},\"state\":\"{}\"}}",
        header.codec.name(),
        header.increment,
        extent.frames,
        header.duration_ms(extent.frames),
        header.period_ms(),
        header.big_endian,
        *state == FileState::Finished,
        state.name(),
    );
    json
}
