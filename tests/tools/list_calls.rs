//! `callrec list`: which calls are shown, what was not heard, and the JSON vocabulary.

use crate::common::made::{tool_ok, Folder, Made};
use crate::common::{assert_fails, callrec};
use serde_json::{json, Value};

/// A recording of ten frames and its sidecar.
fn call(folder: &Folder, name: &str, members: Value) {
    let ssrc = name.bytes().map(u32::from).sum();
    let made = Made {
        ssrc,
        ..Made::default()
    };
    folder.file(&format!("{name}.json"), members.to_string().as_bytes());
    folder.file(&format!("{name}.wav"), &made.bytes());
}

/// Calls of two phones, in two folders, on three days.
fn calls() -> Folder {
    let folder = Folder::new();
    call(
        &folder,
        "hall/Record_20261120_101500",
        json!({"id": "1", "device": "0015651a2b3c", "remote_number": "+49 30 123456", "start": "2026-11-20T10:15:00+01:00"}),
    );
    call(
        &folder,
        "hall/Record_20261121_001500",
        json!({"id": "2", "device": "0015651a2b3c", "remote_number": "100", "start": "2026-11-21T00:15:00+01:00"}),
    );
    call(
        &folder,
        "desk/Record_20261121_235900",
        json!({"id": "3", "device": "0015651a2b3d", "remote_number": "1001", "local_number": "100", "start": "2026-11-21T23:59:00+01:00"}),
    );
    folder.file("desk/Record_20261122_080000.wav", &Made::default().bytes());
    folder
}

/// The days of the calls that are listed with these options.
fn listed(folder: &Folder, options: &[&str]) -> Vec<String> {
    let arguments = [&["list", "--json"], options, &[folder.0.to_str().unwrap()]].concat();
    let day = |line: Value| line["start"].as_str().unwrap()[8..13].to_owned();
    tool_ok(&arguments).json().into_iter().map(day).collect()
}

#[test]
fn calls_are_found_by_number_time_and_phone() {
    let folder = calls();
    for (options, expected) in [
        (&[][..], &["22T08", "21T23", "21T00", "20T10"][..]),
        (&["--number", "100"], &["21T23", "21T00"]),
        (&["--number", "030/123456"], &["20T10"]),
        (&["--number", "0"], &[]),
        (&["--since", "2026-11-21"], &["22T08", "21T23", "21T00"]),
        (&["--until", "2026-11-21"], &["21T23", "21T00", "20T10"]),
        (&["--since", "2026-11-21 00:16"], &["22T08", "21T23"]),
        (&["--until", "2026-11-21T00:15"], &["21T00", "20T10"]),
        (
            &[
                "--until",
                "2026-11-20T23:15:00Z",
                "--since",
                "2026-11-20T23:15:00Z",
            ],
            &["21T00"],
        ),
        (&["--device", "00:15:65:1A:2B:3D"], &["21T23"]),
        (&["--device", "desk"], &["22T08", "21T23"]),
        (&["--device", "hall", "--number", "100"], &["21T00"]),
    ] {
        assert_eq!(listed(&folder, options), expected, "{options:?}");
    }
    for bad in ["yesterday", "2026-13-01", ""] {
        let output = callrec(&["list", "--since", bad]);
        assert_fails(&output, 2, &["is not a time"]);
    }
}

