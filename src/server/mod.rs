//! `callrec-server`: what phones talk to, on a PC or server.
#![allow(clippy::print_stderr)] // a failure is said to a person

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};

#[allow(dead_code)] // the servers that use it are being written
mod metrics;
mod options;
mod record;
mod rendezvous;

const HELP: &str = "\
callrec-server - what the phones' recorders talk to

  callrec-server record [OPTIONS]    takes recordings that phones upload, and stores them
  callrec-server rendezvous --devices FILE [OPTIONS]
                                     brings callers and phones behind NAT together
  callrec-server COMMAND --help      more about a command, with an example
  callrec-server --version
";

/// Runs the command line; `arguments` without the program's name.
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
        Some("-h" | "--help" | "help") => print(HELP),
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
