//! `callrec verify`: compares the audio with the checksums in the sidecars.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::selection::{select, Selected, SelectedCall};
use crate::io::regular_file;
use crate::recordings::checksum;
use crate::recordings::folder;
use crate::recordings::recording_file::{FileState, OpenError, RecordingFile};
use crate::recordings::repair::Refusal;
use crate::recordings::sidecar_file::{sidecar_path, SidecarFile};
use crate::wire::recording::name::has_sidecar_suffix;
use crate::wire::recording::HEADER_BYTES;
use crate::wire::riff;

pub(super) const VERIFY: CommandSpec = command! {
    "callrec", "verify", "FILE|DIR...",
    "compares recordings with the SHA-256 checksums in their sidecars";
    [
        ("", "this-part", "",
            "check only the named file, not all parts of its call"),
        ("", "strict", "",
            "a finished file without a checksum is a failure, too"),
    ];
    "\
Each file is reported as ok, as damaged, or as one without a checksum: because it was not finished, or because another
program made it. All parts of a call are checked; they are searched for in the folder of FILE. DIR stands for the
recordings in it. A recording that is missing although its sidecar is there counts as damaged, and so does a missing part
of a call. If the first parts are missing, coverOlderRecordings may have deleted them: that is said, and is no failure.

The exit status is 1 if anything is damaged or missing, else 0, also if there was no checksum to compare with: recordings
of other programs, and those that a power failure has ended, have none. With --strict, these are failures; a recording
that is still running is not.";
    [
        "callrec verify /mnt/usb",
        "callrec verify --strict /var/lib/callrec",
    ]
};

