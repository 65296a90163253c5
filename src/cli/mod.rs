//! The commands of `callrec`: arguments in, exit status out.
#![allow(clippy::print_stdout, clippy::print_stderr)] // talking to a person is what it is for

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

#[cfg(not(feature = "tools"))]
use command::program_help;
use console::{print, shown, ByteSink, Console};
use failure::{usage, Failure};
#[cfg(not(feature = "tools"))]
use phone_info as info;
#[cfg(feature = "tools")]
use program::{program, Program};

pub(crate) mod arguments;
#[cfg(feature = "tools")]
mod call_facts;
pub(crate) mod command;
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
pub(crate) mod completions;
pub mod console;
#[cfg(unix)]
pub(crate) mod control;
#[cfg(feature = "tools")]
mod export;
#[cfg(feature = "tools")]
mod export_format;
#[cfg(feature = "tools")]
pub(crate) mod export_output;
#[cfg(feature = "tools")]
pub(crate) mod export_wave;
pub(crate) mod failure;
#[cfg(feature = "tools")]
mod fetch;
#[cfg(feature = "tools")]
pub(crate) mod ffmpeg;
mod file_facts;
#[cfg(feature = "tools")]
mod info;
#[cfg(feature = "tools")]
mod json_line;
#[cfg(feature = "tools")]
mod list;
#[cfg(feature = "tools")]
mod list_filter;
#[cfg(feature = "tools")]
mod local_player;
pub mod logger;
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
pub(crate) mod manual;
#[cfg(not(feature = "tools"))]
mod phone_info;
#[cfg(feature = "tools")]
pub(crate) mod picture;
#[cfg(feature = "tools")]
mod play;
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
pub(crate) mod program;
mod repair;
#[cfg(unix)]
mod run;
#[cfg(windows)]
#[path = "run_windows.rs"]
mod run;
#[cfg(feature = "tools")]
mod selection;
#[cfg(feature = "tools")]
mod verify;

#[cfg(not(feature = "tools"))]
const HELP: &str = program_help!(
    "callrec",
    "records the calls of a desk phone to its USB stick",
    [
        run::RUN,
        run::CHECK,
        control::CTL,
        control::WATCH,
        info::INFO,
        repair::REPAIR
    ]
);
#[cfg(feature = "tools")]
const HELP: &str = PROGRAM.help;
#[cfg(all(feature = "tools", windows))]
const PROGRAM: Program = program! {
    "callrec", "the tools for the recordings of desk phones",
    [list::LIST, info::INFO, export::EXPORT, play::PLAY, repair::REPAIR, verify::VERIFY, fetch::FETCH]
};
#[cfg(all(feature = "tools", unix))]
const PROGRAM: Program = program! {
    "callrec", "records the calls of a desk phone to its USB stick",
    [
        run::RUN,
        run::CHECK,
        control::CTL,
        control::WATCH,
        list::LIST,
        info::INFO,
        export::EXPORT,
        play::PLAY,
        repair::REPAIR,
        verify::VERIFY,
        fetch::FETCH,
    ]
};

/// Runs the command line; `arguments` without the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    run_with(
        arguments.into_iter().collect(),
        &mut std::io::stdout(),
        &mut std::io::stderr(),
    )
}

/// The same with other places for what the tools print; the other commands print to standard
/// output.
pub fn run_with(
    arguments: Vec<OsString>,
    out: &mut dyn ByteSink,
    err: &mut dyn ByteSink,
) -> ExitCode {
    let mut console = Console { out, err };
    let (message, status) = match command(arguments, &mut console) {
        Ok(code) => return code,
        Err(failure) => failure.into_message(),
    };
    console.note(&message);
    ExitCode::from(status)
}

fn command(mut arguments: Vec<OsString>, console: &mut Console) -> Result<ExitCode, Failure> {
    if arguments.is_empty() {
        return usage("no command; 'callrec --help' lists them");
    }
    let mut name = arguments.remove(0);
    if name == "help" && !arguments.is_empty() {
        name = arguments.remove(0);
        arguments = vec!["--help".into()];
    }
    if arguments
        .iter()
        .any(|argument| argument == "--version" || argument == "-V")
    {
        return version();
    }
    match name.to_str() {
        #[cfg(unix)]
        Some("run") => run::run(arguments),
        #[cfg(unix)]
        Some("check") => run::check(arguments, console),
        #[cfg(unix)]
        Some("ctl") => control::ctl(&control::CALLREC, arguments),
        #[cfg(unix)]
        Some("watch") => control::watch(&control::CALLREC, arguments),
        Some("info") => info::info(arguments, console),
        Some("repair") => repair::repair(arguments, console),
        Some("-h" | "--help" | "help") => print(HELP),
        Some("-V" | "--version") => version(),
        _ => pc_command(&name, arguments, console),
    }
}

/// The commands that only a PC needs.
#[cfg(feature = "tools")]
fn pc_command(
    name: &OsStr,
    arguments: Vec<OsString>,
    console: &mut Console,
) -> Result<ExitCode, Failure> {
    match name.to_str() {
        Some("completions") => PROGRAM.completions(&arguments),
        Some("export") => export::export(arguments, console),
        Some("fetch") => fetch::fetch(arguments, console),
        Some("list") => list::list(arguments, console),
        Some("man") => PROGRAM.man(&arguments),
        Some("play") => play::play(arguments, console),
        Some("verify") => verify::verify(arguments, console),
        _ => usage(&format!(
            "unknown command '{}'; 'callrec --help' lists them",
            shown(Path::new(name))
        )),
    }
}

/// The phone's program does not know the names of the others: they would only cost space.
#[cfg(not(feature = "tools"))]
fn pc_command(name: &OsStr, _: Vec<OsString>, _: &mut Console) -> Result<ExitCode, Failure> {
    usage(&format!(
        "unknown command '{}'; 'callrec --help' lists those of a phone, a PC's callrec has more",
        shown(Path::new(name))
    ))
}

fn version() -> Result<ExitCode, Failure> {
    print(&format!("callrec {}\n", env!("CARGO_PKG_VERSION")))
}
