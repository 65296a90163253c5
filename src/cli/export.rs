//! `callrec export`: recordings as RIFF/WAVE files that every player opens, or as a picture.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::{parser, samples};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, ByteSink, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::picture;
use crate::recordings::joined::{JoinedRecording, RATE};
use crate::recordings::part::AudioBlock;
use crate::recordings::plan::JoinPlan;
use crate::recordings::recording_file::FileState;
use crate::wire::g711::Law;
use crate::wire::riff;

pub(super) const EXPORT: CommandSpec = command! {
    "callrec", "export", "FILE... OUT.wav",
    "writes one RIFF/WAVE file, or a picture, of a recording or of its parts";
    [
        ("", "picture", "",
            "write a picture (SVG) of the waveform, with pauses, gaps and the borders of parts"),
        ("", "pcm16", "",
            "write 16-bit linear samples instead of the recorded G.711 codes"),
        ("", "from", "TIME",
            "begin there: seconds, M:SS or H:MM:SS"),
        ("", "to", "TIME",
            "end there"),
    ];
    "\
Audio is mono, 8 kHz. The output `-` is standard output; an existing file is not overwritten.

Parts are joined by their sequence numbers and timestamps, in whatever order they are named. Frames that several files
hold are written once, and missing ones become silence. Files of several recordings are concatenated.";
    [
        "callrec export Record_20260102_101500.wav Record_20260102_102000.wav call.wav",
        "callrec export --from 1:30 --to 2:00 Record_20260102_101500.wav - | ffplay -nodisp -autoexit -",
        "callrec export --picture Record_20260102_101500.wav call.svg",
    ]
};
/// Bytes written at once.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct ExportOptions {
    pcm16: bool,
    picture: bool,
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
    let joined = join(inputs, &options)?;
    let written = if options.picture {
        let svg = picture::svg(&joined, options.from)?;
        write_out(out, console, &mut |sink| sink.extend(svg.as_bytes()))
    } else {
        write_wave(&joined, options.pcm16, out, console)
    };
    // After a failure its message stands alone.
    written.inspect(|_| remark(&joined, console))
}

/// Reports damaged files, and how the files fit together.
fn remark(joined: &JoinedRecording, console: &mut Console) {
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
        console.note(&format!(
            "{} of silence replace missing frames",
            seconds(silence)
        ));
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
    joined: &JoinedRecording,
    pcm16: bool,
    out: &Path,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    let law = joined.parts.first().map_or(Law::Mu, |part| part.law);
    let Some(header) = header(pcm16, law, joined.plan.samples()) else {
        return Err(Failure::Failed(format!(
            "{}: it would be longer than the 4 GiB that a WAV file can have; export it in pieces with --from and --to",
            shown(out)
        )));
    };
    let sample_bytes = if pcm16 { 2 } else { 1 };
    write_out(out, console, &mut |sink| {
        sink.extend(&header)?;
        joined.play(&mut |audio| match audio {
            AudioBlock::Missing(samples) => {
                (0..samples).try_for_each(|_| sink.sample(pcm16, law.silence(), 0))
            }
            AudioBlock::Codes(law, codes) => {
                let table = law.decode_table();
                codes
                    .iter()
                    .try_for_each(|code| sink.sample(pcm16, *code, table[usize::from(*code)]))
            }
        })?;
        let odd = joined.plan.samples() * sample_bytes % 2 == 1;
        sink.extend(if odd { &[0] } else { &[] })
    })
}

/// `None`: too long for a WAV file.
fn header(pcm16: bool, law: Law, samples: u64) -> Option<Vec<u8>> {
    if pcm16 {
        return riff::pcm16_header(samples).map(Vec::from);
    }
    // A size close to 2^32 - 1 stands for an unknown length.
    let has_room = samples < u64::from(u32::MAX) - 64;
    has_room.then(|| riff::header(law, Some(samples)).to_vec())
}

fn options_of(arguments: Vec<OsString>) -> Result<Option<ExportOptions>, Failure> {
    let mut parser = parser(arguments);
    let mut options = ExportOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
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

/// The files, joined, and cut to what was asked for.
fn join(inputs: &[PathBuf], options: &ExportOptions) -> Result<JoinedRecording, Failure> {
    let mut joined = JoinedRecording::open(inputs, !options.pcm16 && !options.picture)?;
    let whole = joined.plan.samples();
    let to = options.to.unwrap_or(u64::MAX);
    if options.from >= to {
        return usage("export: --from must be before --to");
    }
    if options.from > 0 && options.from >= whole {
        return Err(Failure::Failed(format!(
            "{}: there are only {} of audio, nothing after --from",
            shown(&inputs[0]),
            seconds(whole)
        )));
    }
    joined.cut(options.from, to);
    Ok(joined)
}

/// Collects bytes and writes them in large pieces.
struct ExportOutput<'a> {
    sink: &'a mut dyn ByteSink,
    name: String,
    buffer: Vec<u8>,
    /// The reader has gone away (`| head`), which is not a failure.
    unread: bool,
}

impl ExportOutput<'_> {
    fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn sample(&mut self, pcm16: bool, code: u8, linear: i16) -> Result<(), Failure> {
        if pcm16 {
            self.extend(&linear.to_le_bytes())
        } else {
            self.extend(&[code])
        }
    }

    fn flush(&mut self) -> Result<(), Failure> {
        let written = self.sink.put(&self.buffer);
        self.buffer.clear();
        self.unread = written
            .as_ref()
            .is_err_and(|error| error.kind() == ErrorKind::BrokenPipe);
        written.map_err(|error| Failure::Failed(format!("{}: {error}", self.name)))
    }
}

/// Writes a new file, or to standard output for `-`. After a failure no file is left.
fn write_out(
    out: &Path,
    console: &mut Console,
    write: &mut dyn FnMut(&mut ExportOutput) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut to = |sink: &mut dyn ByteSink, name: String| {
        let mut output = ExportOutput {
            sink,
            name,
            buffer: Vec::with_capacity(WRITE_BYTES + 64),
            unread: false,
        };
        let written = write(&mut output).and_then(|()| output.flush());
        written.or_else(|failure| if output.unread { Ok(()) } else { Err(failure) })
    };
    if out.as_os_str() == "-" {
        return to(console.out, "standard output".into()).map(|()| ExitCode::SUCCESS);
    }
    let mut file = File::create_new(out).map_err(|error| {
        let name = shown(out);
        Failure::Failed(if error.kind() != ErrorKind::AlreadyExists {
            format!("{name}: {error}")
        } else if out.symlink_metadata().is_ok_and(|entry| entry.is_file()) {
            format!("{name}: exists already; choose another name or delete it first")
        } else {
            format!("{name}: exists already and is not a regular file; `-` is standard output")
        })
    })?;
    let written = to(&mut file, shown(out));
    if written.is_err() {
        drop(file.flush());
        let _ = std::fs::remove_file(out);
    }
    written.map(|()| ExitCode::SUCCESS)
}
