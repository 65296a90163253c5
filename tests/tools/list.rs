//! `callrec list` and `callrec verify`: recordings with and without sidecars.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::made::{tool, tool_ok, Folder, Made};
use serde_json::{json, Value};

fn part(ssrc: u32, first: u32, frames: u32) -> Made {
    Made {
        ssrc,
        first,
        frames,
        ..Made::default()
    }
}

/// A recording, and a sidecar with these members.
fn with_sidecar(folder: &Folder, name: &str, made: &Made, members: Value) -> String {
    folder.file(&format!("{name}.json"), format!("{members}\n").as_bytes());
    folder.file(&format!("{name}.wav"), &made.bytes())
}

/// The lines of a listing, blanks folded.
fn lines(arguments: &[&str]) -> Vec<String> {
    let text = tool_ok(arguments).text();
    text.lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

#[test]
fn recordings_are_listed_newest_first_with_what_is_known_of_them() {
    let folder = Folder::new();
    let start = "2026-11-21T10:15:00+01:00";
    let call = json!({"id": "17", "part": 1, "parts": 2, "device": "0015651a2b3c", "dir": "in", "remote_number": "100",
        "remote_name": "Ann", "start": start, "clock_set": true, "end": "rolled", "frames": 7, "unknown": [{}]});
    with_sidecar(&folder, "Record_20261121_101500", &part(7, 0, 3000), call);
    let call = json!({"id": "17", "part": 2, "device": "0015651a2b3c", "remote_name": "Anna", "end": "stopped",
        "start": "2026-11-21T10:16:00+01:00"});
    with_sidecar(&folder, "Record_20261121_101600", &part(7, 3000, 600), call);
    folder.file(
        "Record_19700101_000007.wav",
        &Made {
            codec: "PCMA",
            ..part(8, 0, 200_000)
        }
        .bytes(),
    );
    let mut torn = part(9, 0, 100).bytes();
    torn.truncate(76 + 172 * 50 + 3);
    folder.file("Record_20261122_090000_2.wav", &torn);
    folder.file("Record_20261122_090000_10.wav", &part(10, 0, 50).bytes());
    let found = lines(&["list", folder.0.to_str().unwrap()]);
    assert_eq!(
        found[..6],
        [
            "TIME LENGTH DIR NUMBER NAME CODEC SIZE STATE FILE",
            "2026-11-22 09:00:00 0:01 PCMU 9 kB finished Record_20261122_090000_10.wav",
            "2026-11-22 09:00:00 0:01 PCMU 9 kB unfinished Record_20261122_090000_2.wav",
            "2026-11-21 10:15:00 +01:00 1:12 in 100 Anna PCMU 619 kB finished Record_20261121_101500.wav",
            "Record_20261121_101600.wav",
            "1970-01-01 00:00:07 1:06:40 PCMA 34.4 MB finished Record_19700101_000007.wav",
        ]
    );
    assert!(
        found[6].starts_with("4 recordings, 1:07:54, 35.0 MB in /"),
        "{}",
        found[6]
    );
    let json = tool_ok(&["list", "--json", folder.0.to_str().unwrap()]).json();
    let times: Vec<&str> = json
        .iter()
        .map(|entry| entry["time"].as_str().unwrap())
        .collect();
    let expected = [
        "2026-11-22T09:00:00",
        "2026-11-22T09:00:00",
        "2026-11-21T10:16:00+01:00",
        start,
        "1970-01-01T00:00:07",
    ];
    assert_eq!(times, expected);
    let first = &json[3];
    assert_eq!(first["file"], folder.path("Record_20261121_101500.wav"));
    assert_eq!(
        (&first["frames"], &first["duration_ms"], &first["bytes"]),
        (&3000.into(), &60_000.into(), &516_076.into())
    );
    assert_eq!(
        (&first["remote_name"], &first["part"], &first["clock_set"]),
        (&"Ann".into(), &1.into(), &true.into())
    );
}

#[test]
fn a_servers_folder_is_listed_with_its_wav_files() {
    let folder = Folder::new();
    let facts = json!({"id": "5", "device": "0015651a2b3c", "codec": "PCMA", "remote_number": "200", "start": "2026-11-21T09:00:00Z",
        "frames": 500, "duration_ms": 10_000, "received": 490, "format": "wav", "end": "stopped"});
    folder.file(
        "0015651a2b3c/Record_20261121_100000_5.json",
        facts.to_string().as_bytes(),
    );
    folder.file(
        "0015651a2b3c/Record_20261121_100000_5.wav",
        &[b"RIFF", &[0u8; 900][..]].concat(),
    );
    folder.file("music.wav", &[b"RIFF", &[0u8; 900][..]].concat());
    let found = lines(&["list", folder.0.to_str().unwrap()]);
    assert_eq!(
        found[1],
        "2026-11-21 09:00:00 +00:00 0:10 200 PCMA 904 B finished 0015651a2b3c Record_20261121_100000_5.wav"
    );
    assert_eq!(found.len(), 3);
}

#[test]
fn what_is_wrong_with_one_file_hides_no_other() {
    let folder = Folder::new();
    folder.file("Record_20261121_101500.wav", &part(7, 0, 50).bytes());
    for (n, sidecar) in [
        &b"{\"id\":"[..],
        b"",
        b"[]",
        &[0xFF; 3000],
        &[b'{'; 100_000],
    ]
    .iter()
    .enumerate()
    {
        folder.file(&format!("Record_2026112{n}_000000.json"), sidecar);
        folder.file(
            &format!("Record_2026112{n}_000000.wav"),
            &part(n as u32, 0, 50).bytes(),
        );
    }
    folder.file("Record_20261120_000001.wav", b"");
    folder.file("Record_x.wav", &[7; 500]);
    fs::create_dir(folder.path("Record_dir.wav")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path("Record_link.wav")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", folder.path("Record_20261121_101500.json")).unwrap();
    let found = lines(&["list", folder.0.to_str().unwrap()]);
    assert_eq!(
        found
            .iter()
            .filter(|line| line.contains(" finished "))
            .count(),
        6,
        "{found:#?}"
    );
    assert_eq!(
        found
            .iter()
            .filter(|line| line.contains(" damaged "))
            .count(),
        2,
        "{found:#?}"
    );
    assert!(
        tool_ok(&["list", "--json", folder.0.to_str().unwrap()])
            .json()
            .len()
            == 8
    );
    let ran = tool(&["list", &folder.file("notes.wav", b"hello")]);
    assert!(
        !ran.ok && ran.err.contains("notes.wav: is not a recording"),
        "{}",
        ran.err
    );
    let ran = tool(&["list", "/no/such/folder"]);
    assert!(
        !ran.ok && ran.err.contains("/no/such/folder"),
        "{}",
        ran.err
    );
}

#[test]
fn no_name_reaches_the_terminal_raw() {
    let folder = Folder::new();
    let hostile = "\u{1b}[2J\r\u{9b}31m\u{202e}x\n";
    let call = json!({"id": hostile, "dir": hostile, "remote_number": hostile, "remote_name": hostile.repeat(50)});
    let file = with_sidecar(&folder, &format!("Record_2{hostile}"), &part(7, 0, 3), call);
    let bare = Made {
        rtp: false,
        ..part(7, 0, 3)
    }
    .bytes();
    let bad = folder.file(
        &format!("Record_1{hostile}.wav"),
        &[&bare[..64], &[0; 12], &bare[76..]].concat(),
    );
    let out = folder.path(&format!("no{hostile}/out.wav"));
    for arguments in [
        &["list", folder.0.to_str().unwrap()][..],
        &["list", "--json", folder.0.to_str().unwrap()],
        &["info", &file, &bad],
        &["info", "--json", &file, &bad],
        &["repair", &file, &bad],
        &["verify", &file, &bad],
        &["export", &bad, &out],
        &["export", &file, &out],
        &["export", "--from", hostile, &file, &out],
        &[hostile],
    ] {
        let ran = tool(arguments);
        let said = ran.text() + &ran.err;
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
        assert!(
            !said.contains(steers) && !said.is_empty(),
            "{arguments:?}: {said:?}"
        );
    }
}

#[test]
fn without_a_folder_it_lists_the_current_one() {
    let folder = Folder::new();
    folder.file("Record_20261121_101500.wav", &part(7, 0, 50).bytes());
    // Where a stick is mounted it is the stick that is listed.
    let output = crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .arg("list")
        .current_dir(&folder.0)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success()
            && (text.contains("Record_20261121_101500.wav") || !text.ends_with("in .\n")),
        "{text}"
    );
}

/// What coreutils say of it.
fn sha256(bytes: &[u8]) -> String {
    let mut child = Command::new("sha256sum")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), bytes).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()[..64].to_owned()
}

