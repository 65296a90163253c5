//! `callrec play`: plays a recording on this computer, or sends it as RTP, without a daemon.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lexopt::prelude::{Long, Short, Value};

use crate::base::limits::TEXT_BYTES;
use crate::cli::arguments::{parser, samples};
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::{shown, Console};
use crate::cli::failure::{usage, Failure};
use crate::cli::local_player;
use crate::cli::selection::{select, Selected, SelectedCall};
use crate::daemon::one_player::{OnePlayer, Outcome, Position};
use crate::io::host::OsStrExt;
use crate::proto::playback::state::{PlayError, PlayRequest};
use crate::proto::recorder::reason::stick_reason;
use crate::recordings::joined::RATE;
use crate::recordings::recording_file::{FileState, RecordingFile};
use crate::wire::control::Text;

pub(super) const PLAY: CommandSpec = command! {
    "callrec", "play", "FILE [HOST:PORT]",
    "plays a recording here, or sends it as RTP, in real time";
    [
        ("", "from", "TIME",
            "begin there: seconds, M:SS or H:MM:SS"),
        ("", "this-part", "",
            "play only FILE, not all parts of its call"),
    ];
    "\
All parts of the call are searched for in the folder of FILE, and played in order.

Without HOST:PORT the recording is played on this computer, by ffplay, aplay or paplay, whichever is installed.

With HOST:PORT it is sent as RTP; on a terminal a line shows the position. Start the receiver first: a phone, or a media
player with a session description such as this one in call.sdp (payload type 0 is PCMU, 8 PCMA, 9 G722, 18 G729):

v=0
o=- 0 0 IN IP4 127.0.0.1
s=call
c=IN IP4 127.0.0.1
t=0 0
m=audio 5004 RTP/AVP 0

ffplay -protocol_whitelist file,udp,rtp -nodisp call.sdp";
    [
        "callrec play Record_20260102_101500.wav",
        "callrec play Record_20260102_101500.wav 192.168.1.20:5004 --from 1:30",
    ]
};
/// From one look of the line to the next.
const STEP: Duration = Duration::from_millis(200);

#[derive(Default)]
struct PlayOptions {
    /// In samples.
    from: u64,
    this_part: bool,
    words: Vec<OsString>,
}

pub(super) fn play(arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let mut parser = parser(arguments);
    let mut options = PlayOptions::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("from") => options.from = samples(&parser.value()?)?,
            Long("this-part") => options.this_part = true,
            Short('h') | Long("help") => return console.print(PLAY.help),
            Value(word) if options.words.len() < 2 => options.words.push(word),
            other => return Err(other.unexpected().into()),
        }
    }
    let Some(file) = options.words.first().map(PathBuf::from) else {
        return usage("play: which FILE, and perhaps to which HOST:PORT?");
    };
    let to = match options.words.get(1) {
        Some(to) => Some(address(to)?),
        None => None,
    };
    let position_ms = u32::try_from(options.from * 1000 / RATE)
        .or_else(|_| usage("play: --from is more than a recording lasts"))?;
    check(&file)?;
    let selected = select(
        std::slice::from_ref(&file),
        options.this_part,
        console,
        &mut vec![],
    );
    let files: Vec<PathBuf> = selected.iter().flat_map(Selected::files).collect();
    let played = match to {
        Some(to) => send(&files, to, position_ms, console),
        None => local_player::play(&files, options.from),
    };
    played.inspect(|_| {
        for selected in &selected {
            if let Selected::Call(call) = selected {
                remark(call, &file, console);
            }
        }
    })
}

/// Further parts are what a listener expects; it is another thing if they are missing, or come
/// first.
fn remark(call: &SelectedCall, file: &Path, console: &mut Console) {
    let first = call.files().first().cloned().unwrap_or_default();
    let begins_with_file = first.file_name() == file.canonicalize().unwrap_or_default().file_name();
    if call.this_part.is_some() || !begins_with_file || !call.missing.is_empty() {
        call.remark(&[file.into()], console);
    }
}

