//! One part of several: `export`, `info`, `verify`, `list` and `play` find the others, or say which
//! part it is.

use std::fs;

use crate::common::listener::{assert_heard, recording, Listener};
use crate::common::made::{tool, tool_ok, Folder, Made};
use crate::common::wave::{part, wave};
use serde_json::{json, Value};

/// Parts of 50, 30 and 20 frames of a call, with sidecars; the audio of the call.
fn three_parts(folder: &Folder, rtp: bool) -> ([String; 3], Vec<u8>) {
    let mut audio = vec![];
    let files = [(0, 50), (50, 30), (80, 20)].map(|(first, frames)| {
        let made = Made {
            rtp,
            ..part(first, frames)
        };
        audio.extend(made.audio());
        let number = 1 + u32::from(first > 0) + u32::from(first > 50);
        let name = format!("Record_20261121_10150{number}");
        let mut call = json!({"id": "17", "part": number, "device": "0015651a2b3c", "dir": "in", "remote_number": "100",
            "start": format!("2026-11-21T10:15:0{number}+01:00"), "pauses": [[100, 40]], "dropped": {"late": number},
            "frames": frames, "duration_ms": frames * 20, "end": "rolled"});
        if number == 3 {
            call["parts"] = json!(3);
            call["end"] = json!("stopped");
            call["remote_name"] = json!("Ann");
        }
        folder.file(&format!("{name}.json"), call.to_string().as_bytes());
        folder.file(&format!("{name}.wav"), &made.bytes())
    });
    (files, audio)
}

#[test]
fn export_joins_all_parts_whichever_is_named() {
    for rtp in [true, false] {
        let folder = Folder::new();
        let (files, audio) = three_parts(&folder, rtp);
        for file in &files {
            let ran = tool(&["export", file, "-"]);
            assert!(ran.ok && wave(&ran.out).data == audio, "{}", ran.err);
            assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
            let others = files.iter().filter(|other| *other != file);
            assert!(
                ran.err.contains("is one of 3 parts of the call")
                    && others.clone().all(|other| ran.err.contains(other)),
                "{}",
                ran.err
            );
        }
        let all: Vec<&str> = files.iter().map(String::as_str).collect();
        let whole = tool_ok(&[&["export"], &all[..], &["-"]].concat());
        assert!(wave(&whole.out).data == audio, "nothing to be said");
        let ran = tool(&["export", "--this-part", &files[1], "-"]);
        assert!(wave(&ran.out).data == audio[50 * 160..80 * 160]);
        assert!(ran.err.contains("part 2 of 3 of the call"), "{}", ran.err);
    }
}

#[test]
fn parts_without_sidecars_are_known_by_their_frames() {
    let folder = Folder::new();
    let one = folder.file("Record_20261121_101501.wav", &part(0, 50).bytes());
    folder.file("Record_20261121_101502.wav", &part(50, 30).bytes());
    let other = Made {
        ssrc: 5,
        ..part(0, 9)
    };
    folder.file("Record_20261121_101503.wav", &other.bytes());
    let ran = tool(&["export", &one, "-"]);
    assert!(wave(&ran.out).data == part(0, 80).audio(), "{}", ran.err);
    let ran = tool(&["export", "--this-part", &one, "-"]);
    assert!(ran.err.contains("part 1 of 2"), "{}", ran.err);
}

#[test]
fn a_call_goes_on_in_the_folder_of_the_next_day() {
    let folder = Folder::new();
    for (day, made) in [("20261121", part(0, 50)), ("20261122", part(50, 30))] {
        let name = format!("Recorder/{day}/Record_{day}_235959.wav");
        folder.file(&name, &made.bytes());
    }
    let second = folder.path("Recorder/20261122/Record_20261122_235959.wav");
    let ran = tool(&["export", &second, "-"]);
    assert!(wave(&ran.out).data == part(0, 80).audio(), "{}", ran.err);
}

#[test]
fn missing_parts_are_said() {
    let folder = Folder::new();
    let (files, _) = three_parts(&folder, true);
    fs::remove_file(&files[1]).unwrap();
    let ran = tool(&["export", &files[0], "-"]);
    assert!(
        ran.ok && ran.err.contains("part 2 of 3 is missing"),
        "{}",
        ran.err
    );
    let text = tool_ok(&["info", &files[2]]).text();
    assert!(text.contains("part 2 of 3 is missing"), "{text}");
    let ran = tool(&["verify", &files[2]]);
    assert!(
        !ran.ok && ran.err.contains("part 2 of 3 is missing"),
        "{}",
        ran.err
    );
    // What coverOlderRecordings does is no damage.
    fs::remove_file(&files[0]).unwrap();
    let ran = tool_ok(&["verify", &files[2]]);
    let text = ran.text();
    assert!(text.contains("parts 1, 2 of 3 are missing"), "{text}");
}

