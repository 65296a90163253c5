//! `callrec play`: sends a recording as RTP, without a daemon.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::{Long, Short, Value};

use crate::base::limits::TEXT_BYTES;
use crate::cli::arguments::{parser, samples};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::daemon::one_player::{OnePlayer, Position};
use crate::proto::playback::state::{PlayError, PlayRequest};
use crate::proto::recorder::reason::stick_reason;
use crate::recordings::joined::RATE;
use crate::recordings::recording_file::{FileState, RecordingFile};
use crate::wire::control::Text;

pub(super) const PLAY: CommandSpec = command! {
    "callrec", "play", "FILE HOST:PORT",
    "sends a recording as RTP, in real time";
    [
        ("", "from", "TIME",
            "begin there: seconds, M:SS or H:MM:SS"),
    ];
    "\
The parts that follow FILE in its folder are played after it. On a terminal a line shows the position.";
    [
        "callrec play Record_20260102_101500.wav 192.168.1.20:5004 --from 1:30",
    ]
};
/// From one look of the line to the next.
const STEP: Duration = Duration::from_millis(200);

pub(super) fn play(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let (mut words, mut from) = (Vec::<OsString>::new(), 0);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("from") => from = samples(&parser.value()?)?,
            Short('h') | Long("help") => return console.print(PLAY.help),
            Value(word) if words.len() < 2 => words.push(word),
            other => return Err(other.unexpected().into()),
        }
    }
    let [file, to] = <[OsString; 2]>::try_from(words)
        .or_else(|_| usage("play: which FILE, and to which HOST:PORT?"))?;
    let file = PathBuf::from(file);
    let failed =
        |problem: &dyn std::fmt::Display| Failure::Failed(format!("{}: {problem}", shown(&file)));
    let recording = RecordingFile::open(&file).map_err(|problem| failed(&problem))?;
    if recording.state == FileState::Damaged && recording.header.fits() {
        return Err(failed(
            &"its header is damaged; 'callrec repair' repairs it",
        ));
    }
    let position_ms = u32::try_from(from * 1000 / RATE)
        .or_else(|_| usage("play: --from is more than a recording lasts"))?;
    let real = file.canonicalize().map_err(|error| failed(&error))?;
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(failed(&"is not a file"));
    };
    let name = Text::from_slice(name.as_bytes());
    let name =
        name.map_err(|_| failed(&format_args!("its name is longer than {TEXT_BYTES} bytes")))?;
    let player = OnePlayer::begin(
        folder,
        PlayRequest {
            file: name,
            to: address(&to)?,
            position_ms,
        },
    );
    let mut line = PositionLine::new();
    let played = player
        .map_err(|error| failed(&error))?
        .run(|position| line.show(console, position));
    line.end(console);
    match played {
        Ok(0) => Ok(ExitCode::SUCCESS),
        Ok(lost) => Err(failed(&format_args!(
            "the system did not take {lost} of its packets"
        ))),
        Err(PlayError::NoFile) => Err(failed(&"has disappeared")),
        Err(PlayError::NoRecording) => Err(failed(&"is not a recording")),
        Err(PlayError::Unplayable) => Err(failed(
            &"the lengths in its header cannot be played; 'callrec info' says more",
        )),
        Err(PlayError::TooShort) => Err(failed(&"it ends before --from")),
        Err(PlayError::NoWay) => Err(Failure::Failed(format!(
            "{}: nothing can be sent there",
            to.to_string_lossy()
        ))),
        Err(PlayError::Stick(error)) => Err(failed(&stick_reason(error))),
    }
}

fn address(to: &OsString) -> Result<SocketAddr, Failure> {
    let text = to.to_string_lossy();
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse::<u16>().ok())
        .filter(|port| *port > 0);
    if port.is_none() {
        return usage(&format!(
            "'{text}' is not HOST:PORT, such as 192.168.1.20:5004 or [::1]:5004"
        ));
    }
    let found = text
        .to_socket_addrs()
        .map_err(|error| Failure::Failed(format!("{text}: {error}")))?
        .next();
    found.ok_or_else(|| Failure::Failed(format!("{text}: the host has no address")))
}

/// The line on a terminal.
struct PositionLine {
    terminal: bool,
    shown_at: Option<Instant>,
}

impl PositionLine {
    fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            shown_at: None,
        }
    }

    fn show(&mut self, console: &mut Console, position: Position) {
        let due = self.shown_at.is_none_or(|at| at.elapsed() >= STEP) || position.at == position.of;
        if self.terminal && due && position.of > 0 {
            self.shown_at = Some(Instant::now());
            let _ = console
                .err
                .put(format!("\r{} / {}\x1b[K", clock(position.at), clock(position.of)).as_bytes());
        }
    }

    fn end(&mut self, console: &mut Console) {
        if self.shown_at.is_some() {
            let _ = console.err.put(b"\n");
        }
    }
}

fn clock(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    format!(
        "{}:{:02}:{:02}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}
