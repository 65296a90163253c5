//! `callrec info`, and commands that are given files which they cannot read or write.

use std::fs;
use std::process::Command;

use crate::common::made::{Folder, Made};
use crate::common::{assert_fails, callrec, command, stderr_of, wait_for, Process};

fn pcmu(frames: u32) -> Vec<u8> {
    Made {
        frames,
        ..Made::default()
    }
    .bytes()
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
        let made = Made {
            codec,
            frames,
            big_endian: !little,
            rtp: with_header,
            ..Made::default()
        };
        let path = folder.file("a \"b\"\t\u{e9}.wav", &made.bytes());
        let output = callrec(&["info", "--json", &path]);
        assert!(output.status.success(), "{}", stderr_of(&output));
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
    let mut torn = pcmu(5);
    torn[72..76].copy_from_slice(&[0; 4]);
    torn.truncate(76 + 4 * 172 + 100);
    let (torn, good) = (folder.file("torn", &torn), folder.file("good", &pcmu(2)));
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
            stderr_of(&output)
                .lines()
                .filter(|line| line.contains(bad))
                .count(),
            1,
            "{}",
            stderr_of(&output)
        );
    }
    assert_eq!(stderr_of(&output).lines().count(), 4);
}

/// Runs a command that must not wait for anything.
fn assert_ends(arguments: &[&str]) {
    let mut command = command(env!("CARGO_BIN_EXE_callrec"));
    let null = fs::File::options().write(true).open("/dev/null").unwrap();
    let mut process = Process::default();
    process.start(command.args(arguments), null);
    wait_for(&format!("the end of {arguments:?}"), || !process.lives());
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
    for arguments in [
        &["info", &pipe][..],
        &["list", &pipe],
        &["verify", &pipe],
        &["repair", &pipe],
        &["export", &pipe, "-"],
        &["check", "/dev/null"],
    ] {
        assert_ends(arguments);
    }
}

#[test]
fn what_cannot_be_written_is_a_failure() {
    let folder = Folder::new();
    let file = folder.file("good", &pcmu(500));
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
        let output = command(env!("CARGO_BIN_EXE_callrec"))
            .args(arguments)
            .stdout(full)
            .output()
            .unwrap();
        if output.status.code() != Some(1) || stderr_of(&output).lines().count() != 1 {
            silent.push(format!(
                "{arguments:?}: {} {}",
                output.status,
                stderr_of(&output)
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
