//! `callrec info`: what a recording is. One bad file does not hide the others.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::{open_file, parser, print, usage, Failure};
use crate::wire::recording::{Error, Extent, Header, HEADER_BYTES};

const HELP: &str = "\
callrec info [--json] FILE...: what a recording is

  --json   one JSON object a line, for programs

A file that was not finished is read as far as it goes, and said to be unfinished.

Example: callrec info /mnt/usb/Record_*.wav
";

struct Info {
    header: Header,
    extent: Extent,
    rtp: bool,
}

pub(super) fn info(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let (mut json, mut files) = (false, Vec::<PathBuf>::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            Short('h') | Long("help") => return print(HELP),
            Value(file) => files.push(file.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if files.is_empty() {
        return usage("info: which FILE?");
    }
    let mut bad = vec![];
    for file in &files {
        match read(file) {
            Ok(info) if json => print(&as_json(file, &info)).map(drop)?,
            Ok(info) => print(&as_text(file, &info)).map(drop)?,
            Err(problem) => bad.push(format!("{}: {problem}", file.display())),
        }
    }
    match bad.split_last() {
        None => Ok(ExitCode::SUCCESS),
        Some((last, others)) => {
            others.iter().for_each(|problem| eprintln!("callrec: {problem}"));
            Err(Failure::Failed(last.clone()))
        }
    }
}

fn read(path: &Path) -> Result<Info, String> {
    let mut file = open_file(path).map_err(|error| error.to_string())?;
    let entry = file.metadata().map_err(|error| error.to_string())?;
    let mut bytes = vec![];
    file.by_ref().take(HEADER_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let header = Header::parse(&bytes).map_err(|error| match error {
        Error::Short => format!("is no recording: {} bytes, shorter than a header", entry.len()),
        Error::Codec if bytes.starts_with(b"RIFF") => "is a RIFF/WAVE file, no recording of a phone".to_owned(),
        Error::Codec => "is no recording: its header names no codec we know".to_owned(),
        Error::Lengths => "is damaged: rtpLen or increment in its header make no sense".to_owned(),
    })?;
    let rtp = bytes.get(HEADER_BYTES).is_some_and(|first| header.frames_are_rtp(*first));
    Ok(Info { header, extent: header.extent(entry.len()), rtp })
}

fn as_text(path: &Path, info: &Info) -> String {
    let Info { header, extent, rtp } = info;
    let milliseconds = header.duration_ms(extent.frames);
    let mut text = format!("{}\n", path.display());
    let mut row = |name: &str, value: String| {
        let _ = writeln!(text, "  {name:<12} {value}");
    };
    row("codec", header.codec.name().into());
    row("rtpLen", format!("{} bytes{}", header.rtp_len, if *rtp { ", with RTP header" } else { "" }));
    row("increment", header.increment.to_string());
    row("dataSize", format!("{} bytes", extent.data_size));
    row("frames", extent.frames.to_string());
    row("duration_ms", format!("{milliseconds} ({})", clock(milliseconds)));
    row("period_ms", header.period_ms().to_string());
    if header.big_endian {
        row("byte order", "big-endian".into());
    }
    if !extent.exact {
        row("state", format!("unfinished: the header says dataSize {}", header.data_size));
    }
    text
}

fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!("{}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60, milliseconds % 1000)
}

fn as_json(path: &Path, info: &Info) -> String {
    let Info { header, extent, rtp } = info;
    let mut file = String::new();
    for c in path.to_string_lossy().chars() {
        match c {
            '"' | '\\' => file.extend(['\\', c]),
            c if c < ' ' => {
                let _ = write!(file, "\\u{:04x}", u32::from(c));
            }
            c => file.push(c),
        }
    }
    format!(
        "{{\"file\":\"{file}\",\"codec\":\"{}\",\"rtpLen\":{},\"increment\":{},\"dataSize\":{},\"frames\":{},\
         \"duration_ms\":{},\"period_ms\":{},\"rtp\":{rtp},\"big_endian\":{},\"finished\":{}}}\n",
        header.codec.name(),
        header.rtp_len,
        header.increment,
        extent.data_size,
        extent.frames,
        header.duration_ms(extent.frames),
        header.period_ms(),
        header.big_endian,
        extent.exact
    )
}
