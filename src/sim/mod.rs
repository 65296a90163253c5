//! `callrec-sim`: plays the phone's call application and media engine, for demos and tests.
//!
//! `call` makes one call: its `leg`s are those of files (`leg_file`) or two synthetic `parties`.
//! `load` records to a server with many phones at once, `relay` plays a stream with many players.
//! `history` stores calls of past weeks. `door`, `screen` and `property` play devices of a building `intercom`.
#![allow(clippy::print_stdout, clippy::print_stderr)] // its output is for a person

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::{usage, Failure};
use crate::cli::program::{program, Program};
use crate::wire::g711::Law;
use history::HISTORY;
use intercom::options::{DOOR, PROPERTY, SCREEN};
use leg::Leg;
use options::{call_options, load_options, CallOptions, CALL, LOAD};
use relay_load::options::RELAY;

mod call;
mod capture;
mod history;
mod http_stream;
mod intercom;
mod leg;
mod leg_file;
mod load;
mod options;
mod parties;
mod process;
mod relay_load;
mod wav;

const PROGRAM: Program = program! {
    "callrec-sim", "simulates a phone's calls, and devices of a building intercom",
    [CALL, LOAD, HISTORY, RELAY, DOOR, SCREEN, PROPERTY]
};
/// SSRCs of the synthetic parties: "near" and "far" in ASCII.
const NEAR_SSRC: u32 = 0x6E65_6172;
const FAR_SSRC: u32 = 0x0066_6172;

/// Runs the command line; `arguments` without the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match command(arguments.into_iter().collect()) {
        Ok(code) => code,
        Err(failure) => {
            let (message, status) = failure.into_message();
            eprintln!("callrec-sim: {message}");
            ExitCode::from(status)
        }
    }
}

fn command(arguments: Vec<OsString>) -> Result<ExitCode, Failure> {
    let Some((name, rest)) = arguments.split_first() else {
        return usage("no command; 'callrec-sim --help' lists them");
    };
    let is_version = |argument: &OsString| argument == "--version" || argument == "-V";
    if arguments.iter().any(is_version) {
        return print(&format!("callrec-sim {}\n", env!("CARGO_PKG_VERSION")));
    }
    match name.to_str() {
        Some("call") => match call_options(rest)? {
            Some(options) => {
                let legs = legs(&options).map_err(Failure::Failed)?;
                call::call(&options, &legs).map_err(Failure::Failed)?;
                Ok(ExitCode::SUCCESS)
            }
            None => print(CALL.help),
        },
        Some("load") => match load_options(rest)? {
            Some(options) => {
                load::load(&options).map_err(Failure::Failed)?;
                Ok(ExitCode::SUCCESS)
            }
            None => print(LOAD.help),
        },
        Some("history") => history::history(rest),
        Some("relay") => relay_load::relay(rest),
        Some("door") => intercom::door(rest),
        Some("screen") => intercom::screen(rest),
        Some("property") => intercom::property(rest),
        Some("completions") => PROGRAM.completions(rest),
        Some("man") => PROGRAM.man(rest),
        Some("-h" | "--help" | "help") => print(PROGRAM.help),
        _ => usage(&format!(
            "unknown command '{}'; 'callrec-sim --help' lists them",
            name.to_string_lossy()
        )),
    }
}

/// The legs of the call, in the order of their ports.
fn legs(options: &CallOptions) -> Result<Vec<Leg>, String> {
    let law = options.codec.unwrap_or(Law::Mu);
    let ptime_ms = options.ptime_ms;
    if options.audio.is_empty() {
        let seconds = options.seconds.unwrap_or(10.0);
        let near = parties::near(seconds);
        let far = parties::far(seconds);
        return Ok(vec![
            Leg::of_samples("near", &near, law, ptime_ms, NEAR_SSRC),
            Leg::of_samples("far", &far, law, ptime_ms, FAR_SSRC),
        ]);
    }
    let mut legs = vec![];
    for path in &options.audio {
        let loaded = leg_file::load(path, law, ptime_ms, legs.len() as u32);
        legs.extend(loaded.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    Ok(legs)
}