/// Whether `callrec verify` succeeds, and what it prints.
fn verify(path: &str) -> (bool, String) {
    let ran = tool(&["verify", path]);
    (ran.ok, ran.text() + &ran.err)
}

/// What the sidecar of a complete recording says.
fn facts(bytes: &[u8]) -> Value {
    json!({"frames": 1000, "sha256": sha256(&bytes[76..]), "end": "stopped"})
}

/// Damages the bytes of a file.
type Change = fn(&mut Vec<u8>);

#[test]
fn a_checksum_finds_every_kind_of_damage() {
    let folder = Folder::new();
    let made = part(7, 0, 1000);
    let bytes = made.bytes();
    let path = with_sidecar(&folder, "Record_1", &made, facts(&bytes));
    assert_eq!(verify(&path), (true, format!("{path}: ok\n")));
    let changes: [(Change, &str); 4] = [
        (|bytes| bytes[100_000] ^= 1, "not what was recorded"),
        (|bytes| bytes.truncate(76 + 172 * 999), "999 of 1000 frames"),
        (|bytes| bytes.truncate(40), "damaged: it is not a recording"),
        (|bytes| bytes.extend([0; 172]), "not what was recorded"),
    ];
    for (change, expected) in changes {
        let mut changed = bytes.clone();
        change(&mut changed);
        fs::write(&path, &changed).unwrap();
        let (ok, said) = verify(&path);
        assert!(
            !ok && said.contains(expected) && said.contains(&path),
            "{said}"
        );
    }
    let mut header = bytes.clone();
    header[64..76].fill(0);
    fs::write(&path, &header).unwrap();
    let (ok, said) = verify(&path);
    assert!(ok && said.contains("ok; its header is damaged"), "{said}");
    let (ok, said) = verify("/no/such.wav");
    assert!(
        !ok && said.starts_with("callrec: /no/such.wav: No such file"),
        "{said}"
    );
}

