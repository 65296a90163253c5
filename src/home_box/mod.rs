//! `callrec-box`: the home's gateway between the home network and the community network of a
//! building intercom.
//!
//! `settings` is its configuration, `tokens` are what screens join with, `firewall` separates the
//! two networks, `event_loop` is `callrec-box run`: it joins the call router
//! (`proto::intercom::home_box`) with sockets, streams and the control socket. `run`, `control`,
//! `token_command` and `firewall_command` read the arguments of the commands.
#![allow(clippy::print_stderr)] // the program's error message

use std::ffi::OsString;
use std::process::ExitCode;

#[cfg(not(any(feature = "tools", feature = "server", feature = "sim")))]
use crate::cli::command::program_help;
use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
use crate::cli::program::{program, Program};

mod call_log;
#[cfg(feature = "box-cloud")]
mod cloud;
#[cfg(not(feature = "box-cloud"))]
#[path = "no_cloud.rs"]
mod cloud;
#[cfg(feature = "box-cloud")]
mod cloud_streams;
mod connection;
mod connections;
mod control;
mod control_clients;
mod event_lines;
mod event_loop;
mod firewall;
mod firewall_command;
mod id;
mod joining;
mod opening;
mod parts;
mod pictures;
mod report_forms;
mod reports;
mod requests;
mod rules;
mod run;
mod settings;
mod state_dir;
mod stream_use;
mod token_command;
mod tokens;
mod try_page;
mod wall_time;

#[cfg(not(any(feature = "tools", feature = "server", feature = "sim")))]
const HELP: &str = program_help!(
    "callrec-box",
    "the gateway between a home and the community network of its building intercom",
    [
        run::RUN,
        run::CHECK,
        control::CTL,
        control::WATCH,
        token_command::TOKEN,
        firewall_command::FIREWALL,
    ]
);
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
const HELP: &str = PROGRAM.help;
#[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
const PROGRAM: Program = program! {
    "callrec-box", "the gateway between a home and the community network of its building intercom",
    [
        run::RUN,
        run::CHECK,
        control::CTL,
        control::WATCH,
        token_command::TOKEN,
        firewall_command::FIREWALL,
    ]
};

/// Runs a command line; `arguments` are those after the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (message, status) = match command(arguments.into_iter().collect()) {
        Ok(code) => return code,
        Err(failure) => failure.into_message(),
    };
    eprintln!("callrec-box: {message}");
    ExitCode::from(status)
}

fn command(mut arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    if arguments.is_empty() {
        return usage("no command; 'callrec-box --help' lists them");
    }
    let mut name = arguments.remove(0);
    if name == "help" && !arguments.is_empty() {
        name = arguments.remove(0);
        arguments = vec!["--help".into()];
    }
    let asks_version = |argument: &OsString| argument == "--version" || argument == "-V";
    if arguments.iter().any(asks_version) {
        return version();
    }
    match name.to_str() {
        Some("run") => run::run(arguments),
        Some("check") => run::check(arguments),
        Some("ctl") => control::ctl(arguments),
        Some("watch") => control::watch(arguments),
        Some("token") => token_command::token(arguments),
        Some("firewall") => firewall_command::firewall(arguments),
        #[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
        Some("completions") => PROGRAM.completions(&arguments),
        #[cfg(any(feature = "tools", feature = "server", feature = "sim"))]
        Some("man") => PROGRAM.man(&arguments),
        Some("-h" | "--help" | "help") => print(HELP),
        Some("-V" | "--version") => version(),
        _ => usage(&format!(
            "unknown command '{}'; 'callrec-box --help' lists them",
            name.to_string_lossy()
        )),
    }
}

fn version() -> Result<ExitCode, Failure> {
    print(&format!("callrec-box {}\n", env!("CARGO_PKG_VERSION")))
}
