//! The servers that phones connect to.

use std::process::ExitCode;

fn main() -> ExitCode {
    callrec::server::main(std::env::args_os().skip(1))
}
