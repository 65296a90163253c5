//! `callrec-server`: the servers that phones connect to.
//!
//! `record` is the recording server, `rendezvous` connects callers with phones behind NAT. Each has
//! an event loop of its own. With the feature `cloud-server`, `cloud` and `calls` let phones call each
//! other through the cloud, on tokio (`web`). All share the options (`options`, which `check` prints), the log
//! (`log_lines`), the HTTP server (`http`), requests to other servers (`https_client`), where
//! PostgreSQL is (`database_url`), its pages (`monitoring`) and the Prometheus format
//! (`metrics`). The protocols are in `proto::record_server` and `proto::rendezvous::server`.
#![allow(clippy::print_stderr)] // the program's error message

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::cli::program::{program, Program};

#[cfg(feature = "archive")]
mod archive;
#[cfg(feature = "cloud-server")]
mod calls;
mod check;
#[cfg(feature = "cloud-server")]
mod cloud;
#[cfg(any(feature = "archive", feature = "cloud-server"))]
mod database_url;
mod http;
#[cfg(any(feature = "archive", feature = "cloud-server"))]
mod https_client;
mod log_lines;
mod metrics;
mod monitoring;
mod options;
mod record;
mod rendezvous;
#[cfg(feature = "cloud-server")]
mod web;

#[cfg(all(feature = "archive", feature = "cloud-server"))]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [
        record::RECORD, rendezvous::RENDEZVOUS, archive::ARCHIVE, cloud::CLOUD, calls::CALLS, cloud::TOKEN, cloud::URL, check::CHECK,
    ]
};
#[cfg(all(feature = "archive", not(feature = "cloud-server")))]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [
        record::RECORD, rendezvous::RENDEZVOUS, archive::ARCHIVE, check::CHECK,
    ]
};
#[cfg(all(not(feature = "archive"), feature = "cloud-server"))]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [
        record::RECORD, rendezvous::RENDEZVOUS, cloud::CLOUD, calls::CALLS, cloud::TOKEN, cloud::URL, check::CHECK,
    ]
};
#[cfg(not(any(feature = "archive", feature = "cloud-server")))]
const PROGRAM: Program = program! {
    "callrec-server", "the servers that the recorders of phones connect to",
    [
        record::RECORD, rendezvous::RENDEZVOUS, check::CHECK,
    ]
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
        #[cfg(feature = "cloud-server")]
        Some("cloud") => cloud::main(arguments),
        #[cfg(feature = "cloud-server")]
        Some("calls") => calls::main(arguments),
        #[cfg(feature = "cloud-server")]
        Some("token") => cloud::token(arguments),
        #[cfg(feature = "cloud-server")]
        Some("url") => cloud::url(arguments),
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
