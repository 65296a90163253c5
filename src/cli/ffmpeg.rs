//! ffmpeg as a decoder for codecs that this program does not decode: payloads in, samples out,
//! through pipes.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::cli::console::{harmless, shown};
use crate::cli::failure::Failure;
use crate::recordings::joined::JoinedRecording;
use crate::recordings::part::FileError;
use crate::wire::recording::Codec;

/// Payloads of G.729 to mono samples at 8 kHz, both raw.
const ARGUMENTS: [&str; 15] = [
    "-nostdin",
    "-hide_banner",
    "-loglevel",
    "error",
    "-f",
    "g729",
    "-i",
    "pipe:0",
    "-f",
    "s16le",
    "-ar",
    "8000",
    "-ac",
    "1",
    "pipe:1",
];

/// Does the work with what ffmpeg decodes meanwhile, or without it if the recording does not need
/// it.
pub(crate) fn with_decoder<T>(
    joined: &JoinedRecording,
    work: impl FnOnce(Option<&mut dyn Read>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    if !joined.needs_decoder() {
        return work(None);
    }
    let mut child = start(joined)?;
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failure::Failed("ffmpeg: it has no pipes".into()));
    };
    let (result, words) = thread::scope(|scope| {
        // A reader that has gone away, or a file that cannot be read, shows at the other end.
        scope.spawn(move || {
            let mut write = |payload: &[u8]| -> Result<(), FileError> {
                let written = stdin.write_all(payload);
                written.map_err(|error| FileError::new("ffmpeg".as_ref(), &error))
            };
            let _ = joined.play_undecoded(&mut write);
        });
        let words = scope.spawn(move || {
            let mut words = String::new();
            let _ = stderr.read_to_string(&mut words);
            words
        });
        let result = work(Some(&mut BufReader::new(stdout)));
        (result, words.join().unwrap_or_default())
    });
    let _ = child.wait();
    result.map_err(|failure| with_words(failure, &words))
}

fn start(joined: &JoinedRecording) -> Result<Child, Failure> {
    let mut command = Command::new("ffmpeg");
    command.args(ARGUMENTS).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| {
        let part = joined.parts.iter().find(|part| part.codec == Codec::G729);
        let name = part.map(|part| shown(&part.recording.path));
        let name = name.unwrap_or_default();
        Failure::Failed(if error.kind() == ErrorKind::NotFound {
            format!(
                "{name}: is G.729, which ffmpeg decodes: install it (the package ffmpeg), or write the payloads with --raw"
            )
        } else {
            format!("{name}: ffmpeg, which decodes G.729, cannot be started: {error}")
        })
    })
}

/// What ffmpeg said is the reason, if it said something.
fn with_words(failure: Failure, words: &str) -> Failure {
    match (failure, words.lines().next()) {
        (Failure::Failed(message), Some(first)) => {
            Failure::Failed(format!("{message}; ffmpeg: {}", harmless(first)))
        }
        (failure, _) => failure,
    }
}
