//! `callrec export`: recordings as RIFF/WAVE files that every player opens.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::console::Console;
use crate::cli::{open_file, parser, usage, Failure};
use crate::wire::g711::Law;
use crate::wire::recording::{Codec, Header, HEADER_BYTES};
use crate::wire::riff;

const HELP: &str = "\
callrec export FILE... OUT.wav: one RIFF/WAVE file of a recording, or of its parts in the order given

OUT `-` is standard output. The audio stays as it was recorded: G.711, mono, 8 kHz.

Example: callrec export Record_20260102_101500.wav Record_20260102_102000.wav call.wav
         callrec export Record_20260102_101500.wav - | ffplay -
";

/// A recording that is being read.
struct Part {
    path: PathBuf,
    header: Header,
    frames: u64,
    law: Law,
    file: BufReader<File>,
}

pub(super) fn export(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut paths = Vec::<PathBuf>::new();
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return console.print(HELP),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some((out, inputs)) = paths.split_last().filter(|(_, inputs)| !inputs.is_empty()) else {
        return usage("export: which FILE..., and which OUT.wav?");
    };
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |problem: String| Failure::Failed(format!("{path}: {problem}"))
    };
    let parts: Result<Vec<Part>, Failure> = inputs.iter().map(|path| open(path).map_err(failed(path))).collect();
    let parts = parts?;
    let law = parts.first().map_or(Law::Mu, |part| part.law);
    if let Some(other) = parts.iter().find(|part| part.law != law) {
        let problem = format!("is {}, the first one is {}", other.law.name(), law.name());
        return Err(failed(&other.path)(problem));
    }
    let write = |sink: &mut dyn Write| write_all(parts, law, sink);
    if out.as_os_str() == "-" {
        write(&mut std::io::stdout().lock()).map_err(failed(Path::new("standard output")))?;
    } else {
        let file = File::create_new(out).map_err(|error| failed(out)(error.to_string()))?;
        write(&mut BufWriter::new(file)).map_err(failed(out))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn open(path: &Path) -> Result<Part, String> {
    let file = open_file(path).map_err(|error| error.to_string())?;
    let entry = file.metadata().map_err(|error| error.to_string())?;
    let mut bytes = vec![];
    (&file).take(HEADER_BYTES as u64).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let header = Header::parse(&bytes).map_err(|_| "is no recording; 'callrec info' says more")?;
    let Codec::G711(law) = header.codec else {
        return Err(format!("{} cannot be exported", header.codec.name()));
    };
    let frames = header.extent(entry.len()).frames;
    Ok(Part { path: path.into(), header, frames, law, file: BufReader::new(file) })
}

fn write_all(parts: Vec<Part>, law: Law, sink: &mut dyn Write) -> Result<(), String> {
    let samples = parts.iter().map(|part| part.frames * u64::from(part.header.increment)).sum::<u64>();
    sink.write_all(&riff::header(law, Some(samples))).map_err(|error| error.to_string())?;
    for mut part in parts {
        let increment = part.header.increment as usize;
        let mut frame = vec![0; part.header.rtp_len as usize];
        for _ in 0..part.frames {
            part.file.read_exact(&mut frame).map_err(|error| format!("{}: {error}", part.path.display()))?;
            // One byte is one sample; a frame's audio is its end, whatever stands before it.
            let audio = &frame[frame.len().saturating_sub(increment)..];
            sink.write_all(audio).map_err(|error| error.to_string())?;
            for _ in audio.len()..increment {
                sink.write_all(&[law.silence()]).map_err(|error| error.to_string())?;
            }
        }
    }
    if samples % 2 == 1 {
        sink.write_all(&[0]).map_err(|error| error.to_string())?;
    }
    sink.flush().map_err(|error| error.to_string())
}
