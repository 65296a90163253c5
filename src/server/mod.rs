//! `callrec-server`: the servers that phones connect to.
//!
//! `record` is the recording server, `rendezvous` connects callers with phones behind NAT. Each has
//! an event loop of its own; they share the options (`options`, which `check` prints), the log
//! (`log_lines`), the HTTP server (`http`), its pages (`monitoring`) and the Prometheus format
//! (`metrics`). The protocols are in `proto::record_server` and `proto::rendezvous::server`.
#![allow(clippy::print_stderr)] // the program's error message

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::cli::program::{program, Program};

#[cfg(feature = "archive")]
mod archive;
mod check;
mod http;
mod log_lines;
mod metrics;
mod monitoring;
mod options;
mod record;
mod rendezvous;

#[cfg(feature = "archive")]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [record::RECORD, rendezvous::RENDEZVOUS, archive::ARCHIVE, check::CHECK]
};
#[cfg(not(feature = "archive"))]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [record::RECORD, rendezvous::RENDEZVOUS, check::CHECK]
};

/// Runs a command line; `arguments` are those after the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (message, status) = match command(arguments.into_iter().collect()) {
        Ok(code) => return code,
        Err(failure) => failure.into_message(),
    };
    eprintln!("callrec-server: {message}");
    ExitCode::from(status)
}

fn command(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
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
        Some("record") => record::main(arguments),
        Some("rendezvous") => rendezvous::main(arguments),
        #[cfg(feature = "archive")]
        Some("archive") => archive::main(arguments),
        Some("check") => check::main(arguments),
        Some("completions") => PROGRAM.completions(&arguments),
        Some("man") => PROGRAM.man(&arguments),
        Some("-h" | "--help" | "help") => print(PROGRAM.help),
        Some("-V" | "--version") => version(),
        _ if name.is_empty() => usage("no command; 'callrec-server --help' lists them"),
        _ => usage(&format!(
            "unknown command '{}'; 'callrec-server --help' lists them",
            name.to_string_lossy()
        )),
    }
}

fn version() -> Result<ExitCode, Failure> {
    print(&format!("callrec-server {}\n", env!("CARGO_PKG_VERSION")))
}
