//! `callrec play`: what a receiver hears, what a person reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::process::Output;

use common::callrec;
use common::listener::{assert_heard, recording, Listener};

fn play(listener: &Listener, arguments: &[&str]) -> Output {
    let to = format!("127.0.0.1:{}", listener.port());
    callrec(&[&["play", arguments[0], &to], &arguments[1..]].concat())
}

#[test]
fn a_recording_and_its_further_parts_are_sent() {
    let (folder, _) = common::folder();
    let first = folder.join("Record_20260101_100000.wav");
    std::fs::write(&first, recording(9, 0, 60)).unwrap();
    std::fs::write(
        folder.join("Record_20260101_100001.wav"),
        recording(9, 60, 40),
    )
    .unwrap();
    let link = folder.join("link");
    std::os::unix::fs::symlink(&first, &link).unwrap();
    for (file, from, frames) in [(&first, "0", 0..100), (&link, "1.5", 75..100)] {
        let listener = Listener::new();
        let output = play(&listener, &[file.to_str().unwrap(), "--from", from]);
        assert!(output.status.success(), "{output:?}");
        assert!(
            output.stdout.is_empty() && output.stderr.is_empty(),
            "no line where there is no terminal"
        );
        assert_heard(&listener.take(frames.len()), 9, frames);
        listener.assert_silent();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_line_shows_the_position_on_a_terminal() {
    let (folder, _) = common::folder();
    let file = folder.join("Record_20260101_100000.wav");
    std::fs::write(&file, recording(9, 0, 60)).unwrap();
    let words = common::words_of(env!("CARGO_BIN_EXE_callrec")).join(" ");
    let command = format!("{words} play {} 127.0.0.1:9", file.display());
    // script(1) of util-linux gives it a terminal.
    let output = std::process::Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("\r0:00:00 / 0:00:01"),
        "{text:?}"
    );
    assert!(
        text.trim_end_matches(['\r', '\n'])
            .ends_with("\r0:00:01 / 0:00:01\u{1b}[K"),
        "{text:?}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn damaged_files_end_soon_with_what_they_have_or_with_a_word() {
    let (folder, _) = common::folder();
    let (good, whole) = (recording(9, 0, 3), 76 + 3 * 172);
    let flips = (0..good.len())
        .filter(|byte| *byte < 88 || byte % 43 == 0)
        .map(|byte| {
            let mut flipped = good.clone();
            flipped[byte] ^= 1 << (byte % 8);
            flipped
        });
    let files: Vec<Vec<u8>> = (0..good.len())
        .step_by(3)
        .map(|length| good[..length].to_vec())
        .chain(flips)
        .collect();
    // Each takes as long as it plays: many at once.
    std::thread::scope(|scope| {
        for (thread, files) in files.chunks(files.len().div_ceil(16)).enumerate() {
            let file = folder.join(format!("{thread}/Record_20260101_100000.wav"));
            std::fs::create_dir(file.parent().unwrap()).unwrap();
            scope.spawn(move || {
                let listener = Listener::new();
                for bytes in files {
                    std::fs::write(&file, bytes).unwrap();
                    let name = file.to_str().unwrap();
                    let ran = common::made::tool(&[
                        "play",
                        name,
                        &format!("127.0.0.1:{}", listener.port()),
                    ]);
                    assert!(
                        ran.ok && ran.err.is_empty() || ran.err.contains(name),
                        "{}",
                        ran.err
                    );
                    assert!(
                        ran.ok == (bytes.len() >= 76) || bytes.len() == whole,
                        "{} bytes",
                        bytes.len()
                    );
                }
            });
        }
    });
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn what_cannot_be_played_is_said() {
    let (folder, _) = common::folder();
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("good.wav"), recording(9, 0, 10)).unwrap();
    std::fs::write(path("notes.wav"), "hello").unwrap();
    std::fs::write(path("riff.wav"), [&b"RIFF"[..], &[0; 200]].concat()).unwrap();
    for (name, frames, rtp_len) in [
        ("long.wav", 1, 2000u16),
        ("damaged.wav", 10, 2000),
        ("bare.wav", 10, 160),
    ] {
        let mut bytes = recording(9, 0, frames);
        bytes[64..66].copy_from_slice(&rtp_len.to_le_bytes());
        std::fs::write(path(name), bytes).unwrap();
    }
    for (file, to, more, status, words) in [
        ("none.wav", "127.0.0.1:9", "0", 1, "none.wav: No such file"),
        (".", "127.0.0.1:9", "0", 1, "is not a regular file"),
        (
            "notes.wav",
            "127.0.0.1:9",
            "0",
            1,
            "notes.wav: is not a recording",
        ),
        (
            "riff.wav",
            "127.0.0.1:9",
            "0",
            1,
            "riff.wav: is a RIFF/WAVE file",
        ),
        (
            "long.wav",
            "127.0.0.1:9",
            "0",
            1,
            "long.wav: the lengths in its header",
        ),
        (
            "damaged.wav",
            "127.0.0.1:9",
            "0",
            1,
            "damaged.wav: its header is damaged; 'callrec repair'",
        ),
        (
            "bare.wav",
            "127.0.0.1:9",
            "0",
            1,
            "bare.wav: its header is damaged; 'callrec repair'",
        ),
        (
            "good.wav",
            "127.0.0.1:9",
            "0.3",
            1,
            "good.wav: it ends before --from",
        ),
        ("good.wav", "127.0.0.1", "0", 2, "is not HOST:PORT"),
        ("good.wav", "127.0.0.1:0", "0", 2, "is not HOST:PORT"),
        ("good.wav", "127.0.0.1:9", "now", 2, "'now' is not a time"),
        (
            "good.wav",
            "127.0.0.1:9",
            "99999999",
            2,
            "more than a recording lasts",
        ),
    ] {
        let output = callrec(&["play", &path(file), to, "--from", more]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{text}");
        assert!(text.contains(words) && text.lines().count() == 1, "{text}");
    }
    assert_eq!(callrec(&["play"]).status.code(), Some(2));
    assert_eq!(callrec(&["play", "a", "b:1", "c"]).status.code(), Some(2));
    let help = callrec(&["play", "--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("Examples:\n"));
    std::fs::remove_dir_all(&folder).unwrap();
}
