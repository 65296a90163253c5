//! Devices of a building intercom with made-up sound, a door with a made-up picture: they make and
//! take calls, open doors, join a box and show alarms. Each prints a line for every thing that
//! happens.
//!
//! A `link` is one TCP connection. A `call` on it is placed by the `caller` or taken by the
//! `callee`; both then `talk`. `door`, `screen` and `property` are the devices. They block in
//! `Link::next`, which sends the keep-alives meanwhile: a PC has a thread for each.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::console::print;
use crate::cli::failure::Failure;
use options::{door_options, property_options, screen_options, DOOR, PROPERTY, SCREEN};

mod call;
mod callee;
mod caller;
mod door;
mod link;
pub(super) mod options;
mod output;
mod play;
mod property;
mod publish;
mod screen;
mod stream_state;
mod streams;
mod talk;

/// `door`.
pub(super) fn door(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    match door_options(arguments)? {
        Some(options) => finish(door::run(&options)),
        None => print(DOOR.help),
    }
}

/// `screen`.
pub(super) fn screen(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    match screen_options(arguments)? {
        Some(options) => finish(screen::run(&options)),
        None => print(SCREEN.help),
    }
}

/// `property`.
pub(super) fn property(arguments: &[OsString]) -> Result<ExitCode, Failure> {
    match property_options(arguments)? {
        Some(options) => finish(property::run(&options)),
        None => print(PROPERTY.help),
    }
}

fn finish(result: Result<(), String>) -> Result<ExitCode, Failure> {
    match result {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(reason) => Err(Failure::Failed(reason)),
    }
}
