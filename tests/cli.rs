//! The command line: what each tool prints, and how it ends. 0 done; 1 it failed; 2 it was asked wrongly.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use common::{callrec, folder, marked, rtp, wait_for, Phone};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        Self(folder().0)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A recording of `frames` packets.
fn recording(codec: &str, frames: u32, little: bool, with_header: bool) -> Vec<u8> {
    let mut bytes = codec.as_bytes().to_vec();
    bytes.resize(64, 0);
    let rtp_len = if with_header { 172 } else { 160 };
    for number in [rtp_len, 160, frames * rtp_len] {
        bytes.extend(if little {
            number.to_le_bytes()
        } else {
            number.to_be_bytes()
        });
    }
    for n in 0..frames {
        let packet = rtp(
            if codec == "PCMA" { 8 } else { 0 },
            n as u16,
            n * 160,
            77,
            &marked(1, n),
        );
        bytes.extend(&packet[if with_header { 0 } else { 12 }..]);
    }
    bytes
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// It ended with this status and one line on standard error that holds all of `expected`.
fn assert_fails(output: &Output, status: i32, expected: &[&str]) {
    let words = words(output);
    assert_eq!(output.status.code(), Some(status), "{words}");
    assert_eq!(words.matches('\n').count(), 1, "{words}");
    assert!(words.ends_with('\n') && words.len() > 12, "{words}");
    expected
        .iter()
        .for_each(|part| assert!(words.contains(part), "'{part}' is not in: {words}"));
}

#[test]
fn help_and_version_are_everywhere() {
    let (recorder, sim) = (
        env!("CARGO_BIN_EXE_callrec"),
        option_env!("CARGO_BIN_EXE_callrec-sim"),
    );
    let commands = [
        "run", "check", "ctl", "watch", "info", "repair", "export", "list", "verify",
    ]
    .map(|name| (recorder, Some(name)));
    let more = sim
        .into_iter()
        .flat_map(|sim| [(sim, None), (sim, Some("call"))]);
    let mut missing = vec![];
    for (program, command) in [(recorder, None)].into_iter().chain(commands).chain(more) {
        for flag in ["--help", "-h", "--version", "-V"] {
            let output = common::command(program)
                .args(command)
                .arg(flag)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let told = match flag {
                "--help" | "-h" => {
                    text.contains(command.unwrap_or("call")) && text.lines().count() > 2
                }
                _ => text.contains(env!("CARGO_PKG_VERSION")) && text.lines().count() == 1,
            };
            if !output.status.success() || !output.stderr.is_empty() || !told {
                missing.push(format!(
                    "{program} {} {flag}: {}",
                    command.unwrap_or(""),
                    words(&output)
                ));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn bad_usage_is_status_2_and_one_line() {
    for arguments in [
        &[][..],
        &["dance"],
        &["--dance"],
        &["run", "extra"],
        &["run", "-c"],
        &["run", "--socket", "x"],
        &["check"],
        &["check", "a", "b"],
        &["ctl"],
        &["ctl", "-s"],
        &["watch", "extra"],
        &["info"],
        &["info", "--yaml", "x"],
        &["export"],
        &["export", "one"],
        &["repair"],
        &["repair", "--harder", "x"],
        &["list", "--yaml"],
        &["verify"],
    ] {
        assert_fails(&callrec(arguments), 2, &["callrec: "]);
    }
}

#[test]
fn check_prints_what_check_accepts_again() {
    let folder = Folder::new();
    let text = "# a phone\nvoiceCodec=PCMA\n  fileSizeLimit = 8 # MiB\r\n\nusbMount = /mnt/my stick\nmediaPorts = 5000 - 5010\n\
                mediaAddr = ::1\ndeviceMac = 0015651a2b3c\nserverAddr = pbx.example\nmessageEnd = crlf\npauseMode = silence\n";
    let first = callrec(&["check", &folder.file("conf", text.as_bytes())]);
    assert!(
        first.status.success() && first.stderr.is_empty(),
        "{}",
        words(&first)
    );
    let printed = String::from_utf8(first.stdout.clone()).unwrap();
    for line in [
        "voiceCodec = PCMA",
        "fileSizeLimit = 8",
        "usbMount = /mnt/my stick",
        "mediaPorts = 5000-5010",
    ] {
        assert!(printed.lines().any(|printed| printed == line), "{printed}");
    }
    let second = callrec(&["check", &folder.file("again", &first.stdout)]);
    assert_eq!(second.stdout, first.stdout);
    let defaults = callrec(&["check", &folder.file("empty", b"")]);
    let defaults = String::from_utf8(defaults.stdout).unwrap();
    let keys = "enabled = 1,recordType = local,voiceCodec = PCMU,fileSizeLimit = 0,coverOlderRecordings = 0,\
                recordRtpHeader = 1,pauseMode = skip,usbMount = auto,usbRequireMount = 1,usbReserve = 1,\
                serverAddr = 0.0.0.0,serverPort = 10000,serverFallback = none,messageEnd = none,deviceMac = auto,\
                controlSocket = /var/run/callrec.sock,mediaAddr = 127.0.0.1,mediaPorts = 41000-41199,maxRecordings = 4";
    let sharing =
        "fspEnabled = 0,fspAddr = 0.0.0.0,fspPort = 9531,fspPasswordFile = /etc/callrec.fsp,fspMaxPayload = 1460,\
                   fspRoot = recordings,p2pServer = none,p2pPort = 7042";
    let sharing = sharing.split(',').filter(|_| cfg!(feature = "fsp"));
    assert_eq!(
        defaults.lines().collect::<Vec<_>>(),
        keys.split(',').chain(sharing).collect::<Vec<_>>()
    );
}

#[test]
fn a_bad_configuration_is_status_2_and_names_file_line_and_key() {
    let folder = Folder::new();
    for (text, line, key) in [
        ("enabled = 2", "1", "enabled"),
        ("\n# x\nvoicecodec = PCMU", "3", "voicecodec"),
        ("voiceCodec = G729", "1", "voiceCodec"),
        ("usbReserve = 1\nfileSizeLimit = 8MB", "2", "fileSizeLimit"),
        ("fileSizeLimit = 99999999999999999999", "1", "fileSizeLimit"),
        ("mediaPorts = 41000", "1", "mediaPorts"),
        ("mediaPorts = 0-10", "1", "mediaPorts"),
        ("mediaAddr = localhost", "1", "mediaAddr"),
        ("maxRecordings = 0", "1", "maxRecordings"),
        ("controlSocket = callrec.sock", "1", "controlSocket"),
        ("enabled = 1\nenabled = 1", "2", "enabled"),
        ("pauseMode = ", "1", "pauseMode"),
    ] {
        let path = folder.file("conf", text.as_bytes());
        for output in [callrec(&["check", &path]), callrec(&["run", "-c", &path])] {
            assert_fails(&output, 2, &[&path, &format!("line {line}"), key]);
            assert!(output.stdout.is_empty());
        }
    }
    let long = format!("controlSocket = /{}", "x".repeat(200));
    assert_fails(
        &callrec(&["check", &folder.file("conf", long.as_bytes())]),
        2,
        &["line 1", "controlSocket"],
    );
    assert_fails(
        &callrec(&["check", &folder.file("conf", b"enabled = 1\n\xFF\xFE")]),
        2,
        &["conf"],
    );
    assert_fails(
        &callrec(&["check", "/no/such/file"]),
        1,
        &["/no/such/file", "No such file"],
    );
    let nowhere = folder.file("conf", b"controlSocket = /no/such/folder/s\n");
    assert_fails(
        &callrec(&["run", "-c", &nowhere]),
        1,
        &["/no/such/folder/s", "No such file"],
    );
}

#[test]
fn ctl_prints_each_answer_and_fails_with_the_last() {
    let phone = Phone::new("");
    let socket = phone.socket().to_str().unwrap().to_owned();
    let ctl = |messages: &[&str]| callrec(&[&["ctl", "-s", &socket], messages].concat());
    let done = ctl(&[
        "cmd=RecordStartRequest&legs=1",
        "RecordStatusRequest",
        "cmd=StatsRequest",
    ]);
    assert!(done.status.success(), "{}", words(&done));
    let text = String::from_utf8(done.stdout).unwrap();
    let commands: Vec<&str> = text
        .lines()
        .map(|line| line.split('&').next().unwrap())
        .collect();
    let expected = [
        "cmd=RecordStartResponse",
        "cmd=RecordStatus",
        "cmd=RecordStatusResponse",
        "cmd=StatsResponse",
    ];
    assert_eq!(commands, expected);
    let failed = ctl(&["cmd=RecordStopRequest&id=1"]);
    assert!(String::from_utf8_lossy(&failed.stdout).contains("reason=unknown-id"));
    assert_fails(&failed, 1, &["unknown-id", &socket]);
    assert_fails(&ctl(&[""]), 1, &["bad-request"]);
    assert_fails(
        &ctl(&[&format!("cmd=A&b={}", "x".repeat(5000))]),
        1,
        &["bad-request"],
    );
    assert_fails(&ctl(&["cmd=A\ncmd=B"]), 2, &["line"]);
    assert_fails(
        &callrec(&["ctl", "-s", "/no/such/socket", "StatsRequest"]),
        1,
        &["/no/such/socket"],
    );
    assert_fails(
        &callrec(&["watch", "-s", "/no/such/socket"]),
        1,
        &["/no/such/socket"],
    );
}

#[test]
fn watch_prints_events_at_once_and_ends_with_the_daemon() {
    let mut phone = Phone::new("");
    let out = phone.path("out");
    let mut watch = common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["watch", "-s", phone.socket().to_str().unwrap()])
        .stdout(fs::File::create(&out).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = || fs::read_to_string(&out).unwrap().lines().count();
    wait_for("an event", || {
        phone.stop(&phone.record("").id());
        lines() > 0
    });
    let last_stopped = || {
        fs::read_to_string(&out)
            .unwrap()
            .lines()
            .last()
            .is_some_and(|line| line.contains("=stopped"))
    };
    wait_for("all events of the last call", last_stopped);
    assert!(fs::read_to_string(&out)
        .unwrap()
        .lines()
        .all(|line| line.starts_with("cmd=RecordEvent&id=")));
    phone.end();
    let mut status = None;
    wait_for("its end", || {
        status = watch.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(
        status.unwrap().code(),
        Some(1),
        "the daemon ended, it did not"
    );
}

#[test]
fn info_describes_every_kind_of_recording() {
    let folder = Folder::new();
    for (codec, little, with_header, frames) in [
        ("PCMU", true, true, 50),
        ("PCMA", true, false, 7),
        ("PCMU", false, true, 3),
        ("PCMA", true, true, 0),
    ] {
        let path = folder.file(
            "a \"b\"\t\u{e9}.wav",
            &recording(codec, frames, little, with_header),
        );
        let output = callrec(&["info", "--json", &path]);
        assert!(output.status.success(), "{}", words(&output));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let length = if with_header { 172 } else { 160 };
        assert_eq!(json["codec"], codec);
        assert_eq!(
            (&json["rtpLen"], &json["increment"]),
            (&length.into(), &160.into())
        );
        assert_eq!(
            (&json["frames"], &json["dataSize"]),
            (&frames.into(), &(frames * length).into())
        );
        assert_eq!(
            (&json["duration_ms"], &json["period_ms"]),
            (&(frames * 20).into(), &20.into())
        );
        assert_eq!(
            (&json["file"], &json["rtp"]),
            (&path.as_str().into(), &with_header.into())
        );
        let text = String::from_utf8(callrec(&["info", &path]).stdout).unwrap();
        for word in [
            "codec",
            "rtpLen",
            "increment",
            "dataSize",
            "frames",
            "duration_ms",
            "period_ms",
            codec,
        ] {
            assert!(text.contains(word), "{text}");
        }
    }
}

#[test]
fn info_reads_unfinished_files_and_one_bad_file_hides_no_other() {
    let folder = Folder::new();
    let mut torn = recording("PCMU", 5, true, true);
    torn[72..76].copy_from_slice(&[0; 4]);
    torn.truncate(76 + 4 * 172 + 100);
    let (torn, good) = (
        folder.file("torn", &torn),
        folder.file("good", &recording("PCMU", 2, true, true)),
    );
    let (riff, short) = (
        folder.file("riff", &[b"RIFF", &[0u8; 200][..]].concat()),
        folder.file("short", b"PCMU"),
    );
    let output = callrec(&[
        "info",
        "--json",
        &riff,
        &torn,
        "/no/such",
        &good,
        &short,
        folder.0.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1));
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let frames: Vec<_> = lines
        .iter()
        .map(|json| json["frames"].as_u64().unwrap())
        .collect();
    assert_eq!(frames, [4, 2]);
    for bad in [riff.as_str(), "/no/such", &short] {
        assert_eq!(
            words(&output)
                .lines()
                .filter(|line| line.contains(bad))
                .count(),
            1,
            "{}",
            words(&output)
        );
    }
    assert_eq!(words(&output).lines().count(), 4);
}

/// It ends, whatever it is given.
fn ends(arguments: &[&str]) -> bool {
    let mut child = common::command(env!("CARGO_BIN_EXE_callrec"));
    let mut child = child
        .args(arguments)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    for _ in 0..400 {
        if child.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    false
}

#[test]
fn a_pipe_in_a_files_place_stops_no_tool() {
    let folder = Folder::new();
    let pipe = folder.0.join("pipe").to_str().unwrap().to_owned();
    assert!(Command::new("mkfifo")
        .arg(&pipe)
        .status()
        .unwrap()
        .success());
    let mut waiting = vec![];
    for arguments in [
        &["info", &pipe][..],
        &["list", &pipe],
        &["verify", &pipe],
        &["repair", &pipe],
        &["export", &pipe, "-"],
        &["check", "/dev/null"],
    ] {
        if !ends(arguments) {
            waiting.push(arguments[0]);
        }
    }
    assert!(waiting.is_empty(), "{waiting:?} wait for a writer");
}

#[test]
fn what_cannot_be_written_is_a_failure() {
    let folder = Folder::new();
    let file = folder.file("good", &recording("PCMU", 500, true, true));
    let mut silent = vec![];
    for arguments in [
        &["info", &file][..],
        &["list", &file],
        &["verify", &file],
        &["info", "--json", &file],
        &["repair", &file],
        &["export", &file, "-"],
    ] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = common::command(env!("CARGO_BIN_EXE_callrec"))
            .args(arguments)
            .stdout(full)
            .output()
            .unwrap();
        if output.status.code() != Some(1) || words(&output).lines().count() != 1 {
            silent.push(format!(
                "{arguments:?}: {} {}",
                output.status,
                words(&output)
            ));
        }
    }
    let out = folder.0.join("no/folder/out.wav");
    assert_fails(
        &callrec(&["export", &file, out.to_str().unwrap()]),
        1,
        &["no/folder/out.wav"],
    );
    assert!(silent.is_empty(), "{silent:#?}");
}
