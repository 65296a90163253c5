//! `callrec export`: recordings as RIFF/WAVE files that every player opens, as a picture, or as
//! payloads alone.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::{parser, samples};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::export_format::{format_of, ExportFormat};
use crate::cli::export_output::write_out;
use crate::cli::export_wave::{
    codes_header, linear_header, write_codes, write_linear, write_payloads,
};
use crate::cli::failure::{usage, Failure};
use crate::cli::ffmpeg::with_decoder;
use crate::cli::picture;
use crate::cli::selection::{select, Selected};
use crate::recordings::joined::{JoinedRecording, RATE};
use crate::recordings::plan::JoinPlan;
use crate::recordings::recording_file::{FileState, OpenError, RecordingFile};
use crate::recordings::repair::Refusal;
use crate::recordings::wave_recording;

pub(super) const EXPORT: CommandSpec = command! {
    "callrec", "export", "FILE... OUT.wav",
    "writes one RIFF/WAVE file, or a picture, of a recording, all its parts joined";
    [
        ("", "this-part", "",
            "export only the named files, not all parts of their calls"),
        ("", "picture", "",
            "write a picture (SVG) of the waveform, with pauses, gaps and the borders of parts"),
        ("", "pcm16", "",
            "write 16-bit linear samples instead of the recorded G.711 codes"),
        ("", "raw", "",
            "write the payloads alone, as they were recorded"),
        ("", "from", "TIME",
            "begin there: seconds, M:SS or H:MM:SS"),
        ("", "to", "TIME",
            "end there"),
    ];
    "\
Audio is mono, 8 kHz. OUT.svg is a picture, and the output `-` is standard output; other extensions are refused, and an
existing file is not overwritten.

All parts of a call are searched for in the folder of FILE, and joined by their sequence numbers and timestamps. Frames
that several files hold are written once, and missing ones become silence. Files of several calls are concatenated; a
picture shows one call. RIFF/WAVE files among several FILEs are left out, but for those that a server has recorded.

G.722 is decoded, always to linear samples. For G.729 ffmpeg has to be installed.";
    [
        "callrec export Record_20260102_101500.wav call.wav",
        "callrec export --from 1:30 --to 2:00 Record_20260102_101500.wav - | ffplay -nodisp -autoexit -",
        "callrec export Record_20260102_101500.wav call.svg",
    ]
};

#[derive(Default)]
struct ExportOptions {
    pcm16: bool,
    picture: bool,
    raw: bool,
    this_part: bool,
    from: u64,
    to: Option<u64>,
    paths: Vec<PathBuf>,
}

pub(super) fn export(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some(options) = options_of(arguments)? else {
        return console.print(EXPORT.help);
    };
    let Some((out, inputs)) = options
        .paths
        .split_last()
        .filter(|(_, inputs)| !inputs.is_empty())
    else {
        return usage("export: which FILE..., and which OUT.wav?");
    };
    let format = format_of(out, options.picture, options.raw)?;
    let calls = calls_of(inputs, options.this_part, console)?;
    let files: Vec<PathBuf> = calls.iter().flat_map(Selected::files).collect();
    let mut joined = JoinedRecording::open(&files)?;
    check_range(&joined, &options, &inputs[0])?;
    let written = match format {
        ExportFormat::Picture => {
            refuse_several(&joined, calls.len())?;
            joined.cut(options.from, options.to.unwrap_or(u64::MAX));
            let svg = with_decoder(&joined, |decoded| {
                picture::svg(&joined, options.from, decoded)
            })?;
            write_out(out, console, &mut |sink| sink.extend(svg.as_bytes()))
        }
        ExportFormat::Raw if options.from > 0 || options.to.is_some() => {
            return usage("export: --raw writes whole recordings, without --from and --to");
        }
        ExportFormat::Raw => {
            joined.check_one_codec()?;
            write_out(out, console, &mut |sink| write_payloads(&joined, sink))
        }
        ExportFormat::Wave => write_wave(&mut joined, &options, out, console),
    };
    // After a failure its message stands alone.
    written.inspect(|_| {
        for call in &calls {
            if let Selected::Call(call) = call {
                call.remark(inputs, console);
            }
        }
        remark(&joined, format, console);
    })
}

/// The calls of the files. A WAV file that was exported into the same folder is none of them.
fn calls_of(
    inputs: &[PathBuf],
    this_part: bool,
    console: &mut Console,
) -> Result<Vec<Selected>, Failure> {
    if let Some(folder) = inputs.iter().find(|path| path.is_dir()) {
        return usage(&format!(
            "export: {}: is a folder; name files of it",
            shown(folder)
        ));
    }
    let is_riff = |path: &PathBuf| {
        let opened = RecordingFile::open(path);
        // A server may be configured to record RIFF/WAVE files.
        matches!(opened, Err(OpenError::Refused(Refusal::Riff)))
            && wave_recording::open(path).is_none()
    };
    let (riff, recordings): (Vec<PathBuf>, Vec<PathBuf>) =
        inputs.iter().cloned().partition(is_riff);
    if recordings.is_empty() {
        return Ok(riff.into_iter().map(Selected::Other).collect());
    }
    for path in riff {
        let reason = Refusal::Riff.description();
        console.note(&format!("{}: {reason}; left out", shown(&path)));
    }
    let mut problems = vec![];
    let calls = select(&recordings, this_part, console, &mut problems);
    Ok(calls)
}

