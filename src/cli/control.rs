//! `ctl` and `watch` of `callrec` and `callrec-box`: a person's way to the control socket.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use crate::cli::arguments::parser;
use crate::cli::command::{command, CommandSpec};
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};

/// A program with a control socket.
pub(crate) struct ControlProgram {
    pub(crate) name: &'static str,
    /// Where its daemon's socket is by default.
    pub(crate) socket: &'static str,
    pub(crate) ctl_help: &'static str,
    pub(crate) watch_help: &'static str,
}

pub(super) const CALLREC: ControlProgram = ControlProgram {
    name: "callrec",
    socket: "/var/run/callrec.sock",
    ctl_help: CTL.help,
    watch_help: WATCH.help,
};

pub(super) const CTL: CommandSpec = command! {
    "callrec", "ctl", "MESSAGE...",
    "sends control messages and prints each reply on a line";
    [
        ("s", "socket", "SOCKET",
            "the recorder's control socket [/var/run/callrec.sock]"),
    ];
    "\
A message without 'cmd=' begins with the command. The exit status is 1 if a reply says that a request failed.";
    [
        "callrec ctl 'cmd=RecordStartRequest&sink=local&dir=in&remote_number=100'",
        "callrec ctl RecordStatusRequest",
        "callrec ctl 'cmd=RecordStopRequest&id=1234'",
    ]
};

pub(super) const WATCH: CommandSpec = command! {
    "callrec", "watch", "",
    "prints events as they occur, one per line";
    [
        ("s", "socket", "SOCKET",
            "the recorder's control socket [/var/run/callrec.sock]"),
    ];
    "\
It ends when the recorder does.";
    [
        "callrec watch | grep StickEvent",
    ]
};

pub(crate) fn ctl(program: &ControlProgram, arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let (socket, messages) = match arguments_of(program, arguments)? {
        Some(found) => found,
        None => return print(program.ctl_help),
    };
    if messages.is_empty() {
        let name = program.name;
        return usage(&format!(
            "ctl: which MESSAGE? '{name} ctl --help' shows some"
        ));
    }
    let mut connection = ControlConnection::open(program, &socket)?;
    let mut failed = None;
    for message in &messages {
        connection.send(&with_time(message))?;
        loop {
            let line = connection.next_line()?.ok_or_else(|| connection.ended())?;
            print(&format!("{line}\n"))?;
            if has(&line, "result=failed") {
                failed = Some(line);
                break;
            }
            if has(&line, "result=success") {
                break;
            }
        }
    }
    match failed {
        None => Ok(ExitCode::SUCCESS),
        Some(line) => {
            let reason = line
                .split('&')
                .find_map(|pair| pair.strip_prefix("reason="))
                .unwrap_or("no reason given");
            Err(Failure::Failed(format!(
                "{socket}: request failed: {reason}"
            )))
        }
    }
}

pub(crate) fn watch(
    program: &ControlProgram,
    arguments: Vec<OsString>,
) -> Result<ExitCode, Failure> {
    let (socket, messages) = match arguments_of(program, arguments)? {
        Some(found) => found,
        None => return print(program.watch_help),
    };
    if let Some(message) = messages.first() {
        return usage(&format!("watch: unexpected '{message}'"));
    }
    let mut connection = ControlConnection::open(program, &socket)?;
    connection.send("SubscribeRequest")?;
    while let Some(line) = connection.next_line()? {
        if has(&line, "result=failed") {
            return Err(Failure::Failed(format!("{socket}: {line}")));
        }
        if !line.starts_with("cmd=SubscribeResponse")
            && writeln!(std::io::stdout(), "{line}").is_err()
        {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(connection.ended())
}

/// A request whose time counts says when it was made: a slow stick may keep the daemon from reading
/// it at once.
fn with_time(message: &str) -> String {
    let name = message
        .strip_prefix("cmd=")
        .unwrap_or(message)
        .split('&')
        .next();
    let counts = [
        "RecordStopRequest",
        "RecordPauseRequest",
        "RecordResumeRequest",
    ]
    .map(Some)
    .contains(&name);
    if !counts || message.split('&').any(|pair| pair.starts_with("at_ms=")) {
        return message.to_owned();
    }
    let millis = crate::io::clock::monotonic().nanos() / 1_000_000;
    format!("{message}&at_ms={millis}")
}

fn has(line: &str, pair: &str) -> bool {
    line.split('&').any(|found| found == pair)
}

/// The socket and the messages; `None` for `--help`.
fn arguments_of(
    program: &ControlProgram,
    arguments: Vec<OsString>,
) -> Result<Option<(String, Vec<String>)>, Failure> {
    let mut parser = parser(arguments);
    let (mut socket, mut messages) = (program.socket.to_owned(), vec![]);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('s') | Long("socket") => socket = parser.value()?.to_string_lossy().into_owned(),
            Short('h') | Long("help") => return Ok(None),
            Value(message) => messages.push(message.to_string_lossy().into_owned()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((socket, messages)))
}

/// A connection to the daemon.
struct ControlConnection {
    socket: String,
    lines: BufReader<UnixStream>,
}

impl ControlConnection {
    fn open(program: &ControlProgram, socket: &str) -> Result<Self, Failure> {
        let stream = UnixStream::connect(socket).map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::PermissionDenied => "only its owner and group may use it",
                _ => &format!("is '{} run' running?", program.name),
            };
            Failure::Failed(format!("{socket}: {error}; {hint}"))
        })?;
        Ok(Self {
            socket: socket.into(),
            lines: BufReader::new(stream),
        })
    }

    fn send(&mut self, message: &str) -> Result<(), Failure> {
        let named = message.split('&').any(|pair| {
            pair.split('=')
                .next()
                .is_some_and(|key| key.trim() == "cmd")
        });
        let prefix = if named { "" } else { "cmd=" };
        let line = format!("{prefix}{}\n", message.trim_end_matches(['\r', '\n']));
        if line[..line.len() - 1].contains('\n') {
            return usage("a message is one line; write %0A for a line end in a value");
        }
        match self.lines.get_mut().write_all(line.as_bytes()) {
            // A daemon that refuses a connection says why before it closes: the line waits to be
            // read.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(self.failed(&error)),
            _ => Ok(()),
        }
    }

    fn next_line(&mut self) -> Result<Option<String>, Failure> {
        let mut line = vec![];
        match self.lines.read_until(b'\n', &mut line) {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(
                String::from_utf8_lossy(line.trim_ascii_end()).into_owned(),
            )),
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::Failed(format!("{}: {error}", self.socket))
    }

    fn ended(&self) -> Failure {
        Failure::Failed(format!("{}: the daemon closed the connection", self.socket))
    }
}