#[test]
fn info_says_first_whose_call_it_was_when_and_how_long() {
    let folder = Folder::new();
    let (files, _) = three_parts(&folder, true);
    let text = tool_ok(&["info", &files[1]]).text();
    let expected = "Call from 100 Ann, 2026-11-21 10:15:01 +01:00, 0:02 in 3 parts";
    assert_eq!(text.lines().next(), Some(expected), "{text}");
    assert!(files.iter().all(|file| text.contains(file)), "{text}");
    let text = tool_ok(&["info", "--this-part", &files[1]]).text();
    let expected = "Call from 100, 2026-11-21 10:15:02 +01:00, 0:01, part 2 of 3";
    assert_eq!(text.lines().next(), Some(expected), "{text}");
    let [ref whole] = tool_ok(&["info", "--json", &files[1]]).json()[..] else {
        panic!("one object a call");
    };
    let expected = json!({"v": 2, "file": files[0], "files": files, "parts": 3, "id": "17", "remote_name": "Ann",
        "start": "2026-11-21T10:15:01+01:00", "state": "finished", "frames": 100, "duration_ms": 2000,
        "data_bytes": 17_200, "dataSize": 17_200, "frame_bytes": 172, "rtpLen": 172, "finished": true,
        "dropped": {"late": 6}, "pauses": [[100, 40], [1100, 40], [1700, 40]], "end": "stopped"});
    assert_members(whole, &expected);
    let [ref alone] = tool_ok(&["info", "--json", "--this-part", &files[1]]).json()[..] else {
        panic!("one object a file");
    };
    let expected = json!({"file": files[1], "part": 2, "parts": 3, "frames": 30, "end": "rolled"});
    assert_members(alone, &expected);
    let folder_path = folder.0.to_str().unwrap();
    let of_folder = tool_ok(&["info", "--json", folder_path]).json();
    assert_members(&of_folder[0], &json!({"parts": 3, "frames": 100}));
    let each = tool_ok(&["info", "--json", "--this-part", folder_path]).json();
    assert_eq!(each.len(), 3);
}

/// The object has these members.
fn assert_members(object: &Value, expected: &Value) {
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&object[key], value, "{key} in {object}");
    }
}

#[test]
fn verify_checks_all_parts_or_the_named_one() {
    let folder = Folder::new();
    let (files, _) = three_parts(&folder, true);
    let text = tool(&["verify", &files[1]]).text();
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(files.iter().all(|file| text.contains(file)), "{text}");
    let ran = tool_ok(&["verify", "--this-part", &files[1]]);
    let expected = format!(
        "{}: no checksum; the sidecar has none (part 2 of 3)\n",
        files[1]
    );
    assert_eq!(ran.text(), expected);
}

#[test]
fn play_sends_all_parts_or_the_named_one() {
    for rtp in [true, false] {
        let folder = Folder::new();
        let mut files = vec![];
        for (number, first, frames) in [(1, 0, 20), (2, 20, 15)] {
            let mut bytes = recording(9, first, frames);
            if !rtp {
                bytes = without_rtp(&bytes);
            }
            let call = json!({"id": "5", "part": number, "parts": 2, "end": "stopped"});
            let name = format!("Record_20260101_10000{number}");
            folder.file(&format!("{name}.json"), call.to_string().as_bytes());
            files.push(folder.file(&format!("{name}.wav"), &bytes));
        }
        for (options, heard, words) in [
            (&[][..], 0..35, "is one of 2 parts"),
            (&["--from", "0.5"], 25..35, "is one of 2 parts"),
            (&["--this-part"], 20..35, "part 2 of 2"),
        ] {
            let listener = Listener::new();
            let to = format!("127.0.0.1:{}", listener.port());
            let ran = tool(&[&["play", &files[1], &to], options].concat());
            assert!(
                ran.ok && ran.err.contains(words),
                "{options:?}: {}",
                ran.err
            );
            let packets: Vec<_> = heard.clone().map(|_| listener.next()).collect();
            assert_heard(&packets, 9, heard);
            listener.assert_silent();
        }
        let listener = Listener::new();
        let to = format!("127.0.0.1:{}", listener.port());
        tool(&["play", "--this-part", &files[0], &to]);
        assert_heard(&listener.take(20), 9, 0..20);
        listener.assert_silent();
    }
}

fn without_rtp(bytes: &[u8]) -> Vec<u8> {
    let frames = (bytes.len() - 76) / 172;
    let mut bare = bytes[..76].to_vec();
    bare[64] = 160;
    bare[72..76].copy_from_slice(&(frames as u32 * 160).to_le_bytes());
    bytes[76..]
        .chunks(172)
        .for_each(|frame| bare.extend(&frame[12..]));
    bare
}
