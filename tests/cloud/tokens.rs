//! `callrec-server token` and `url`: the vectors of the specification, by command line.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use crate::common::made::Folder;
use crate::common::{assert_fails, command, stderr_of};

const SERVER: &str = env!("CARGO_BIN_EXE_callrec-server");
const SOURCE_TOKEN: &str = "1003469_3222536192_1493481600_5574318032e39b62063d98e6bff50069";

fn run(arguments: &[&str]) -> Output {
    crate::common::run(SERVER, arguments)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The same with this on standard input.
fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut child = command(SERVER)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(input.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap()
}

fn key_file(folder: &Folder, key: &str) -> String {
    let path = folder.file("key", format!("{key}\r\nmore\n").as_bytes());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[test]
fn tokens_are_made_and_checked() {
    let folder = Folder::new();
    let file = key_file(&folder, "d57559a82027b7d846318a0c1596d645");
    let output = run(&[
        "token",
        "make",
        "--key-file",
        &file,
        "10000",
        "3222274048",
        "1475031947",
    ]);
    let token = "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424";
    assert_eq!(stdout(&output), format!("{token}\n"));
    assert_eq!(stderr_of(&output), "");
    let output = run(&[
        "token",
        "make",
        "--key-file",
        &file,
        "10000",
        "0xC0100000",
        "1475031947",
    ]);
    assert_eq!(stdout(&output), format!("{token}\n"));
    let later = stdout(&run(&[
        "token",
        "make",
        "--key-file",
        &file,
        "1",
        "0",
        "4294967295",
    ]));
    let check = |token: &str| {
        let output = run(&["token", "check", "--key-file", &file, token]);
        (stdout(&output), output.status.code())
    };
    assert_eq!(check(later.trim()), ("valid\n".into(), Some(0)));
    assert_eq!(check(token), ("expired\n".into(), Some(1)));
    assert_eq!(check(SOURCE_TOKEN), ("wrong-digest\n".into(), Some(1)));
    let longer = token.replace("_f1", "_7_f1");
    assert_eq!(check(&longer), ("unverifiable\n".into(), Some(1)));
    assert_eq!(check("1_2_3"), ("malformed\n".into(), Some(1)));
    let output = run_with_input(&["token", "check", "--key-file", &file, "-"], &later);
    assert_eq!(stdout(&output), "valid\n");
}

#[test]
fn bad_words_are_refused_with_the_reason_and_odd_key_files_are_a_warning() {
    let folder = Folder::new();
    let file = key_file(&folder, "short");
    let output = run(&["token", "make", "--key-file", &file, "1", "2", "3"]);
    assert!(output.status.success());
    assert!(stderr_of(&output).contains("the key has 5 characters"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let output = run(&["token", "make", "--key-file", &file, "1", "2", "3"]);
    assert!(output.status.success() && stderr_of(&output).contains("others can read it"));
    let good = key_file(&folder, "0123456789abcdef0123456789abcdef");
    let make =
        |cid, control, expire| run(&["token", "make", "--key-file", &good, cid, control, expire]);
    assert_fails(&make("4294967296", "0", "0"), 1, &["CID"]);
    assert_fails(&make("1", "0xfg", "0"), 1, &["CONTROL"]);
    assert_fails(&make("1", "0", "tomorrow"), 1, &["EXPIRE"]);
    assert_fails(&run(&["token", "make", "1", "2", "3"]), 2, &["--key-file"]);
    assert_fails(
        &run(&["token", "make", "--key-file", &good, "1"]),
        2,
        &["EXPIRE"],
    );
    assert_fails(&run(&["token"]), 2, &["make or check"]);
    let missing = folder.path("missing");
    assert_fails(
        &run(&["token", "make", "--key-file", &missing, "1", "2", "3"]),
        1,
        &["missing"],
    );
}

#[test]
fn urls_are_taken_apart_and_made() {
    let url = format!("topvdn://203.195.157.248:80?protocolType=1&token={SOURCE_TOKEN}");
    let shown = |arguments: &[&str]| stdout(&run(arguments));
    let expected = "host=203.195.157.248\nport=80\ncid=1003469\nprotocolType=1\n\
                    token=1003469_3222536192_1493481600_***\n";
    assert_eq!(shown(&["url", "parse", &url]), expected);
    let whole = expected.replace("***", "5574318032e39b62063d98e6bff50069");
    assert_eq!(shown(&["url", "parse", "--show", &url]), whole);
    assert_eq!(
        stdout(&run_with_input(&["url", "parse", "-"], &format!("{url}\n"))),
        expected
    );
    let make = |more: &[&str]| {
        let words = [&["url", "make"][..], more].concat();
        shown(&words).trim().to_owned()
    };
    assert_eq!(make(&["203.195.157.248:80", SOURCE_TOKEN]), url);
    let base = "topvdn://203.195.157.248:80?protocolType=2";
    let pull = make(&["203.195.157.248:80", SOURCE_TOKEN, "--pull"]);
    assert_eq!(pull, format!("{base}&connectType=2&token={SOURCE_TOKEN}"));
    let push = make(&["0.0.0.0:0", SOURCE_TOKEN, "--push", "--mode", "3"]);
    assert_eq!(
        push,
        format!("topvdn://0.0.0.0:0?protocolType=2&connectType=1&token={SOURCE_TOKEN}&mode=3")
    );
    let record = make(&["public.topvdn.cn", SOURCE_TOKEN, "--record", "5", "9", "0"]);
    let expected = format!(
        "topvdn://public.topvdn.cn?protocolType=3&token={SOURCE_TOKEN}&begin=5&end=9&play=0"
    );
    assert_eq!(record, expected);
    for url in [pull, push, record] {
        assert!(run(&["url", "parse", &url]).status.success(), "{url}");
    }
}

#[test]
fn bad_urls_are_refused_and_their_digests_are_not_printed() {
    let bad =
        format!("topvdn://203.195.157.248:80?protocolType=1&connectType=1&token={SOURCE_TOKEN}");
    let output = run(&["url", "parse", &bad]);
    assert_fails(&output, 1, &["protocolType 1"]);
    assert!(!stderr_of(&output).contains("5574318032"));
    let upper = format!("1_2_3_{}", "A".repeat(32));
    assert_fails(
        &run(&["url", "make", "203.0.113.1:80", &upper]),
        1,
        &["token"],
    );
    assert_fails(
        &run(&["url", "make", "203.0.113.1:0", SOURCE_TOKEN]),
        1,
        &["port"],
    );
    assert_fails(
        &run(&["url", "make", "example.org:80", SOURCE_TOKEN]),
        1,
        &["IPv4"],
    );
    assert_fails(
        &run(&["url", "make", "0.0.0.0:0", SOURCE_TOKEN, "--pull"]),
        1,
        &["IPv4"],
    );
    assert_fails(
        &run(&["url", "make", "203.0.113.1:80", SOURCE_TOKEN, "--push"]),
        2,
        &["--mode"],
    );
    assert_fails(
        &run(&[
            "url",
            "make",
            "203.0.113.1:80",
            SOURCE_TOKEN,
            "--record",
            "1",
            "2",
            "3",
        ]),
        1,
        &["public.topvdn.cn"],
    );
}
