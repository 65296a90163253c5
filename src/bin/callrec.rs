//! The recorder daemon and its small tools.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static PAGES: callrec::io::allocator::Pages = callrec::io::allocator::Pages;

fn main() -> ExitCode {
    callrec::cli::main(std::env::args_os().skip(1))
}