/// A picture has one title and one time axis.
fn refuse_several(joined: &JoinedRecording, calls: usize) -> Result<(), Failure> {
    // Without RTP headers nothing but the sidecars says what belongs together.
    let is_bare = |bare: bool, part: bool| bare || !part;
    let has_bare = joined.parts.iter().map(|part| part.recording.is_rtp());
    if calls > 1 && (joined.plan.discontinuities > 0 || has_bare.fold(false, is_bare)) {
        return usage(&format!(
            "export: the files are of {calls} calls, and a picture shows one; draw each by itself"
        ));
    }
    Ok(())
}

/// Reports damaged files, and how the files fit together.
fn remark(joined: &JoinedRecording, format: ExportFormat, console: &mut Console) {
    for part in &joined.parts {
        if part.recording.state == FileState::Damaged {
            let name = shown(&part.recording.path);
            console.note(&format!(
                "{name}: its header is damaged and was reconstructed from the frames"
            ));
        }
    }
    let JoinPlan {
        repeated,
        discontinuities,
        ..
    } = joined.plan;
    if repeated > 0 {
        console.note(&format!(
            "{repeated} frames were there more than once; each is exported once"
        ));
    }
    let silence = joined.plan.silence();
    if silence > 0 {
        let length = seconds(silence);
        console.note(&if format == ExportFormat::Raw {
            format!("frames of {length} are missing, and nothing stands in their place")
        } else {
            format!("{length} of silence replace missing frames")
        });
    }
    if discontinuities > 0 {
        console.note("the files are of more than one recording; the recordings are concatenated");
    }
}

/// Seconds, for people.
fn seconds(samples: u64) -> String {
    format!("{}.{:03} s", samples / RATE, samples % RATE * 1000 / RATE)
}

fn write_wave(
    joined: &mut JoinedRecording,
    options: &ExportOptions,
    out: &Path,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    let mut range = options.from..options.to.unwrap_or(u64::MAX);
    // Other decoders have a state: they have to hear what comes before.
    if joined.is_g711() {
        joined.cut(range.start, range.end);
        range = 0..u64::MAX;
    }
    let samples = joined.plan.samples().min(range.end) - range.start;
    let law = joined.law().filter(|_| !options.pcm16);
    if joined.is_g711() && !options.pcm16 {
        joined.check_one_codec()?;
    }
    let header = match law {
        Some(law) => codes_header(law, samples),
        None => linear_header(samples),
    };
    let Some(header) = header else {
        return Err(Failure::Failed(format!(
            "{}: it would be longer than the 4 GiB that a WAV file can have; export it in pieces with --from and --to",
            shown(out)
        )));
    };
    match law {
        Some(law) => write_out(out, console, &mut |sink| {
            sink.extend(&header)?;
            write_codes(joined, law, sink)
        }),
        None => with_decoder(joined, |mut decoded| {
            write_out(out, console, &mut |sink| {
                sink.extend(&header)?;
                write_linear(joined, range.clone(), decoded.take(), sink)
            })
        }),
    }
}

fn options_of(arguments: Vec<OsString>) -> Result<Option<ExportOptions>, Failure> {
    let mut parser = parser(arguments);
    let mut options = ExportOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("this-part") => options.this_part = true,
            Long("raw") => options.raw = true,
            Long("pcm16") => options.pcm16 = true,
            Long("picture") => {
                options.picture = true;
                options
                    .paths
                    .extend(parser.optional_value().map(PathBuf::from));
            }
            Long("from") => options.from = samples(&parser.value()?)?,
            Long("to") => options.to = Some(samples(&parser.value()?)?),
            Short('h') | Long("help") => return Ok(None),
            Value(path) => options.paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    // `--picture OUT.svg FILE...` is as good as `--picture FILE... OUT.svg`.
    let is_svg = |path: &PathBuf| {
        path.extension()
            .is_some_and(|end| end.eq_ignore_ascii_case("svg"))
    };
    if let Some(at) = options
        .paths
        .iter()
        .rposition(is_svg)
        .filter(|_| options.picture)
    {
        let out = options.paths.remove(at);
        options.paths.push(out);
    }
    Ok(Some(options))
}

/// `--from` and `--to` are in order, and there is audio between them.
fn check_range(
    joined: &JoinedRecording,
    options: &ExportOptions,
    first: &Path,
) -> Result<(), Failure> {
    let whole = joined.plan.samples();
    if options.from >= options.to.unwrap_or(u64::MAX) {
        return usage("export: --from must be before --to");
    }
    if options.from > 0 && options.from >= whole {
        return Err(Failure::Failed(format!(
            "{}: there are only {} of audio, nothing after --from",
            shown(first),
            seconds(whole)
        )));
    }
    Ok(())
}