pub(super) fn verify(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut paths = Vec::<PathBuf>::new();
    let mut this_part = false;
    let mut is_strict = false;
    while let Some(argument) = parser.next()? {
        match argument {
            Long("this-part") => this_part = true,
            Long("strict") => is_strict = true,
            Short('h') | Long("help") => return console.print(VERIFY.help),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if paths.is_empty() {
        return usage("verify: which FILE or DIR?");
    }
    let mut problems = vec![];
    let mut verified = 0;
    let mut without_checksum = 0;
    for selected in select(&paths, this_part, console, &mut problems) {
        let remark = remark(&selected);
        for path in selected.files() {
            match check(&path) {
                Ok(result @ Checked::NoChecksum(_)) if is_strict => {
                    problems.push(format!("{}: {result}{remark}", shown(&path)));
                }
                Ok(result) => {
                    match result {
                        Checked::Equal(_) => verified += 1,
                        Checked::NoChecksum(_) | Checked::Running => without_checksum += 1,
                    }
                    console.print(&format!("{}: {result}{remark}\n", shown(&path)))?;
                }
                Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
            }
        }
        if let Selected::Call(call) = &selected {
            report_missing(call, console, &mut problems)?;
        }
    }
    for folder in paths.iter().filter(|path| path.is_dir()) {
        // The search for recordings has reported the folders that cannot be read.
        for sidecar in folder::search(folder, has_sidecar_suffix, &mut |_, _| {}) {
            if let Some(missing) = missing_recording(&sidecar) {
                let name = shown(&missing);
                problems.push(format!("{name}: is missing, although its sidecar is there"));
            }
        }
    }
    if verified == 0 && without_checksum > 1 && problems.is_empty() {
        console.note(&format!(
            "none of the {without_checksum} files has a checksum: nothing was compared"
        ));
    }
    console.conclude(&problems)
}

/// Which part of its call a file is, if it was asked for alone.
fn remark(selected: &Selected) -> String {
    match selected {
        Selected::Call(call) => match call.this_part {
            Some(part) => format!(" ({part})"),
            None => String::new(),
        },
        Selected::Other(_) => String::new(),
    }
}

/// Parts that are missing: a problem, unless they are the first ones.
fn report_missing(
    selected: &SelectedCall,
    console: &mut Console,
    problems: &mut Vec<String>,
) -> Result<(), Failure> {
    let (Some(first), Some(text)) = (selected.call.parts.first(), selected.missing_text()) else {
        return Ok(());
    };
    let line = format!("{}: {text}", shown(&first.path));
    let are_first = selected.missing.last() < Some(&selected.call.number(0));
    if are_first {
        console.print(&format!(
            "{line}; they may have been deleted to make room\n"
        ))?;
    } else {
        problems.push(line);
    }
    Ok(())
}

/// The recording of a sidecar with a checksum, if the recording is gone.
fn missing_recording(sidecar: &Path) -> Option<PathBuf> {
    let names = ["wav", "WAV", "Wav"].map(|extension| sidecar.with_extension(extension));
    let exists = |path: &PathBuf| path.symlink_metadata().is_ok();
    if names.iter().any(exists) {
        return None;
    }
    let [recording, ..] = names;
    SidecarFile::of(&recording).sha256()?;
    Some(recording)
}

/// What is printed of a recording that is not damaged.
enum Checked {
    /// It has its checksum; what else there is to say.
    Equal(&'static str),
    /// Why it has none.
    NoChecksum(String),
    /// It has none yet.
    Running,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equal(more) => write!(f, "ok{more}"),
            Self::NoChecksum(reason) => write!(f, "no checksum; {reason}"),
            Self::Running => f.write_str("no checksum; it is being recorded"),
        }
    }
}

/// Compares a recording with its checksum; `Err`: what is wrong with it.
fn check(path: &Path) -> Result<Checked, String> {
    let sidecar = SidecarFile::of(path);
    let expected = sidecar.sha256();
    let recording = match RecordingFile::open(path) {
        Ok(recording) => recording,
        Err(OpenError::Refused(Refusal::Riff)) => {
            if let Some(expected) = expected.filter(|_| sidecar.text("format") == "wav") {
                return check_riff(path, expected);
            }
            let reason = format!("it {}", Refusal::Riff.description());
            return Ok(Checked::NoChecksum(reason));
        }
        Err(error @ (OpenError::Io(_) | OpenError::Refused(Refusal::Damaged))) => {
            return Err(error.to_string())
        }
        Err(OpenError::Refused(refusal)) if expected.is_none() => {
            let reason = format!("it {}", refusal.description());
            return Ok(Checked::NoChecksum(reason));
        }
        Err(error) => return Err(format!("damaged: it {error}")),
    };
    let Some(expected) = expected else {
        if recording.state == FileState::Recording {
            return Ok(Checked::Running);
        }
        let reason = reason_for_no_checksum(path, &sidecar);
        return Ok(Checked::NoChecksum(reason.into()));
    };
    let data = recording.extent.data_size.into();
    let found = checksum::sha256(&recording.file, HEADER_BYTES as u64, data)
        .map_err(|error| error.to_string())?;
    if found != expected {
        let frames = recording.extent.frames;
        let promised = sidecar.number("frames").unwrap_or(0);
        return Err(if frames < promised {
            format!("damaged: only {frames} of {promised} frames are there")
        } else {
            "damaged: its audio is not what was recorded".into()
        });
    }
    if recording.state == FileState::Finished {
        Ok(Checked::Equal(""))
    } else {
        Ok(Checked::Equal(
            "; its header is damaged, 'callrec repair' repairs it",
        ))
    }
}

/// A RIFF/WAVE file of a server.
fn check_riff(path: &Path, expected: [u8; 32]) -> Result<Checked, String> {
    let file = regular_file::open(path).map_err(|error| error.to_string())?;
    let found = checksum::sha256(&file, riff::HEADER_BYTES as u64, u64::MAX);
    if found.map_err(|error| error.to_string())? == expected {
        Ok(Checked::Equal(""))
    } else {
        Err("damaged: its audio is not what was recorded".into())
    }
}

fn reason_for_no_checksum(path: &Path, sidecar: &SidecarFile) -> &'static str {
    if !sidecar_path(path).exists() {
        "there is no sidecar"
    } else if sidecar.object().is_none() {
        "the sidecar cannot be read"
    } else if sidecar.has_end() {
        "the sidecar has none"
    } else {
        "it was not finished"
    }
}
