//! Runs of our programs.

use std::path::Path;
use std::process::{Command, Output, Stdio};

/// The words that start a program of ours: one for the phone has cargo's own runner, qemu, in
/// front. In the emulated phone it is not where cargo built it, but in the folder `bin` next to the
/// tests.
pub fn words_of(path: &str) -> Vec<String> {
    let built = Path::new(path);
    let installed = || {
        std::env::current_exe()
            .unwrap()
            .with_file_name("bin")
            .join(built.file_name().unwrap())
    };
    let path = if built.exists() {
        built.to_owned()
    } else {
        installed()
    };
    let path = path.to_str().unwrap();
    let runner =
        std::env::var("CARGO_TARGET_ARMV7_UNKNOWN_LINUX_MUSLEABIHF_RUNNER").unwrap_or_default();
    let runner = if cfg!(target_arch = "arm") {
        &*runner
    } else {
        ""
    };
    runner
        .split_whitespace()
        .chain([path])
        .map(str::to_owned)
        .collect()
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
    command(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

pub fn callrec(arguments: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_callrec"), arguments)
}

/// What a program printed to standard error.
pub fn stderr_of(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program ended with this status and one line on standard error that holds all of `expected`.
pub fn assert_fails(output: &Output, status: i32, expected: &[&str]) {
    let words = stderr_of(output);
    assert_eq!(output.status.code(), Some(status), "{words}");
    assert_eq!(words.matches('\n').count(), 1, "{words}");
    assert!(words.ends_with('\n') && words.len() > 12, "{words}");
    expected
        .iter()
        .for_each(|part| assert!(words.contains(part), "'{part}' is not in: {words}"));
}
