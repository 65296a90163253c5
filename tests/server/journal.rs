//! The journal of starts of `callrec-server record`: every call that was accepted is in it, whatever
//! becomes of its file.

use std::fs;

use crate::common::server::{RecordingPhone, Server};
use crate::common::wait_for;
use serde_json::Value;

const DEVICE: &str = "&device=0c383e000001";

/// All lines, in order.
fn journal(server: &Server) -> Vec<Value> {
    let root = server.dir.join("recordings/.journal");
    let mut files = vec![];
    for day in fs::read_dir(root).into_iter().flatten() {
        let day = day.unwrap().path();
        assert_eq!(day.file_name().unwrap().len(), 8, "{day:?}");
        files.extend(fs::read_dir(day).unwrap().map(|file| file.unwrap().path()));
    }
    files.sort();
    let text: String = files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn stem(server: &Server) -> String {
    let path = server.file("0c383e000001", ".wav");
    path.file_stem().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_start_is_in_the_journal_before_it_is_answered_and_its_end_follows() {
    let server = Server::new(&[]);
    let mut phone = server.phone("17", DEVICE);
    let lines = journal(&server);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for (key, expected) in [
        ("event", "start"),
        ("device", "0c383e000001"),
        ("folder", "0c383e000001"),
        ("id", "17"),
        ("stem", &stem(&server)),
        ("host", host.trim()),
    ] {
        assert_eq!(lines[0][key], expected, "{key}");
    }
    assert!(lines[0]["time"].as_str().unwrap().ends_with("+00:00"));
    phone.send(10, false);
    phone.stop();
    let lines = journal(&server);
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(
        (&lines[1]["event"], &lines[1]["end"]),
        (&"end".into(), &"stopped".into())
    );
    assert_eq!(
        (&lines[1]["parts"], &lines[1]["result"]),
        (&1.into(), &"success".into())
    );
    assert_eq!(lines[1]["call"], stem(&server).as_str());
}

#[test]
fn every_part_has_a_line_and_names_its_call() {
    let server = Server::new(&[]);
    let mut phone = server.phone("17", DEVICE);
    phone.send(10, false);
    let recordings = server.dir.join("recordings");
    let first = stem(&server);
    // The folder is replaced: the recording continues in the new one, in another part.
    fs::rename(&recordings, server.dir.join("moved")).unwrap();
    fs::create_dir(&recordings).unwrap();
    wait_for("another part", || !journal(&server).is_empty());
    phone.send(10, false);
    phone.stop();
    let lines = journal(&server);
    let events: Vec<&Value> = lines.iter().map(|line| &line["event"]).collect();
    assert_eq!(events, ["part", "end"]);
    assert_eq!(
        (&lines[0]["part"], &lines[1]["parts"]),
        (&2.into(), &2.into())
    );
    assert!(
        lines.iter().all(|line| line["call"] == first.as_str()),
        "{lines:?}"
    );
    assert_eq!(server.sidecar("0c383e000001")["call"], first.as_str());
}

#[test]
fn a_refusal_has_its_reason() {
    let server = Server::new(&["--max-recordings", "1"]);
    let _phone = server.phone("17", DEVICE);
    let answer = RecordingPhone::start(server.connect(), "18", DEVICE)
        .err()
        .unwrap();
    assert!(answer.value("reason").starts_with("busy"));
    let lines = journal(&server);
    assert_eq!((lines.len(), &lines[1]["event"]), (2, &"refused".into()));
    assert!(
        lines[1]["reason"]
            .as_str()
            .unwrap()
            .starts_with("busy: too many"),
        "{lines:?}"
    );
    assert_eq!(
        (&lines[1]["id"], &lines[1]["peer"]),
        (&"18".into(), &"127.0.0.1".into())
    );
}

#[test]
fn without_a_line_in_the_journal_there_is_no_success() {
    let server = Server::new(&[]);
    // A file where the folder should be.
    fs::write(server.dir.join("recordings/.journal"), "").unwrap();
    let answer = RecordingPhone::start(server.connect(), "17", DEVICE)
        .err()
        .unwrap();
    assert!(answer.value("reason").contains("disk-error"), "{answer:?}");
    assert_eq!(server.files("0c383e000001"), [""; 0]);
}

#[test]
fn what_a_crash_interrupts_gets_its_end_at_the_next_start() {
    let mut server = Server::new(&[]);
    let mut phone = server.phone("17", DEVICE);
    phone.send(10, false);
    server.kill();
    server.start();
    wait_for("the repair", || journal(&server).len() == 2);
    let lines = journal(&server);
    assert_eq!(
        (&lines[1]["event"], &lines[1]["end"]),
        (&"end".into(), &"interrupted".into())
    );
    assert_eq!(lines[1]["stem"], lines[0]["stem"]);
}
