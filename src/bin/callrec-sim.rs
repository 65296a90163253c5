//! Plays the phone's call application and media engine.

use std::process::ExitCode;

fn main() -> ExitCode {
    callrec::sim::main(std::env::args_os().skip(1))
}
