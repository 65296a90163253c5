//! `callrec export --picture`: what is marked, that it is XML whatever the names are, and that its
//! size is bounded.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::common::made::{tool, tool_ok, Folder, Made};
use serde_json::{json, Value};

/// A day; of an emulator's time, less.
const HOURS: u64 = if cfg!(target_arch = "arm") { 4 } else { 24 };

fn part(first: u32, frames: u32) -> Made {
    Made {
        first,
        frames,
        ..Made::default()
    }
}

/// A recording, and a sidecar with these members.
fn with_sidecar(folder: &Folder, name: &str, bytes: &[u8], members: Value) -> String {
    folder.file(&format!("{name}.json"), format!("{members}\n").as_bytes());
    folder.file(&format!("{name}.wav"), bytes)
}

/// The picture of these, drawn to standard output.
fn picture(arguments: &[&str]) -> String {
    let ran = tool(&[&["export", "--picture"], arguments, &["-"]].concat());
    assert!(ran.ok, "{arguments:?}: {}", ran.err);
    ran.text()
}

/// A second of audio, 0.2 s that are missing, and a second part of a second; pauses in both.
fn two_parts(folder: &Folder) -> [String; 2] {
    let mut lossy = part(0, 60).bytes();
    lossy.drain(76 + 172 * 20..76 + 172 * 30);
    let call = json!({"dir": "in", "remote_number": "100", "remote_name": "Ann", "start": "2026-11-21T10:15:00-01:30",
        "pauses": [[300, 8000], [900, 65_000]]});
    let one = with_sidecar(folder, "Record_1", &lossy, call);
    let call = json!({"dir": "in", "remote_name": "Anna", "start": "2026-11-21T10:15:02-01:30", "pauses": [[500, 20]]});
    let two = with_sidecar(folder, "Record_2", &part(60, 50).bytes(), call);
    [one, two]
}

#[test]
fn pauses_gaps_and_borders_of_parts_stand_where_they_are() {
    let folder = Folder::new();
    let [one, two] = two_parts(&folder);
    let svg = picture(&[&two, &one]);
    // 2.2 s on 1200 units, beginning at 30.
    for expected in [
        "<title id=\"t\">Call from 100 Anna</title>",
        ">2026-11-21 10:15:00 -01:30, 0:00:02 of PCMU, 3 pauses, 0.2 s missing, 2 files<",
        "<path class=\"pause\" d=\"M193.6 78v212\"><title>paused for 8.0 s</title></path>",
        // 0.9 s into the file's audio, 1.1 s into the call.
        "<path class=\"pause\" d=\"M630 78v212\"><title>paused for 1:05</title></path>",
        "<path class=\"pause\" d=\"M957.2 78v212\"><title>paused for 0.02 s</title></path>",
        "<rect class=\"gap\" x=\"248.1\" y=\"84\" width=\"109.1\" height=\"200\"><title>0.2 s missing</title></rect>",
        "<path class=\"part\" d=\"M684.5 78v212\"><title>Record_2.wav</title></path>",
        // None of these lines is lost in a loud waveform.
        "<path class=\"halo\" d=\"M193.6 84v200M630 84v200M957.2 84v200M684.5 84v200\"/>",
        ">0:00</text>",
        ">0:02</text>",
        "prefers-color-scheme:dark",
    ] {
        assert!(svg.contains(expected), "no {expected} in {svg}");
    }
    // Part of it: the axis says where in the call; what is left out is not marked.
    let svg = picture(&["--from", "1.3", "--to", "2.1", &one, &two]);
    assert!(svg.contains(">0:02</text>") && !svg.contains(">0:00</text>"));
    assert_eq!(
        (
            svg.matches("\"pause\" d=\"M").count(),
            svg.matches("class=\"gap\"").count()
        ),
        (2, 0),
        "and a legend"
    );
    let many = with_sidecar(
        &folder,
        "Record_3",
        &part(0, 9).bytes(),
        json!({"pauses": 4711}),
    );
    assert!(picture(&[&many]).contains("4711 pauses"));
}

#[test]
fn options_stand_anywhere_and_nothing_is_overwritten() {
    let folder = Folder::new();
    let file = folder.file("in.wav", &part(0, 50).bytes());
    let out = folder.path("out.svg");
    for arguments in [
        ["export", "--picture", &file, &out],
        ["export", "--picture", &out, &file],
        ["export", &file, "--picture", &out],
    ] {
        tool_ok(&arguments);
        let svg = fs::read_to_string(&out).unwrap();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        let again = tool(&arguments);
        assert!(
            !again.ok
                && again.err.contains("exists already")
                && fs::read_to_string(&out).unwrap() == svg
        );
        fs::remove_file(&out).unwrap();
    }
    for (arguments, words) in [
        (
            ["export", "--picture", "/no/such.wav", &out],
            "/no/such.wav: No such file",
        ),
        (
            ["export", "--picture", &file, "/no/such/out.svg"],
            "/no/such/out.svg: No such file",
        ),
    ] {
        let ran = tool(&arguments);
        assert!(
            !ran.ok && ran.err.contains(words) && ran.err.lines().count() == 1,
            "{}",
            ran.err
        );
    }
    assert!(!fs::exists(&out).unwrap());
}