#[test]
fn the_table_shows_folders_and_what_was_not_heard() {
    let folder = calls();
    for (name, heard) in [
        ("1", json!({"heard": "both"})),
        (
            "2",
            json!({"heard": "one", "unintelligible": "payload type 18 cannot be decoded"}),
        ),
        ("3", json!({"heard": "none"})),
    ] {
        let mut members =
            json!({"id": name, "start": "2026-11-23T10:00:00Z", "heard_ms": {"near": 200}});
        members
            .as_object_mut()
            .unwrap()
            .extend(heard.as_object().unwrap().clone());
        call(
            &folder,
            &format!("hall/Record_20261123_10000{name}"),
            members,
        );
    }
    let text = tool_ok(&["list", folder.0.to_str().unwrap()]).text();
    let row = |name: &str| {
        let mut lines = text.lines();
        let line = lines.find(|line| line.contains(name)).unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let title = "TIME LENGTH NUMBER CODEC SIZE STATE HEARD FOLDER FILE";
    assert_eq!(row("TIME"), title, "{text}");
    for (name, end) in [
        ("20261123_100001", "finished hall Record_20261123_100001.wav"),
        (
            "20261123_100002",
            "finished one party only: payload type 18 cannot be decoded hall Record_20261123_100002.wav",
        ),
        ("20261123_100003", "finished nobody hall Record_20261123_100003.wav"),
        ("20261122_080000", "finished desk Record_20261122_080000.wav"),
    ] {
        assert!(row(name).ends_with(end), "{text}");
    }
    let info = tool_ok(&["info", &folder.path("hall/Record_20261123_100002.wav")]).text();
    assert!(info.contains("one party only: payload type 18"), "{info}");
}

#[test]
fn list_and_info_have_one_vocabulary() {
    let folder = Folder::new();
    let members = json!({"id": "7", "device": "0015651a2b3c", "start": "2026-11-21T10:15:00+01:00", "clock_set": true,
        "heard": "one", "heard_ms": {"near": 200, "far": 0}, "pauses": [[100, 40]], "dropped": {"late": 3}, "end": "stopped",
        "part": 1, "parts": 1});
    call(&folder, "Record_20261121_101500", members.clone());
    let file = folder.path("Record_20261121_101500.wav");
    let list = tool_ok(&["list", "--json", &file]).json().remove(0);
    let info = tool_ok(&["info", "--json", &file]).json().remove(0);
    for (key, value) in list.as_object().unwrap() {
        if key != "part" {
            assert_eq!(&info[key], value, "{key}");
        }
    }
    for (key, value) in members.as_object().unwrap() {
        assert_eq!(&list[key], value, "{key}");
    }
    let known = json!({"v": 2, "size_bytes": 1796, "bytes": 1796, "time": "2026-11-21T10:15:00+01:00", "duration_ms": 200});
    for (key, value) in known.as_object().unwrap() {
        assert_eq!(&list[key], value, "{key}");
    }
    let readme = std::fs::read_to_string("src/cli/README.md").unwrap();
    for key in list
        .as_object()
        .unwrap()
        .keys()
        .chain(info.as_object().unwrap().keys())
    {
        assert!(
            readme.contains(&format!("`{key}`")),
            "{key} is not in src/cli/README.md"
        );
    }
    // A file's name has no offset: that of this computer is assumed, and it is said.
    let bare = folder.file("Record_20261122_101500.wav", &Made::default().bytes());
    let list = tool_ok(&["list", "--json", &bare]).json().remove(0);
    assert_eq!(list["offset_known"], false);
    assert_eq!(list["start"].as_str().unwrap().len(), 25);
    assert_eq!(list["time"], "2026-11-22T10:15:00");
}

#[test]
fn a_strange_sidecar_makes_no_strange_json() {
    let folder = Folder::new();
    let name = "Record_20261121_101500";
    let text = r#"{"id":"1","part":99999999999,"parts":18446744073709551615,"pauses":[[1,x],[18446744073709551615,2]],
        "dropped":{"a\"b":3,"\u001b":4,"late":[1],"x":1x},"heard_ms":[1,{}],"heard":{"a":1},"unintelligible":"\u001b[2J"}"#;
    folder.file(&format!("{name}.json"), text.as_bytes());
    let file = folder.file(&format!("{name}.wav"), &Made::default().bytes());
    for arguments in [&["list", "--json", &file][..], &["info", "--json", &file]] {
        assert_eq!(tool_ok(arguments).json().len(), 1);
    }
    for arguments in [&["list", &file][..], &["info", &file]] {
        let text = tool_ok(arguments).text();
        assert!(!text.contains('\u{1b}') && text.len() < 2000, "{text}");
    }
}
