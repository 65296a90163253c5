//! The commands of `callrec`: arguments in, exit status out.
#![allow(clippy::print_stdout, clippy::print_stderr)] // talking to a person is what it is for

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::prelude::{Long, Short, Value};

use console::{shown, Console, Sink};

use crate::io::own_error;

#[cfg(feature = "tools")]
mod beside;
pub mod console;
mod control;
#[cfg(feature = "tools")]
mod drawing;
#[cfg(feature = "tools")]
mod entry;
#[cfg(feature = "tools")]
mod export;
#[cfg(feature = "tools")]
mod fetch;
mod info;
#[cfg(feature = "tools")]
mod list;
#[cfg(feature = "tools")]
mod parts;
#[cfg(feature = "tools")]
mod play;
mod recording;
mod repair;
mod run;
#[cfg(feature = "tools")]
mod verify;

/// How a command failed.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// It could not be done: status 1.
    Failed(String),
    /// It was asked wrongly: status 2.
    Usage(String),
}

const HELP: &str = "\
callrec - records calls of a desk phone to its USB stick

  callrec run [-c FILE]            the daemon, in the foreground; logs to standard error (RUST_LOG=debug for more)
  callrec check FILE               validate a configuration, print the effective one
  callrec ctl [-s SOCKET] MESSAGE...
                                   send control messages, print each answer on a line
  callrec watch [-s SOCKET]        print events as they happen, one line each
  callrec info [--json] FILE|DIR...
                                   what a recording is
  callrec play FILE HOST:PORT [--from SECONDS]
                                   sends a recording and the parts behind it as RTP
  callrec repair FILE|DIR...       makes unfinished recordings whole; says what it did to each
  callrec list [--json] [DIR]      the recordings, newest first
  callrec verify FILE|DIR...       compares recordings with the sums beside them
  callrec export FILE... OUT.wav   one RIFF/WAVE file of a recording or of its parts; OUT `-` is standard output
  callrec fetch --ip HOST:PORT ls|get ...
                                   lists and fetches the recordings of a phone
  callrec COMMAND --help           more about a command, with an example
  callrec --version
";

const DEFAULT_SOCKET: &str = "/var/run/callrec.sock";

/// Runs the command line; `arguments` without the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_with(
        arguments.into_iter().collect(),
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    )
}

/// The same with other places for what the tools print; the other commands print to standard output.
pub fn run_with(arguments: Vec<OsString>, out: &mut dyn Sink, err: &mut dyn Sink) -> ExitCode {
    let mut console = Console { out, err };
    let (message, status) = match command(arguments, &mut console) {
        Ok(code) => return code,
        Err(Failure::Failed(message)) => (message, 1),
        Err(Failure::Usage(message)) => (message, 2),
    };
    console.note(&message);
    ExitCode::from(status)
}

fn command(mut arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    let name = if arguments.is_empty() {
        OsString::new()
    } else {
        arguments.remove(0)
    };
    if arguments
        .iter()
        .any(|argument| argument == "--version" || argument == "-V")
    {
        return version();
    }
    match name.to_str() {
        Some("run") => run::run(arguments),
        Some("check") => run::check(arguments),
        Some("ctl") => control::ctl(arguments),
        Some("watch") => control::watch(arguments),
        Some("info") => info::info(arguments, console),
        Some("repair") => repair::repair(arguments, console),
        Some(tool @ ("export" | "fetch" | "list" | "play" | "verify")) => {
            tool_for_a_pc(tool, arguments, console)
        }
        Some("-h" | "--help" | "help") => print(HELP),
        Some("-V" | "--version") => version(),
        _ if name.is_empty() => usage("no command; 'callrec --help' lists them"),
        _ => usage(&format!(
            "unknown command '{}'; 'callrec --help' lists them",
            shown(Path::new(&name))
        )),
    }
}

#[cfg(feature = "tools")]
fn tool_for_a_pc(
    name: &str,
    arguments: Vec<OsString>,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    match name {
        "export" => export::export(arguments, console),
        "fetch" => fetch::fetch(arguments, console),
        "list" => list::list(arguments, console),
        "play" => play::play(arguments, console),
        _ => verify::verify(arguments, console),
    }
}

#[cfg(not(feature = "tools"))]
fn tool_for_a_pc(name: &str, _: Vec<OsString>, _: &mut Console) -> Result<ExitCode, Failure> {
    usage(&format!(
        "this build, for a phone, has no '{name}'; a PC's callrec has it"
    ))
}

fn version() -> Result<ExitCode, Failure> {
    print(&format!("callrec {}\n", env!("CARGO_PKG_VERSION")))
}

pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut output = std::io::stdout();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        // A reader that has gone away (`| head`) is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Opens a regular file to read it; a pipe or device in its place is an error, never a wait.
fn open_file(path: &Path) -> std::io::Result<File> {
    open_regular(path, File::options().read(true), 0)
}

fn open_regular(path: &Path, options: &mut OpenOptions, flags: i32) -> std::io::Result<File> {
    let file = options
        .custom_flags(libc::O_NONBLOCK | flags)
        .open(path)
        .map_err(|error| {
            let link = flags & libc::O_NOFOLLOW != 0 && error.raw_os_error() == Some(libc::ELOOP);
            if link {
                own_error::error(ErrorKind::Other, "is a link, which is not followed")
            } else {
                error
            }
        })?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(own_error::error(ErrorKind::Other, "is no regular file")),
    }
}

pub(crate) fn usage<T>(message: &str) -> Result<T, Failure> {
    Err(Failure::Usage(message.into()))
}

impl From<lexopt::Error> for Failure {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// `[--json] PATH...`; `None`: the help was asked for.
fn json_and_paths(arguments: Vec<OsString>) -> Result<Option<(bool, Vec<PathBuf>)>, Failure> {
    let mut parser = parser(arguments);
    let (mut json, mut paths) = (false, vec![]);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => json = true,
            Short('h') | Long("help") => return Ok(None),
            Value(path) => paths.push(path.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some((json, paths)))
}

/// The arguments of one command, taken one after the other.
pub(crate) fn parser(arguments: Vec<OsString>) -> lexopt::Parser {
    lexopt::Parser::from_args(arguments)
}
