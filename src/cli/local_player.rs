//! Plays a recording on this computer, by a program that is there: samples go to it through a pipe.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};

use crate::cli::console::shown;
use crate::cli::export_output::write_to;
use crate::cli::export_wave::{linear_header, write_linear};
use crate::cli::failure::Failure;
use crate::cli::ffmpeg::with_decoder;
use crate::io::host::is_program;
use crate::recordings::joined::JoinedRecording;

/// A program, and its arguments to play what comes from standard input.
struct Player {
    name: &'static str,
    arguments: &'static [&'static str],
    /// It takes a WAV file, else samples alone: 16 bits, little-endian, mono, 8 kHz.
    takes_wave: bool,
}

/// The first one that is installed is taken.
const PLAYERS: [Player; 3] = [
    Player {
        name: "ffplay",
        arguments: &[
            "-hide_banner",
            "-loglevel",
            "error",
            "-nodisp",
            "-autoexit",
            "-i",
            "pipe:0",
        ],
        takes_wave: true,
    },
    Player {
        name: "aplay",
        arguments: &["-q", "-"],
        takes_wave: true,
    },
    Player {
        name: "paplay",
        arguments: &["--raw", "--format=s16le", "--rate=8000", "--channels=1"],
        takes_wave: false,
    },
];

/// Plays the files from this sample on.
pub(super) fn play(files: &[PathBuf], from: u64) -> Result<ExitCode, Failure> {
    let Some(player) = PLAYERS.iter().find(|player| is_installed(player.name)) else {
        return Err(Failure::Failed(
            "play: there is no ffplay, aplay or paplay on the PATH; install one (the packages are ffmpeg, alsa-utils and \
             pulseaudio-utils), or send the recording to a HOST:PORT"
                .into(),
        ));
    };
    let joined = JoinedRecording::open(files)?;
    let whole = joined.plan.samples();
    if from > 0 && from >= whole {
        let name = files.first().map(|file| shown(file)).unwrap_or_default();
        return Err(Failure::Failed(format!("{name}: it ends before --from")));
    }
    with_decoder(&joined, |mut decoded| {
        let mut child = start(player)?;
        let header = linear_header(whole - from).filter(|_| player.takes_wave);
        let written = match child.stdin.take() {
            None => Ok(()),
            Some(mut stdin) => write_to(&mut stdin, player.name.into(), &mut |sink| {
                sink.extend(header.as_deref().unwrap_or_default())?;
                write_linear(&joined, from..whole, decoded.take(), sink)
            }),
        };
        end(child, player.name)?;
        written.map(|()| ExitCode::SUCCESS)
    })
}

fn start(player: &Player) -> Result<Child, Failure> {
    let mut command = Command::new(player.name);
    command.args(player.arguments).stdin(Stdio::piped());
    let failed = |error| Failure::Failed(format!("{}: {error}", player.name));
    command.stdout(Stdio::null()).spawn().map_err(failed)
}

/// Waits until the program has played all.
fn end(mut child: Child, name: &str) -> Result<(), Failure> {
    let status = loop {
        match child.wait() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            waited => break waited,
        }
    };
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::Failed(format!("{name}: it failed ({status})"))),
        Err(error) => Err(Failure::Failed(format!("{name}: {error}"))),
    }
}

/// A program of this name is on the PATH.
fn is_installed(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    folders.any(|folder| is_program(&folder, name))
}
