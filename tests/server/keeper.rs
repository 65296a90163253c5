//! What whoever keeps a recording server works with: the check of its configuration, its log, its
//! sidecars in `callrec list` and `callrec verify`, its systemd unit.
#![cfg(all(feature = "server", feature = "tools", feature = "sim"))]

use std::fs;
use std::process::{Command, Output};

use crate::common::server::{RecordingPhone, Server};
use crate::common::{callrec, folder, run, stderr_of, wait_for};

const SERVER: &str = env!("CARGO_BIN_EXE_callrec-server");
const DEVICE: &str = "0c383e000001";
const KEYS: &str = "&device=0c383e000001&remote_number=100&dir=in";

fn stdout_of(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn recordings(server: &Server) -> String {
    server.dir.join("recordings").display().to_string()
}

#[test]
fn a_configuration_is_checked_and_printed_whole() {
    let (dir, _) = folder();
    let file = dir.join("record.conf");
    let path = file.display().to_string();
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        run(SERVER, &["check", &path])
    };
    let good = check("dir = /srv/calls # here\nallow = 10.0.0.0/8\n");
    assert_eq!(good.status.code(), Some(0), "{}", stderr_of(&good));
    let printed = stdout_of(&good);
    for line in [
        "dir = /srv/calls",
        "allow = 10.0.0.0/8",
        "listen = 0.0.0.0:10000",
        "# metrics =",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    assert_eq!(stdout_of(&check(&printed)), printed);
    for (text, problem) in [
        ("\nport = 5\n", "line 2: port is not an option"),
        (
            "reserve = (hidden)\n",
            "line 1: reserve must have its value; '(hidden)' is what",
        ),
        ("rtp-ports = 5-6\nworkers = 4\n", "record.conf: "),
    ] {
        let output = check(text);
        let words = stderr_of(&output);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(words.contains(problem) && words.contains(&path), "{words}");
        assert_eq!(stdout_of(&output), "");
    }
    fs::remove_file(&file).unwrap();
    for words in [&["check", &path][..], &["record", "-c", &path]] {
        let output = run(SERVER, words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr_of(&output).contains(&path), "{words:?}");
    }
    fs::remove_dir_all(dir).unwrap();
}

#[test]
fn a_rendezvous_configuration_is_checked_with_its_phones() {
    let (dir, _) = folder();
    let [file, phones] = ["rendezvous.conf", "phones.conf"].map(|name| dir.join(name));
    fs::write(&file, format!("devices = {}\n", phones.display())).unwrap();
    let check = || {
        run(
            SERVER,
            &["check", "--rendezvous", &file.display().to_string()],
        )
    };
    fs::write(&phones, "phone1 = short\n").unwrap();
    let refused = check();
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr_of(&refused).contains("phones.conf: line 1: phone1 needs a key"));
    fs::write(&phones, "phone1 = 0123456789abcdefghijklmnopqrstuv\n").unwrap();
    let accepted = check();
    assert!(accepted.status.success(), "{}", stderr_of(&accepted));
    assert!(stdout_of(&accepted).contains("listen = 0.0.0.0:7042\n"));
    fs::remove_dir_all(dir).unwrap();
}

/// A recording of so many frames.
fn record(server: &Server, id: &str, frames: u32, stop_keys: &str) {
    let mut phone = server.phone(id, KEYS);
    phone.send(frames, false);
    let stop = format!("cmd=RecordStopRequest&id={id}&reason=hangup{stop_keys}\n");
    assert!(phone.line.ask(&stop).success());
}

#[test]
fn sums_of_both_formats_match() {
    for format in ["phone", "wav"] {
        let server = Server::new(&["--format", format]);
        record(&server, "1", 60, "");
        let output = callrec(&["verify", "--strict", &recordings(&server)]);
        let lines = stdout_of(&output);
        assert!(output.status.success(), "{}", stderr_of(&output));
        assert!(lines.ends_with(".wav: ok\n"), "{lines}");
        // The last byte is of the last frame.
        let path = server.file(DEVICE, ".wav");
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        fs::write(&path, bytes).unwrap();
        let output = callrec(&["verify", &recordings(&server)]);
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(
            stderr_of(&output).contains("damaged: its audio is not"),
            "{format}"
        );
    }
}

#[test]
fn a_recording_that_was_interrupted_has_no_sum_and_strict_says_so() {
    let mut server = Server::new(&[]);
    let mut phone = server.phone("1", KEYS);
    phone.send(30, false);
    let running = callrec(&["verify", "--strict", &recordings(&server)]);
    assert!(running.status.success(), "{}", stderr_of(&running));
    assert!(stdout_of(&running).contains("no checksum; it is being recorded"));
    server.kill();
    server.start();
    wait_for("the repair", || server.log().contains(": repaired, "));
    let verify = |words: &[&str]| callrec(&[&["verify"], words, &[&recordings(&server)]].concat());
    assert!(verify(&[]).status.success());
    let strict = verify(&["--strict"]);
    assert_eq!(strict.status.code(), Some(1));
    assert!(stderr_of(&strict).contains("no checksum; the sidecar has none"));
}

#[test]
fn a_running_recording_is_listed_with_its_numbers() {
    for format in ["phone", "wav"] {
        let server = Server::new(&["--format", format]);
        let mut phone = server.phone("1", KEYS);
        phone.send(30, false);
        let line = stdout_of(&callrec(&["list", "--json", &recordings(&server)]));
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["remote_number"], "100", "{format}");
        assert_eq!(line["state"], "recording", "{format}");
        phone.stop();
    }
}