#[test]
fn verify_reports_what_has_no_checksum_and_what_is_missing() {
    let folder = Folder::new();
    let made = part(7, 0, 1000);
    let bytes = made.bytes();
    let whole = with_sidecar(&folder, "Record_1", &made, facts(&bytes));
    let unfinished = with_sidecar(&folder, "sub/Record_2", &made, json!({"frames": 900}));
    let without_sidecar = folder.file("Record_3.wav", &bytes);
    let missing = with_sidecar(&folder, "Record_4", &made, facts(&bytes));
    fs::remove_file(&missing).unwrap();
    let members = json!({"frames": 1000, "end": "stopped"});
    let without_checksum = with_sidecar(&folder, "Record_5", &made, members);
    let ran = tool(&["verify", folder.0.to_str().unwrap()]);
    assert!(
        !ran.ok && ran.err.contains(&missing) && ran.err.lines().count() == 1,
        "{}",
        ran.err
    );
    let said = ran.text();
    for (path, expected) in [
        (whole, "ok"),
        (unfinished, "no checksum; it was not finished"),
        (without_sidecar, "no checksum; there is no sidecar"),
        (without_checksum, "no checksum; the sidecar has none"),
    ] {
        assert!(said.contains(&format!("{path}: {expected}\n")), "{said}");
    }
}
