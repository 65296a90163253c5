//! `callrec verify`: the audio is what was recorded, by the sums beside it.

use std::ffi::OsString;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};
use sha2::{Digest, Sha256};

use crate::cli::beside::{name_of, Beside};
use crate::cli::console::{shown, Console};
use crate::cli::recording::{expand, find, Problem, Recording, State};
use crate::cli::{parser, usage, Failure};
use crate::recordings::repair::Refusal;
use crate::wire::recording::HEADER_BYTES;

const HELP: &str = "\
callrec verify FILE|DIR...: compares recordings with the SHA-256 sums in the files beside them (Record_....json)

Each is ok, damaged, or without a sum: one that was not finished, or made by another program. A folder stands for the
recordings in it; one that is missing while its sum is there counts as damaged. The status is 1 when any is damaged.

Example: callrec verify /mnt/usb
";

pub(super) fn verify(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut paths = Vec::<PathBuf>::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return console.print(HELP),
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
            Ok(words) => console
                .print(&format!("{}: {words}\n", shown(&path)))
                .map(drop)?,
            Err(problem) => problems.push(format!("{}: {problem}", shown(&path))),
        }
    }
    for sidecar in paths.iter().flat_map(|path| find(path, ".json")) {
        if let Some(missing) = missing(&sidecar) {
            problems.push(format!("{}: is missing, its sum is there", shown(&missing)));
        }
    }
    console.conclude(&problems)
}

/// The recording of a sidecar with a sum, if it is gone.
fn missing(sidecar: &Path) -> Option<PathBuf> {
    let recording = ["wav", "WAV", "Wav"].map(|suffix| sidecar.with_extension(suffix));
    let gone = recording
        .iter()
        .all(|path| path.symlink_metadata().is_err());
    let [recording, ..] = recording;
    (gone && Beside::of(&recording).sha256().is_some()).then_some(recording)
}

/// `Err` with what is wrong.
fn check(path: &Path) -> Result<String, String> {
    let beside = Beside::of(path);
    let expected = beside.sha256();
    let recording = match Recording::open(path) {
        Ok(recording) => recording,
        Err(Problem::Refused(refusal))
            if refusal == Refusal::Riff || expected.is_none() && refusal != Refusal::Damaged =>
        {
            return Ok(format!("no sum; it {}", refusal.words()));
        }
        Err(problem @ (Problem::Unreadable(_) | Problem::Refused(Refusal::Damaged))) => {
            return Err(problem.to_string())
        }
        Err(problem) => return Err(format!("damaged: it {problem}")),
    };
    let Some(expected) = expected else {
        let why = match recording.state {
            State::Recording => "it is being recorded",
            _ if !name_of(path).exists() => "there is no file beside it",
            _ if beside.object().is_none() => "the file beside it cannot be read",
            _ if beside.has_end() => "the file beside it has none",
            _ => "it was not finished",
        };
        return Ok(format!("no sum; {why}"));
    };
    let sum = sum(&recording).map_err(|error| error.to_string())?;
    let (frames, promised) = (
        recording.extent.frames,
        beside.number("frames").unwrap_or(0),
    );
    match recording.state {
        _ if sum != expected && frames < promised => {
            Err(format!("damaged: {frames} of {promised} frames are there"))
        }
        _ if sum != expected => Err("damaged: its audio is not what was recorded".into()),
        State::Finished => Ok("ok".into()),
        _ => Ok("ok; its header is damaged, 'callrec repair' mends it".into()),
    }
}

/// SHA-256 of the frames.
fn sum(recording: &Recording) -> std::io::Result<[u8; 32]> {
    let mut file = &recording.file;
    file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
    let mut file = file.take(recording.extent.data_size.into());
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(digest.finalize().into()),
            len => digest.update(&buffer[..len]),
        }
    }
}
