//! `callrec export`: recordings as RIFF/WAVE files that every player opens, or as a picture.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::console::{shown, Console, Sink};
use crate::cli::parts::{seconds, time, Audio, Parts};
use crate::cli::{drawing, parser, usage, Failure};
use crate::wire::g711::Law;
use crate::wire::riff;

const HELP: &str = "\
callrec export FILE... OUT.wav: one RIFF/WAVE file of a recording, or of its parts

  --picture        OUT.svg is a picture of the waveform instead, with pauses, gaps and the borders of parts
  --pcm16          16-bit linear samples; without it the audio stays as it was recorded: G.711, mono, 8 kHz
  --from SECONDS   begin there; also as M:SS or H:MM:SS
  --to SECONDS     end there

OUT `-` is standard output; a file that exists is not overwritten. Parts are joined by their sequence numbers and
timestamps, whatever their order; frames that several files have come once, missing ones become silence. Other
recordings follow one behind the other.

Example: callrec export Record_20260102_101500.wav Record_20260102_102000.wav call.wav
         callrec export --from 1:30 --to 2:00 Record_20260102_101500.wav - | ffplay -nodisp -autoexit -
         callrec export --picture Record_20260102_101500.wav call.svg
";
/// Bytes written at once.
const WRITE_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct Options {
    pcm16: bool,
    picture: bool,
    from: u64,
    to: Option<u64>,
    paths: Vec<PathBuf>,
}

pub(super) fn export(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let Some(options) = options_of(arguments)? else {
        return console.print(HELP);
    };
    let Some((out, inputs)) = options
        .paths
        .split_last()
        .filter(|(_, inputs)| !inputs.is_empty())
    else {
        return usage("export: which FILE..., and which OUT.wav?");
    };
    let parts = parts_of(inputs, &options)?;
    let written = match options.picture {
        true => {
            let svg = drawing::svg(&parts, options.from)?;
            write_out(out, console, &mut |sink| sink.extend(svg.as_bytes()))
        }
        false => write_wave(&parts, options.pcm16, out, console),
    };
    // One line when it failed: these are of no use then.
    written.inspect(|_| parts.remark(console))
}

fn write_wave(
    parts: &Parts,
    pcm16: bool,
    out: &Path,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    let law = parts.parts.first().map_or(Law::Mu, |part| part.law);
    let too_long = || {
        let words = "more than the 4 GiB that a WAV file can have; export it in pieces with --from and --to";
        Failure::Failed(format!("{}: it would be {words}", shown(out)))
    };
    let header = header(pcm16, law, parts.plan.samples()).ok_or_else(too_long)?;
    let sample_bytes = if pcm16 { 2 } else { 1 };
    write_out(out, console, &mut |sink| {
        sink.extend(&header)?;
        parts.play(&mut |audio| match audio {
            Audio::Missing(samples) => {
                (0..samples).try_for_each(|_| sink.sample(pcm16, law.silence(), 0))
            }
            Audio::Codes(law, codes) => {
                let table = law.decode_table();
                codes
                    .iter()
                    .try_for_each(|code| sink.sample(pcm16, *code, table[usize::from(*code)]))
            }
        })?;
        let odd = parts.plan.samples() * sample_bytes % 2 == 1;
        sink.extend(if odd { &[0] } else { &[] })
    })
}

/// `None`: a WAV file cannot be as long.
fn header(pcm16: bool, law: Law, samples: u64) -> Option<Vec<u8>> {
    match pcm16 {
        true => riff::pcm16_header(samples).map(Vec::from),
        // With a size of 2^32 - 1 and thereabouts it would be one of unknown length.
        false => {
            (samples < u64::from(u32::MAX) - 64).then(|| riff::header(law, Some(samples)).to_vec())
        }
    }
}

fn options_of(arguments: Vec<OsString>) -> Result<Option<Options>, Failure> {
    let mut parser = parser(arguments);
    let mut options = Options::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("pcm16") => options.pcm16 = true,
            Long("picture") => {
                options.picture = true;
                options
                    .paths
                    .extend(parser.optional_value().map(PathBuf::from));
            }
            Long("from") => options.from = time(&parser.value()?)?,
            Long("to") => options.to = Some(time(&parser.value()?)?),
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

/// The parts, cut to what is wanted.
fn parts_of(inputs: &[PathBuf], options: &Options) -> Result<Parts, Failure> {
    let mut parts = Parts::open(inputs, !options.pcm16 && !options.picture)?;
    let (whole, to) = (parts.plan.samples(), options.to.unwrap_or(u64::MAX));
    if options.from >= to {
        return usage("export: --from must be before --to");
    }
    if options.from > 0 && options.from >= whole {
        let words = format!(
            "there are only {} of audio, nothing after --from",
            seconds(whole)
        );
        return Err(Failure::Failed(format!("{}: {words}", shown(&inputs[0]))));
    }
    parts.cut(options.from, to);
    Ok(parts)
}

/// Collects bytes and writes them in large pieces.
struct Output<'a> {
    sink: &'a mut dyn Sink,
    name: String,
    buffer: Vec<u8>,
    /// Whoever read it has gone away (`| head`): no failure.
    unread: bool,
}

impl Output<'_> {
    fn extend(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < WRITE_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn sample(&mut self, pcm16: bool, code: u8, linear: i16) -> Result<(), Failure> {
        match pcm16 {
            true => self.extend(&linear.to_le_bytes()),
            false => self.extend(&[code]),
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

/// Has a new file written, or standard output for `-`. What fails leaves no file behind.
fn write_out(
    out: &Path,
    console: &mut Console,
    write: &mut dyn FnMut(&mut Output) -> Result<(), Failure>,
) -> Result<ExitCode, Failure> {
    let mut to = |sink: &mut dyn Sink, name: String| {
        let mut output = Output {
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
    let mut file = File::create_new(out).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists if !out.symlink_metadata().is_ok_and(|entry| entry.is_file()) => {
            Failure::Failed(format!(
                "{}: is no place for a new file; `-` is standard output",
                shown(out)
            ))
        }
        ErrorKind::AlreadyExists => Failure::Failed(format!(
            "{}: exists already; choose another name or delete it first",
            shown(out)
        )),
        _ => Failure::Failed(format!("{}: {error}", shown(out))),
    })?;
    let written = to(&mut file, shown(out));
    if written.is_err() {
        drop(file.flush());
        let _ = std::fs::remove_file(out);
    }
    written.map(|()| ExitCode::SUCCESS)
}
