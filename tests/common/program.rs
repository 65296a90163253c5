//! Runs of our programs.

use std::process::{Command, Output, Stdio};

/// The words that start a program of ours: one for the phone has cargo's own runner, qemu, in front.
pub fn words_of(path: &str) -> Vec<String> {
    let runner = std::env::var("CARGO_TARGET_ARMV7_UNKNOWN_LINUX_MUSLEABIHF_RUNNER").unwrap_or_default();
    let runner = if cfg!(target_arch = "arm") { &*runner } else { "" };
    runner.split_whitespace().chain([path]).map(str::to_owned).collect()
}

/// A program of ours, ready to be given arguments.
pub fn command(path: &str) -> Command {
    let words = words_of(path);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// A program's run, to its end.
pub fn run(program: &str, arguments: &[&str]) -> Output {
    command(program).args(arguments).stdin(Stdio::null()).output().unwrap()
}

pub fn callrec(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_callrec"), arguments)
}
