//! Recordings of other codecs: G.722 is decoded here, G.729 by ffmpeg, and payloads come out as
//! they are.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::common::made::{tool, tool_ok, Folder};
use crate::common::wave::wave;
use crate::common::{assert_fails, rtp, stderr_of, Random};
use callrec::wire::g722;

/// A recording of these payloads, `increment` timestamp units each; frame numbers in `missing` are
/// not there.
fn recording(codec: &str, increment: u32, payloads: &[Vec<u8>], missing: &[usize]) -> Vec<u8> {
    let mut bytes = codec.as_bytes().to_vec();
    bytes.resize(64, 0);
    let rtp_len = payloads[0].len() as u32 + 12;
    let frames = (payloads.len() - missing.len()) as u32;
    for number in [rtp_len, increment, frames * rtp_len] {
        bytes.extend(number.to_le_bytes());
    }
    let payload_type = if codec == "G722" { 9 } else { 18 };
    for (n, payload) in payloads.iter().enumerate() {
        if !missing.contains(&n) {
            bytes.extend(rtp(
                payload_type,
                n as u16,
                n as u32 * increment,
                7,
                payload,
            ));
        }
    }
    bytes
}

fn payloads(bytes: u64, count: usize) -> Vec<Vec<u8>> {
    let mut random = Random(5);
    (0..count).map(|_| random.bytes(bytes)).collect()
}

#[test]
fn g722_is_decoded_to_linear_samples() {
    let folder = Folder::new();
    let payloads = payloads(160, 40);
    let file = folder.file("in.wav", &recording("G722", 160, &payloads, &[]));
    let mut decoder = g722::Decoder::default();
    let samples: Vec<u8> = payloads
        .concat()
        .iter()
        .flat_map(|code| decoder.decode(*code).to_le_bytes())
        .collect();
    let found = wave(&tool_ok(&["export", &file, "-"]).out);
    assert_eq!((found.tag, found.bits), (1, 16));
    assert!(found.data == samples);
    // A piece has the samples that the whole has: the decoder's state is that of the whole.
    let piece = wave(&tool_ok(&["export", "--from", "0.3", "--to", "0.5", &file, "-"]).out);
    assert!(piece.data == samples[4800..8000]);
    let picture = tool_ok(&["export", "--picture", &file, "-"]).text();
    assert!(picture.contains("of G722") && picture.ends_with("</svg>\n"));
}

#[test]
fn payloads_come_out_as_they_are() {
    let folder = Folder::new();
    for (codec, bytes) in [("G722", 160), ("G729", 20)] {
        let payloads = payloads(bytes, 10);
        let file = folder.file(codec, &recording(codec, 160, &payloads, &[4]));
        let out = folder.path(&format!("{codec}.raw"));
        let ran = tool(&["export", "--raw", &file, &out]);
        assert!(
            ran.ok && ran.err.contains("0.020 s are missing"),
            "{}",
            ran.err
        );
        let there = [&payloads[..4], &payloads[5..]].concat().concat();
        assert_eq!(fs::read(&out).unwrap(), there);
    }
    let ran = tool(&["export", "--raw", "--to", "1", &folder.path("G729"), "-"]);
    assert!(
        !ran.ok && ran.err.contains("whole recordings"),
        "{}",
        ran.err
    );
    let mixed = [folder.path("G722"), folder.path("G729")];
    let ran = tool(&["export", "--raw", &mixed[0], &mixed[1], "-"]);
    assert!(
        !ran.ok && ran.err.contains("is G729, the first"),
        "{}",
        ran.err
    );
}

/// Runs `callrec export` where the PATH has only this folder.
fn export_with_path(path: &str, file: &str, out: &str) -> std::process::Output {
    crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["export", file, out])
        .env("PATH", path)
        .output()
        .unwrap()
}

/// A program that takes ffmpeg's place.
fn fake(folder: &Folder, script: &str) -> String {
    let file = folder.file("bin/ffmpeg", format!("#!/bin/sh\n{script}\n").as_bytes());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    folder.path("bin")
}

#[test]
fn without_ffmpeg_it_is_said_what_to_install() {
    let folder = Folder::new();
    let file = folder.file("in.wav", &recording("G729", 160, &payloads(20, 5), &[]));
    let out = folder.path("out.wav");
    let output = export_with_path("/nowhere", &file, &out);
    assert_fails(&output, 1, &["G.729", "install", "ffmpeg", "--raw"]);
    let path = fake(&folder, "echo 'no such codec' >&2; exit 1");
    let output = export_with_path(&path, &file, &out);
    assert_fails(&output, 1, &["has stopped", "no such codec"]);
    assert!(!fs::exists(&out).unwrap());
}

#[test]
fn what_ffmpeg_decodes_has_its_place_in_time() {
    let folder = Folder::new();
    // It is given the payloads, all letters, and returns each sixteen times: eight samples.
    let letter = |byte: &u8| b'a' + byte % 16;
    let to_letters = |payload: &Vec<u8>| payload.iter().map(letter).collect();
    let letters: Vec<Vec<u8>> = payloads(20, 500).iter().map(to_letters).collect();
    let file = folder.file("in.wav", &recording("G729", 160, &letters, &[100]));
    let copy = folder.path("payloads");
    let script = format!(
        "export PATH=/usr/bin:/bin\ntee {copy} | sed 's/./{}/g'",
        "&".repeat(16)
    );
    let output = export_with_path(&fake(&folder, &script), &file, "-");
    assert!(output.status.success(), "{}", stderr_of(&output));
    let there = [&letters[..100], &letters[101..]].concat().concat();
    assert!(fs::read(&copy).unwrap() == there, "the payloads alone");
    let samples = |letters: &[Vec<u8>]| -> Vec<u8> {
        let bytes = letters.iter().flatten();
        bytes.flat_map(|byte| [*byte; 16]).collect()
    };
    let expected = [
        samples(&letters[..100]),
        vec![0; 320],
        samples(&letters[101..]),
    ]
    .concat();
    assert!(wave(&output.stdout).data == expected);
}

#[test]
#[ignore = "needs the package ffmpeg: scripts/test installs it"]
fn g729_is_what_ffmpeg_makes_of_it() {
    let folder = Folder::new();
    let payloads = payloads(20, 1500);
    let file = folder.file("in.wav", &recording("G729", 160, &payloads, &[]));
    let raw = folder.path("in.raw");
    tool_ok(&["export", "--raw", &file, &raw]);
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "g729", "-i", &raw])
        .args(["-f", "s16le", "-ar", "8000", "-ac", "1", "-"])
        .output()
        .unwrap();
    assert_eq!(decoded.stdout.len(), 1500 * 320, "{}", stderr_of(&decoded));
    let found = wave(&tool_ok(&["export", &file, "-"]).out);
    assert!(found.data == decoded.stdout);
    let piece = wave(&tool_ok(&["export", "--from", "10.001", "--to", "12", &file, "-"]).out);
    assert!(piece.data == decoded.stdout[160_016..192_000]);
    let picture = tool_ok(&["export", "--picture", "--from", "1", &file, "-"]).text();
    assert!(picture.contains("of G729"));
}