#[test]
fn what_the_phone_did_not_hear_is_in_the_sidecar_the_log_and_the_list() {
    for (keys, heard, logged, mark) in [
        ("&heard=one", Some("one"), "heard=one", "one party only"),
        ("&heard=none", Some("none"), "heard=none", "nobody"),
        ("&heard=both", Some("both"), "heard=both", ""),
        ("&heard=all", None, "heard=-", ""),
        ("", None, "heard=-", ""),
    ] {
        let server = Server::new(&[]);
        record(&server, "1", 30, keys);
        let sidecar = server.sidecar(DEVICE);
        assert_eq!(sidecar.get("heard").and_then(|heard| heard.as_str()), heard);
        assert!(
            server.log().contains(&format!(" {logged} ")),
            "{}",
            server.log()
        );
        let table = stdout_of(&callrec(&["list", &recordings(&server)]));
        assert_eq!(table.contains("HEARD"), !mark.is_empty(), "{table}");
        assert!(table.contains(mark), "{table}");
    }
}

/// `2026-01-02T03:04:05.678Z `
fn has_time(line: &str) -> bool {
    let pattern = b"0000-00-00T00:00:00.000Z ";
    let matches = |(byte, pattern): (&u8, &u8)| match pattern {
        b'0' => byte.is_ascii_digit(),
        mark => byte == mark,
    };
    line.len() > pattern.len() && line.as_bytes().iter().zip(pattern).all(matches)
}

#[test]
fn the_log_has_a_line_with_a_time_for_each_event() {
    let server = Server::new(&["--max-recordings", "1"]);
    let mut phone = server.phone("1", KEYS);
    phone.send(50, false);
    RecordingPhone::start(server.connect(), "2", KEYS)
        .err()
        .unwrap();
    let mut line = server.connect();
    assert!(!line
        .ask("cmd=RecordStartRequest&id=3&codec=G729\n")
        .success());
    assert!(phone.stop().success());
    let log = server.log();
    for words in [
        " INFO  recording started: file=0c383e000001/Record_",
        " WARN  recording refused: peer=127.0.0.1 reason=busy: too many recordings at once",
        " WARN  recording refused: peer=127.0.0.1 reason=bad-request: codec must be",
        " frames=50 duration_ms=1000 heard=- received=50 ",
    ] {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(words)).collect();
        assert_eq!(lines.len(), 1, "{words}: {log}");
    }
    assert!(log.lines().all(has_time), "{log}");
}

#[test]
fn problems_name_the_option_and_no_error_number_reaches_a_phone() {
    let output = run(
        SERVER,
        &["record", "--dir", "/proc/nix", "--listen", "127.0.0.1:0"],
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr_of(&output).contains("--dir /proc/nix: "),
        "{}",
        stderr_of(&output)
    );
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let server = Server::new(&["--rtp-ports", &format!("{port}-{port}")]);
    let refusal = RecordingPhone::start(server.connect(), "1", KEYS)
        .err()
        .unwrap();
    assert_eq!(
        refusal.value("reason"),
        "busy: the server has no RTP port left"
    );
    let words = format!("no port of --rtp-ports {port}-{port} can be opened");
    assert!(server.log().contains(&words), "{}", server.log());
}

#[test]
fn a_load_without_pid_has_no_figures_of_the_process() {
    let server = Server::new(&[]);
    let to = server.address().to_string();
    let words = ["load", "--server", &to, "--phones", "2", "--seconds", "0.2"];
    let output = run(env!("CARGO_BIN_EXE_callrec-sim"), &words);
    assert!(output.status.success(), "{}", stderr_of(&output));
    let text = stdout_of(&output);
    let row: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[4..7], ["-", "-", "-"], "{text}");
}

#[test]
#[ignore = "needs the package systemd: scripts/test installs it"]
fn the_unit_is_valid_and_hardened() {
    let unit = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/server/callrec-server-record.service"
    );
    let text = fs::read_to_string(unit).unwrap();
    let (dir, _) = folder();
    // The program need not be installed where the tests run.
    let copy = dir.join("callrec-server-record.service");
    fs::write(&copy, text.replace("/usr/local/bin/callrec-server", SERVER)).unwrap();
    let path = copy.display().to_string();
    // Not by `run`, which has programs emulated where the tests are.
    let analyze = |words: &[&str]| {
        let command = Command::new("systemd-analyze").args(words).output();
        command.unwrap()
    };
    let verified = analyze(&["verify", &path]);
    assert!(verified.status.success(), "{}", stderr_of(&verified));
    assert_eq!(stderr_of(&verified), "");
    // Exposure from 0 to 10, times ten; a unit without any of these lines has 96.
    let security = ["security", "--offline=true", "--threshold=20", &path];
    let security = analyze(&security);
    assert!(security.status.success(), "{}", stdout_of(&security));
    // Its commands are accepted by the program.
    for line in ["ExecStartPre=", "ExecStart="] {
        let command = text
            .lines()
            .find_map(|text| text.strip_prefix(line))
            .unwrap();
        let mut words: Vec<&str> = command.split(' ').skip(1).collect();
        assert!(words.contains(&"/etc/callrec/record.conf"), "{command}");
        words.push("--help"); // only the arguments are looked at
        assert!(run(SERVER, &words).status.success(), "{command}");
    }
    fs::remove_dir_all(dir).unwrap();
}
