//! `ListRequest`: what is on the stick, newest first, at each client's pace.

use crate::common::file::read;
use crate::common::listener::recording;
use crate::common::{Answer, Phone, Talker};

/// A list's lines; the last one has been checked.
fn list(phone: &Phone) -> Vec<Answer> {
    counted(phone.control().ask_lines("cmd=ListRequest"))
}

fn counted(mut lines: Vec<Answer>) -> Vec<Answer> {
    let last = lines.pop().unwrap();
    assert_eq!(
        last.0,
        format!("cmd=ListResponse&result=success&count={}", lines.len())
    );
    assert!(lines.iter().all(|line| line.value("cmd") == "List"));
    lines
}

fn files(lines: &[Answer]) -> Vec<String> {
    lines.iter().map(|line| line.value("file")).collect()
}

#[test]
fn the_newest_comes_first_with_what_is_known_of_it() {
    let phone = Phone::new("");
    assert!(list(&phone).is_empty());
    phone.put("Record_20260101_100000.wav", &recording(1, 0, 50));
    phone.put(
        "Record_20260101_100000_2.wav",
        &recording(1, 0, 60)[..76 + 172 * 30 + 5],
    );
    phone.put("Record_20260101_100000_10.wav", b"damaged");
    phone.put("Record_19700101_000005.wav", &recording(1, 0, 0));
    phone.put("notes.wav", &recording(1, 0, 5));
    phone.put("Record_20260101_100000.txt", b"");
    let sidecar =
        br#"{"id":"7","part":1,"dir":"out","remote_number":"200","remote_name":"B & C","x":[1]}"#;
    phone.put("Record_20260101_100000.json", sidecar);
    std::fs::create_dir(phone.stick().join("Record_20270101_000000.wav")).unwrap();
    let lines = list(&phone);
    let [ten, two, one, old] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(
        (ten.value("file"), ten.value("state")),
        ("Record_20260101_100000_10.wav".into(), "damaged".into())
    );
    assert_eq!(
        (two.value("state"), two.value("duration_ms")),
        ("unfinished".into(), "600".into())
    );
    assert_eq!(
        (
            one.value("state"),
            one.value("codec"),
            one.value("duration_ms")
        ),
        ("finished".into(), "PCMU".into(), "1000".into())
    );
    assert_eq!(
        (one.value("time"), one.value("dir"), one.value("id")),
        ("2026-01-01T10:00:00".into(), "out".into(), "7".into())
    );
    assert_eq!(
        (one.value("remote_number"), one.value("remote_name")),
        ("200".into(), "B & C".into())
    );
    assert_eq!(
        (old.value("time"), old.value("duration_ms")),
        ("1970-01-01T00:00:05".into(), "0".into())
    );
}

#[test]
fn the_recording_that_is_being_made_is_in_it() {
    let phone = Phone::new("");
    let start = phone.record("");
    let lines = list(&phone);
    assert_eq!(
        (lines[0].value("file"), lines[0].value("state")),
        (start.value("file"), "recording".into())
    );
    phone.stop(&start.id());
    assert_eq!(list(&phone)[0].value("state"), "finished");
}

#[test]
fn thousands_of_files_are_listed_during_a_recording() {
    let phone = Phone::new("");
    let name = |n: u32| {
        format!(
            "Record_2025{:02}{:02}_{:02}{:02}00.wav",
            1 + n % 12,
            1 + n % 28,
            n / 60 % 24,
            n % 60
        )
    };
    let mut names: Vec<String> = (0..3000).map(name).collect();
    names.sort();
    names.dedup();
    let small = recording(1, 0, 2);
    names.iter().for_each(|name| phone.put(name, &small));
    let start = phone.record("&legs=1");
    let talker = Talker::new(start.ports()[0], 7);
    talker.wait(5);
    let expected: Vec<String> = names.iter().rev().cloned().collect();
    let told = files(&list(&phone));
    assert_eq!(told[0], start.value("file"));
    assert!(
        told[1..] == expected,
        "{} of {}",
        told.len() - 1,
        expected.len()
    );
    talker.wait(talker.sent() + 10);
    let sent = talker.end();
    let stop = phone.stop(&start.id());
    read(&phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
}

#[test]
fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let phone = Phone::new("");
    let small = recording(1, 0, 2);
    let names: Vec<String> = (0..3000)
        .map(|n| format!("Record_20250101_00{:02}{:02}.wav", n / 60, n % 60))
        .collect();
    names.iter().for_each(|name| phone.put(name, &small));
    let mut slow = phone.control();
    slow.send(b"cmd=ListRequest\ncmd=StatsRequest\n");
    let mut gone = phone.control();
    gone.send(b"cmd=ListRequest\n");
    gone.next();
    drop(gone);
    let expected: Vec<String> = names.iter().rev().cloned().collect();
    let mut quick = phone.control();
    for _ in 0..2 {
        assert!(files(&counted(quick.ask_lines("cmd=ListRequest"))) == expected);
    }
    let mut lines = vec![];
    while lines
        .last()
        .is_none_or(|line: &Answer| line.value("cmd") != "ListResponse")
    {
        lines.push(slow.next().unwrap());
    }
    assert!(
        files(&counted(lines)) == expected,
        "what was left of it is told when it reads"
    );
    assert_eq!(
        slow.next().unwrap().value("cmd"),
        "StatsResponse",
        "one answer after the other"
    );
}

#[test]
fn without_a_stick_there_is_no_list() {
    assert_eq!(
        Phone::new("usbMount = /nowhere")
            .ask("cmd=ListRequest")
            .reason(),
        "no-stick"
    );
}
