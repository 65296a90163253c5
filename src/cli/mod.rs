//! The commands of `callrec`: arguments in, exit status out.
#![allow(clippy::print_stdout, clippy::print_stderr)] // talking to a person is what it is for

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use console::{print, shown, Console, Sink};
use failure::{usage, Failure};

pub(crate) mod arguments;
pub mod console;
mod control;
#[cfg(feature = "tools")]
mod export;
pub(crate) mod failure;
#[cfg(feature = "tools")]
mod fetch;
mod info;
#[cfg(feature = "tools")]
mod list;
#[cfg(feature = "tools")]
mod picture;
#[cfg(feature = "tools")]
mod play;
mod repair;
mod run;
#[cfg(feature = "tools")]
mod verify;

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
        Err(failure) => failure.into_message(),
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
