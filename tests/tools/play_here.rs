//! `callrec play FILE`: on this computer, by whichever program is there; and a receiver that is not
//! there.

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use crate::common::made::Folder;
use crate::common::wave::{part, wave};
use crate::common::{assert_fails, callrec, stderr_of};
use callrec::wire::g711::Law;

/// Runs `callrec play` where the PATH has only this folder.
fn play_with_path(path: &str, arguments: &[&str]) -> Output {
    crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .arg("play")
        .args(arguments)
        .env("PATH", path)
        .output()
        .unwrap()
}

/// A player that keeps what it is given.
fn fake(folder: &Folder, name: &str, script: &str) {
    let file = folder.file(
        &format!("bin/{name}"),
        format!("#!/bin/sh\nexport PATH=/usr/bin:/bin\n{script}\n").as_bytes(),
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The samples of the first frames of the call.
fn linear(frames: std::ops::Range<u32>) -> Vec<u8> {
    let table = Law::Mu.decode_table();
    let codes = part(frames.start, frames.end - frames.start).audio();
    let samples = codes.iter().map(|code| table[usize::from(*code)]);
    samples.flat_map(i16::to_le_bytes).collect()
}

#[test]
fn the_first_player_that_is_there_plays_all_parts() {
    let folder = Folder::new();
    let file = folder.file("Record_20260101_100000.wav", &part(0, 100).bytes());
    folder.file("Record_20260101_100002.wav", &part(100, 50).bytes());
    let (heard, path) = (folder.path("heard"), folder.path("bin"));
    let output = play_with_path(&path, &[&file]);
    let packages = ["ffmpeg", "alsa-utils", "pulseaudio-utils"];
    assert_fails(&output, 1, &packages);
    for (name, takes_wave) in [("paplay", false), ("aplay", true), ("ffplay", true)] {
        fake(
            &folder,
            name,
            &format!("cat >{heard}; echo {name} >>{heard}.by"),
        );
        for (options, expected) in [
            (&[][..], linear(0..150)),
            (&["--from", "1"], linear(50..150)),
            (&["--this-part"], linear(0..100)),
        ] {
            let output = play_with_path(&path, &[&[&*file], options].concat());
            assert!(output.status.success(), "{}", stderr_of(&output));
            let bytes = fs::read(&heard).unwrap();
            let data = if takes_wave { wave(&bytes).data } else { bytes };
            assert!(data == expected, "{name} {options:?}");
        }
    }
    let by = fs::read_to_string(format!("{heard}.by")).unwrap();
    assert!(by.ends_with("ffplay\nffplay\nffplay\n"), "{by}");
    fake(&folder, "ffplay", "echo no sound card >&2; exit 3");
    let output = play_with_path(&path, &[&file]);
    assert_eq!(output.status.code(), Some(1));
    let message = stderr_of(&output);
    assert!(
        message.contains("no sound card\n") && message.contains("ffplay: it failed"),
        "{message}"
    );
    let output = play_with_path(&path, &[&file, "--from", "3"]);
    assert_fails(&output, 1, &["it ends before --from"]);
}

#[test]
#[ignore = "needs the package ffmpeg: scripts/test installs it"]
fn ffplay_takes_what_it_is_given() {
    let folder = Folder::new();
    let file = folder.file("Record_20260101_100000.wav", &part(0, 50).bytes());
    let output = crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["play", &file])
        .env("SDL_AUDIODRIVER", "dummy")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr_of(&output));
    assert!(output.stderr.is_empty(), "{}", stderr_of(&output));
}

#[test]
fn a_port_that_nobody_receives_on_is_a_failure() {
    let folder = Folder::new();
    let file = folder.file("Record_20260101_100000.wav", &part(0, 50).bytes());
    let closed = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = closed.local_addr().unwrap().to_string();
    drop(closed);
    let words = ["no program receives on that port", "play --help", &to];
    assert_fails(&callrec(&["play", &file, &to]), 1, &words);
}
