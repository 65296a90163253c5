//! The commands of `callrec`: arguments in, exit status out.
#![allow(clippy::print_stdout, clippy::print_stderr)] // talking to a person is what it is for

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

mod control;
mod export;
mod info;
mod run;

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
  callrec info [--json] FILE...    what a recording is
  callrec export FILE... OUT.wav   one RIFF/WAVE file of a recording or of its parts in order; OUT `-` is standard output
  callrec COMMAND --help           more about a command, with an example
  callrec --version
";

const DEFAULT_SOCKET: &str = "/var/run/callrec.sock";

/// Runs the command line; `arguments` without the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match command(arguments.into_iter().collect()) {
        Ok(code) => code,
        Err(Failure::Failed(message)) => {
            eprintln!("callrec: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            eprintln!("callrec: {message}");
            ExitCode::from(2)
        }
    }
}

fn command(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let name = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    if arguments.iter().any(|argument| argument == "--version" || argument == "-V") {
        return version();
    }
    match name.to_str() {
        Some("run") => run::run(arguments),
        Some("check") => run::check(arguments),
        Some("ctl") => control::ctl(arguments),
        Some("watch") => control::watch(arguments),
        Some("info") => info::info(arguments),
        Some("export") => export::export(arguments),
        Some("-h" | "--help" | "help") => print(HELP),
        Some("-V" | "--version") => version(),
        _ if name.is_empty() => usage("no command; 'callrec --help' lists them"),
        _ => usage(&format!("unknown command '{}'; 'callrec --help' lists them", name.to_string_lossy())),
    }
}

fn version() -> Result<ExitCode, Failure> {
    print(&format!("callrec {}\n", env!("CARGO_PKG_VERSION")))
}

pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    let mut output = std::io::stdout();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // A reader that has gone away (`| head`) is no failure.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Opens a regular file to read it; a pipe or device in its place is an error, never a wait.
fn open_file(path: &Path) -> std::io::Result<File> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("is no regular file")),
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

/// The arguments of one command, taken one after the other.
pub(crate) fn parser(arguments: Vec<OsString>) -> lexopt::Parser {
    lexopt::Parser::from_args(arguments)
}