#[test]
fn a_day_is_drawn_as_large_as_a_minute() {
    let folder = Folder::new();
    // A sparse file: the loudest codes there are.
    let day = folder.file(
        "day.wav",
        &Made {
            rtp: false,
            ..part(0, 0)
        }
        .bytes(),
    );
    let size = HOURS * 3600 * 50 * 160;
    fs::File::options()
        .write(true)
        .open(&day)
        .unwrap()
        .set_len(76 + size)
        .unwrap();
    let svg = picture(&[&day]);
    assert!(svg.len() < 100_000 && svg.contains(&format!(">{HOURS}:00:00</text>")));
    assert!(svg.contains(&format!("{HOURS}:00:00 of PCMU")));
}

/// All that may go wrong with XML: names and texts from strangers, and recordings of all kinds.
fn strange(folder: &Folder) -> Vec<(String, String)> {
    let hostile = "]]><script>&amp;\"'\u{1b}[2J\u{0}\u{7f}\u{9b}\u{fffe}\u{202e}\u{1f600}-->";
    let call = json!({"dir": hostile, "remote_number": hostile, "remote_name": hostile.repeat(9), "local_name": "</text>",
        "start": hostile, "pauses": [[u64::MAX, u64::MAX], [0, u64::MAX], [20, 0]]});
    let name = "Record_<&\"'>]]>\u{1b}\u{fffe} \u{e4}";
    let mut files = vec![with_sidecar(folder, name, &part(0, 30).bytes(), call)];
    let parts = two_parts(folder);
    files.extend(parts.clone());
    files.push(folder.file("empty.wav", &part(0, 0).bytes()));
    files.push(folder.file("one.wav", &part(0, 1).bytes()));
    files.push(
        folder.file(
            "bare.wav",
            &Made {
                rtp: false,
                codec: "PCMA",
                ..part(0, 3)
            }
            .bytes(),
        ),
    );
    files.push(folder.file("torn.wav", &part(0, 3).bytes()[..76 + 400]));
    let mut pictures: Vec<(String, String)> = files
        .iter()
        .map(|file| (file.clone(), picture(&[file])))
        .collect();
    let all: Vec<&str> = files.iter().map(String::as_str).collect();
    let ran = tool(&[&["export", "--picture"], &all[..], &["-"]].concat());
    assert!(!ran.ok && ran.err.contains("a picture shows one") && ran.out.is_empty());
    let odd = folder.0.join(OsStr::from_bytes(b"odd\xff\xfe<.wav"));
    fs::write(&odd, part(0, 5).bytes()).unwrap();
    let svg = folder.path("odd.svg");
    let run = crate::common::command(env!("CARGO_BIN_EXE_callrec"))
        .args(["export", "--picture"])
        .arg(&odd)
        .arg(&svg)
        .status();
    assert!(run.unwrap().success());
    pictures.push(("odd".into(), fs::read_to_string(&svg).unwrap()));
    pictures
}

#[test]
fn strange_names_stay_text() {
    let folder = Folder::new();
    for (file, svg) in strange(&folder) {
        assert!(
            svg.starts_with("<svg ") && svg.ends_with("</svg>\n") && svg.len() < 100_000,
            "{file}"
        );
        let steers = |c: char| c != '\n' && (c.is_control() || c == '\u{fffe}');
        assert!(
            !svg.contains(steers) && !svg.contains("<script") && !svg.contains("NaN"),
            "{file}: {svg}"
        );
    }
}

#[test]
#[ignore = "needs the packages python3 and librsvg2-bin: scripts/test installs them"]
fn an_xml_parser_and_a_renderer_take_them_all() {
    let folder = Folder::new();
    let parse =
        "import sys, xml.dom.minidom as m; print(m.parse(sys.argv[1]).documentElement.tagName)";
    for (n, (file, svg)) in strange(&folder).into_iter().enumerate() {
        let path = folder.file(&format!("{n}.svg"), svg.as_bytes());
        let run = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().unwrap();
            let words = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(
                output.status.success() && words.is_empty(),
                "{file}: {program}: {words}"
            );
            output.stdout
        };
        assert_eq!(run("python3", &["-c", parse, &path]), b"svg\n");
        let png = run("rsvg-convert", &["-w", "620", &path]);
        // The width, where a PNG file has it.
        assert!(
            png.starts_with(b"\x89PNG") && png[16..20] == 620u32.to_be_bytes(),
            "{file}: {:?}",
            &png[..24]
        );
    }
}
