//! The recorder daemon and its small tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    callrec::cli::main(std::env::args_os().skip(1))
}