/// The file is a recording whose lengths are known.
fn check(file: &Path) -> Result<(), Failure> {
    let recording = RecordingFile::open(file).map_err(|problem| failed(file, &problem))?;
    if recording.state == FileState::Damaged && recording.header.fits() {
        let reason = "its header is damaged; 'callrec repair' repairs it";
        return Err(failed(file, &reason));
    }
    Ok(())
}

fn failed(file: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {problem}", shown(file)))
}

/// Sends the files. A player finds further parts by their RTP headers, in one folder; otherwise
/// each file has its own.
fn send(
    files: &[PathBuf],
    to: SocketAddr,
    position_ms: u32,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    let mut line = PositionLine::new();
    let sent = match files {
        [first, others @ ..] if !others.is_empty() && are_found(first, others) => {
            send_file(first, to, position_ms, true, &mut |position| {
                line.show(console, position)
            })
        }
        _ => send_each(files, to, position_ms, &mut |position| {
            line.show(console, position)
        }),
    };
    line.end(console);
    sent.map(|()| ExitCode::SUCCESS)
}

fn are_found(first: &Path, others: &[PathBuf]) -> bool {
    let is_rtp = RecordingFile::open(first).is_ok_and(|recording| recording.is_rtp());
    is_rtp && others.iter().all(|other| other.parent() == first.parent())
}

fn send_each(
    files: &[PathBuf],
    to: SocketAddr,
    position_ms: u32,
    show: &mut dyn FnMut(Position),
) -> Result<(), Failure> {
    let mut left_out = u64::from(position_ms);
    let last = files.len().saturating_sub(1);
    for (number, file) in files.iter().enumerate() {
        let recording = RecordingFile::open(file).map_err(|problem| failed(file, &problem))?;
        let length = recording.header.duration_ms(recording.extent.frames);
        if left_out >= length && number < last {
            left_out -= length;
            continue;
        }
        let from = u32::try_from(left_out).unwrap_or(u32::MAX);
        send_file(file, to, from, false, show)?;
        left_out = 0;
    }
    Ok(())
}

/// Sends a file, and `with_parts` those that follow it.
fn send_file(
    file: &Path,
    to: SocketAddr,
    position_ms: u32,
    with_parts: bool,
    show: &mut dyn FnMut(Position),
) -> Result<(), Failure> {
    let real = file.canonicalize().map_err(|error| failed(file, &error))?;
    let (Some(folder), Some(name)) = (real.parent(), real.file_name()) else {
        return Err(failed(file, &"is not a file"));
    };
    let name = Text::from_slice(name.as_bytes()).map_err(|_| {
        let reason = format!("its name is longer than {TEXT_BYTES} bytes");
        failed(file, &reason)
    })?;
    let start = PlayRequest {
        file: name,
        to,
        position_ms,
    };
    let player =
        OnePlayer::begin(folder, start, with_parts).map_err(|error| failed(file, &error))?;
    match player.run(show) {
        Ok(Outcome::Sent) => Ok(()),
        Ok(Outcome::Lost(lost)) => {
            let reason = format!("the system did not take {lost} of its packets");
            Err(failed(file, &reason))
        }
        Ok(Outcome::Refused) => Err(Failure::Failed(format!(
            "{to}: no program receives on that port; start the receiver first ('callrec play --help' shows how)"
        ))),
        Err(error) => Err(send_failure(file, to, error)),
    }
}

fn send_failure(file: &Path, to: SocketAddr, error: PlayError) -> Failure {
    match error {
        PlayError::NoFile => failed(file, &"has disappeared"),
        PlayError::NoRecording => failed(file, &"is not a recording"),
        PlayError::Unplayable => {
            let reason = "the lengths in its header cannot be played; 'callrec info' says more";
            failed(file, &reason)
        }
        PlayError::TooShort => failed(file, &"it ends before --from"),
        PlayError::NoWay => Failure::Failed(format!("{to}: nothing can be sent there")),
        PlayError::Stick(error) => failed(file, &stick_reason(error)),
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
