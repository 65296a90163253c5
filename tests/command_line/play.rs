//! `callrec play`: what a receiver hears, what a person reads.

use std::process::Output;

use crate::common::listener::{assert_heard, recording, Listener};
use crate::common::made::Folder;
use crate::common::{assert_fails, callrec};

fn play(listener: &Listener, arguments: &[&str]) -> Output {
    let to = format!("127.0.0.1:{}", listener.port());
    callrec(&[&["play", arguments[0], &to], &arguments[1..]].concat())
}

#[test]
fn a_recording_and_its_further_parts_are_sent() {
    let (folder, _) = crate::common::folder();
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
    let (folder, _) = crate::common::folder();
    let file = folder.join("Record_20260101_100000.wav");
    std::fs::write(&file, recording(9, 0, 60)).unwrap();
    let words = crate::common::words_of(env!("CARGO_BIN_EXE_callrec")).join(" ");
    let listener = Listener::new();
    let to = format!("127.0.0.1:{}", listener.port());
    let command = format!("{words} play {} {to}", file.display());
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
    let (folder, _) = crate::common::folder();
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
                    let ran = crate::common::made::tool(&[
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

/// `callrec play --from FROM FILE TO` fails: with this status, and one line that contains this
/// text.
fn assert_refused(file: &str, to: &str, from: &str, status: i32, text: &str) {
    let output = callrec(&["play", file, to, "--from", from]);
    assert_fails(&output, status, &[text]);
}

#[test]
fn files_that_cannot_be_played_are_named() {
    let folder = Folder::new();
    let good = recording(9, 0, 10);
    let with_rtp_len = |frames, rtp_len: u16| {
        let mut bytes = recording(9, 0, frames);
        bytes[64..66].copy_from_slice(&rtp_len.to_le_bytes());
        bytes
    };
    let damaged = "its header is damaged; 'callrec repair'";
    for (name, bytes, from, text) in [
        ("notes.wav", b"hello".to_vec(), "0", "is not a recording"),
        (
            "riff.wav",
            [&b"RIFF"[..], &[0; 200]].concat(),
            "0",
            "is a RIFF/WAVE file",
        ),
        (
            "long.wav",
            with_rtp_len(1, 2000),
            "0",
            "the lengths in its header",
        ),
        ("damaged.wav", with_rtp_len(10, 2000), "0", damaged),
        ("bare.wav", with_rtp_len(10, 160), "0", damaged),
        ("good.wav", good, "0.3", "it ends before --from"),
    ] {
        let path = folder.file(name, &bytes);
        assert_refused(&path, "127.0.0.1:9", from, 1, &format!("{name}: {text}"));
    }
    let none = folder.path("none.wav");
    assert_refused(&none, "127.0.0.1:9", "0", 1, "none.wav: No such file");
    assert_refused(
        &folder.path("."),
        "127.0.0.1:9",
        "0",
        1,
        "is not a regular file",
    );
}

#[test]
fn wrong_arguments_of_play_are_usage_errors() {
    let folder = Folder::new();
    let good = folder.file("good.wav", &recording(9, 0, 10));
    for (to, from, text) in [
        ("127.0.0.1", "0", "is not HOST:PORT"),
        ("127.0.0.1:0", "0", "is not HOST:PORT"),
        ("127.0.0.1:9", "now", "'now' is not a time"),
        ("127.0.0.1:9", "99999999", "more than a recording lasts"),
    ] {
        assert_refused(&good, to, from, 2, text);
    }
    assert_fails(&callrec(&["play"]), 2, &["play: "]);
    assert_fails(&callrec(&["play", "a", "b:1", "c"]), 2, &["c"]);
}
