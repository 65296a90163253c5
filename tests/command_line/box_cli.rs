//! The command line of `callrec-box`: what each command prints, and its exit status.
#![cfg(feature = "box")]

use std::collections::BTreeSet;
use std::fs;

use crate::common::made::Folder;
use crate::common::{assert_fails, command, run, stderr_of};

fn callrec_box(arguments: &[&str]) -> std::process::Output {
    run(env!("CARGO_BIN_EXE_callrec-box"), arguments)
}

#[test]
fn help_and_version_are_everywhere() {
    for command in ["run", "check", "ctl", "watch", "token", "firewall"] {
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
        &["token"],
        &["token", "new"],
        &["token", "list", "--device", "a"],
        &["token", "dance"],
        &["token", "new", "list"],
        &["token", "new", "--device", "a", "--type", "3"],
        &["token", "new", "--device", "a", "--days", "0"],
        &["token", "revoke"],
        &["firewall"],
        &["firewall", "dance"],
        &["firewall", "show", "install"],
        &["firewall", "show", "-c", "/no/such/file"],
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
fn the_sample_is_valid_and_the_table_of_keys_is_complete() {
    let sample = callrec_box(&["check", "board/box/callrec-box.conf"]);
    assert!(
        sample.status.success() && sample.stderr.is_empty(),
        "{}",
        stderr_of(&sample)
    );
    let printed = String::from_utf8(sample.stdout).unwrap();
    let keys = printed.lines().map(|line| line.split(' ').next().unwrap());
    let keys: BTreeSet<&str> = keys.collect();
    let text = fs::read_to_string("board/box/README.md").unwrap();
    let (_, section) = text.split_once("\n## Configuration\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let told = rows.map(|row| row.split('`').next().unwrap());
    let has_cloud = cfg!(feature = "box-cloud");
    let told: BTreeSet<&str> = told
        .filter(|key| has_cloud || !key.starts_with("cloud"))
        .collect();
    assert_eq!(told, keys);
}

#[test]
fn an_open_box_is_warned_of() {
    let folder = Folder::new();
    let text = b"homeAddr = 10.0.0.1\ncommunityAddr = 11.0.0.1\njoinPolicy = open\n";
    let output = callrec_box(&["check", &folder.file("conf", text)]);
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
    let path = folder.file("home", b"# mine\nhomeAddr = 192.168.1.22\n");
    let told = [&path, "line 2: communityAddr must be set: add a line"];
    for arguments in [
        &["run", "-c", &path][..],
        &["check", &path],
        &["firewall", "show", "-c", &path],
    ] {
        assert_fails(&callrec_box(arguments), 2, &told);
    }
    let text = b"homeAddr = 10.0.0.1\ncommunityAddr = 11.0.0.1\nnoAnswerTo = guard\n";
    let path = folder.file("guard", text);
    for arguments in [&["run", "-c", &path][..], &["check", &path]] {
        let told = [&path, "line 3: noAnswerTo needs a line 'neighbour = guard"];
        assert_fails(&callrec_box(arguments), 2, &told);
    }
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

/// A configuration whose state is in this folder.
fn configuration(folder: &Folder) -> String {
    let text = format!("stateDir = {}\n", folder.path("state"));
    folder.file("box.conf", text.as_bytes())
}

fn stdout_of(arguments: &[&str]) -> String {
    let output = callrec_box(arguments);
    assert!(output.status.success(), "{}", stderr_of(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let folder = Folder::new();
    let conf = configuration(&folder);
    assert_eq!(stdout_of(&["token", "list", "-c", &conf]), "");
    let token = |words: &[&str]| stdout_of(&[words, &["-c", &conf]].concat());
    let first = token(&["token", "new", "--device", "panel-1"]);
    assert!(
        first.ends_with('\n') && first.trim_end().len() > 60,
        "{first}"
    );
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    assert!(first.trim_end().bytes().all(is_safe), "{first}");
    assert_eq!(token(&["token", "revoke", "--device", "panel-1"]), "");
    token(&[
        "token", "new", "--device", "panel-1", "--type", "2", "--days", "1",
    ]);
    let list = token(&["token", "list"]);
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split(' ').collect()).collect();
    let states: Vec<_> = lines
        .iter()
        .map(|words| (words[0], words[1], words[4]))
        .collect();
    assert_eq!(
        states,
        [("panel-1", "1", "revoked"), ("panel-1", "2", "good")]
    );
    for time in [lines[0][2], lines[0][3]] {
        assert!(time.len() == 25 && &time[10..11] == "T", "{time}");
    }
    let output = callrec_box(&["token", "revoke", "--device", "nobody", "-c", &conf]);
    assert_fails(&output, 1, &["no token was made for this device"]);
    let output = callrec_box(&["token", "new", "--device", "a b", "-c", &conf]);
    assert_fails(&output, 2, &["without blanks"]);
}

#[test]
fn tokens_made_at_the_same_time_are_all_kept() {
    let folder = Folder::new();
    let conf = configuration(&folder);
    let devices: Vec<String> = (0..24).map(|number| format!("phone-{number:02}")).collect();
    let running: Vec<_> = devices
        .iter()
        .map(|device| {
            let words = ["token", "new", "--device", device, "-c", &conf];
            let mut program = command(env!("CARGO_BIN_EXE_callrec-box"));
            program.args(words).stdout(std::process::Stdio::null());
            program.spawn().unwrap()
        })
        .collect();
    for mut program in running {
        assert!(program.wait().unwrap().success());
    }
    let list = stdout_of(&["token", "list", "-c", &conf]);
    let mut found: Vec<&str> = list
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    found.sort_unstable();
    assert_eq!(found, devices);
    assert!(list.lines().all(|line| line.ends_with(" good")), "{list}");
}
