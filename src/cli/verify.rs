//! `callrec verify`: compares the audio with the checksums in the sidecars.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use sha2::{Digest, Sha256};

use crate::cli::arguments::{expand, parser};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::recordings::folder;
use crate::recordings::recording_file::{FileState, OpenError, RecordingFile};
use crate::recordings::repair::Refusal;
use crate::recordings::sidecar_file::{sidecar_path, SidecarFile};
use crate::wire::recording::name::has_sidecar_suffix;
use crate::wire::recording::HEADER_BYTES;

pub(super) const VERIFY: CommandSpec = command! {
    "callrec", "verify", "FILE|DIR...",
    "compares recordings with the SHA-256 checksums in their sidecars";
    [];
    "\
Each recording is reported as ok, as damaged, or as one without a checksum: because it was not finished, or because
another program made it. A folder stands for the recordings in it; a recording that is missing although its sidecar is
there counts as damaged. The exit status is 1 if any is damaged.";
    [
        "callrec verify /mnt/usb",
    ]
};

pub(super) fn verify(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut paths = Vec::<PathBuf>::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return console.print(VERIFY.help),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    if paths.is_empty() {
        return usage("verify: which FILE or DIR?");
    }
    let mut problems = vec![];
    for path in expand(&paths, console, &mut problems) {
        match check(&path) {
            Ok(result) => {
                console.print(&format!("{}: {result}\n", shown(&path)))?;
            }
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
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
    console.conclude(&problems)
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

/// What is printed of a recording that is not damaged; `Err`: what is wrong with it.
fn check(path: &Path) -> Result<String, String> {
    let sidecar = SidecarFile::of(path);
    let expected = sidecar.sha256();
    let recording = match RecordingFile::open(path) {
        Ok(recording) => recording,
        Err(OpenError::Refused(Refusal::Riff)) => {
            return Ok(format!("no checksum; it {}", Refusal::Riff.description()));
        }
        Err(error @ (OpenError::Io(_) | OpenError::Refused(Refusal::Damaged))) => {
            return Err(error.to_string())
        }
        Err(OpenError::Refused(refusal)) if expected.is_none() => {
            return Ok(format!("no checksum; it {}", refusal.description()));
        }
        Err(error) => return Err(format!("damaged: it {error}")),
    };
    let Some(expected) = expected else {
        let reason = reason_for_no_checksum(path, &recording, &sidecar);
        return Ok(format!("no checksum; {reason}"));
    };
    let found = checksum(&recording).map_err(|error| error.to_string())?;
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
        Ok("ok".into())
    } else {
        Ok("ok; its header is damaged, 'callrec repair' repairs it".into())
    }
}

fn reason_for_no_checksum(
    path: &Path,
    recording: &RecordingFile,
    sidecar: &SidecarFile,
) -> &'static str {
    if recording.state == FileState::Recording {
        "it is being recorded"
    } else if !sidecar_path(path).exists() {
        "there is no sidecar"
    } else if sidecar.object().is_none() {
        "the sidecar cannot be read"
    } else if sidecar.has_end() {
        "the sidecar has none"
    } else {
        "it was not finished"
    }
}

/// SHA-256 of the frames.
fn checksum(recording: &RecordingFile) -> std::io::Result<[u8; 32]> {
    let mut file = &recording.file;
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let mut file = file.take(recording.extent.data_size.into());
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            len => digest.update(&buffer[..len]),
        }
    }
}
