//! The home's gateway of the building intercom.

use std::process::ExitCode;

#[cfg(target_env = "musl")]
#[global_allocator]
static PAGES: callrec::io::allocator::Pages = callrec::io::allocator::Pages;

fn main() -> ExitCode {
    callrec::home_box::main(std::env::args_os().skip(1))
}
