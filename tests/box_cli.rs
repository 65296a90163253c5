//! The command line of `callrec-box`: what each command prints, and its exit status.
#![cfg(feature = "box")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::made::Folder;
use common::{assert_fails, run, stderr_of};

fn callrec_box(arguments: &[&str]) -> std::process::Output {
    run(env!("CARGO_BIN_EXE_callrec-box"), arguments)
}

#[test]
fn help_and_version_are_everywhere() {
    for command in ["run", "check", "ctl", "watch"] {
        for flag in ["--help", "-h"] {
            let output = callrec_box(&[command, flag]);
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && output.stderr.is_empty());
            assert!(
                text.starts_with(&format!("Usage: callrec-box {command}")),
                "{text}"
            );
        }
        let output = callrec_box(&[command, "--version"]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text, format!("callrec-box {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn bad_usage_is_status_2_and_one_line() {
    for arguments in [
        &[][..],
        &["dance"],
        &["--dance"],
        &["run", "extra"],
        &["run", "-c"],
        &["check"],
        &["check", "a", "b"],
        &["check", "/no/such/file"],
        &["ctl"],
        &["ctl", "-s"],
        &["watch", "extra"],
    ] {
        assert_fails(&callrec_box(arguments), 2, &["callrec-box: "]);
    }
}

#[test]
fn check_prints_what_check_accepts_again() {
    let folder = Folder::new();
    let text =
        "homeAddr = 192.168.1.22 # home\ncommunityAddr=11.0.1.22\n\nforward = 7894 11.0.0.1:1935\n\
                neighbour = 2-1-202 11.0.1.23\ncentralStream = 11.0.0.1:1935\n";
    let first = callrec_box(&["check", &folder.file("conf", text.as_bytes())]);
    assert!(
        first.status.success() && first.stderr.is_empty(),
        "{}",
        stderr_of(&first)
    );
    let printed = String::from_utf8(first.stdout.clone()).unwrap();
    assert!(printed.contains("homeAddr = 192.168.1.22\n"), "{printed}");
    let second = callrec_box(&["check", &folder.file("again", &first.stdout)]);
    assert_eq!(second.stdout, first.stdout);
}

#[test]
fn an_open_box_is_warned_of() {
    let folder = Folder::new();
    let output = callrec_box(&["check", &folder.file("conf", b"joinPolicy = open\n")]);
    let warning = stderr_of(&output);
    assert!(
        output.status.success() && warning.contains("warning: joinPolicy"),
        "{warning}"
    );
}

#[test]
fn a_bad_configuration_is_status_2_and_names_file_line_and_key() {
    let folder = Folder::new();
    let path = folder.file("conf", b"# a box\nringTimeout = soon\n");
    for output in [
        callrec_box(&["check", &path]),
        callrec_box(&["run", "-c", &path]),
    ] {
        assert_fails(&output, 2, &[&path, "line 2", "ringTimeout"]);
        assert!(output.stdout.is_empty());
    }
    let path = folder.file("home", b"homeAddr = 192.168.1.22\n");
    let output = callrec_box(&["run", "-c", &path]);
    assert_fails(&output, 2, &[&path, "communityAddr must be set"]);
    let output = callrec_box(&["check", &folder.file("bytes", b"keep = \xFF")]);
    assert_fails(&output, 2, &["UTF-8"]);
}

#[test]
fn ctl_and_watch_name_the_program_that_should_run() {
    for command in [
        &["ctl", "-s", "/no/such", "StatusRequest"][..],
        &["watch", "-s", "/no/such"],
    ] {
        assert_fails(
            &callrec_box(command),
            1,
            &["/no/such", "is 'callrec-box run' running?"],
        );
    }
}
