//! The catalogue of the archive: what the recording server has recorded is found, nothing twice,
//! and what is missing is named.

use std::collections::BTreeMap;
use std::fs;

use crate::common::archive::{archive_command, record, recordings, Archive};
use crate::common::server::{RecordingPhone, Server};
use crate::common::{stderr_of, wait_for};
use serde_json::{json, Value};

const DEVICE: &str = "&device=0c383e000001&remote_number=100&local_number=200&dir=in";

fn check(server: &Server, more: &[&str]) -> (Option<i32>, String) {
    let output = archive_command(&recordings(server), &[&["check"], more].concat());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stderr_of(&output).is_empty(), "{output:?}");
    (output.status.code(), text)
}

/// Documents by id.
fn by_id(list: &[Value]) -> BTreeMap<String, Value> {
    let pairs = list
        .iter()
        .map(|one| (one["id"].as_str().unwrap().to_owned(), one.clone()));
    pairs.collect()
}

#[test]
fn a_call_is_there_while_it_runs_and_when_it_has_ended() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let mut phone = server.phone("17", DEVICE);
    phone.send(50, false);
    let running = archive.wait_for(&token, "state=running", 1);
    assert_eq!(running[0]["end_time"], Value::Null);
    let id = running[0]["id"].as_str().unwrap();
    assert_eq!(id.len(), 26);
    phone.stop();
    let finished = archive.wait_for(&token, "state=finished", 1);
    for (key, expected) in [
        ("id", json!(id)),
        ("device", json!("0c383e000001")),
        ("call_id", json!("17")),
        ("dir", json!("in")),
        ("remote_number", json!("100")),
        ("local_number", json!("200")),
        ("duration_ms", json!(1000)),
        ("received", json!(50)),
        ("lost", json!(0)),
        ("end", json!("stopped")),
        ("result", json!("success")),
        ("reason", json!("hangup")),
        ("parts", json!(1)),
        ("parts_missing", json!([])),
        ("place", json!("local")),
        ("hold", json!(false)),
        ("tags", json!([])),
    ] {
        assert_eq!(finished[0][key], expected, "{key}");
    }
    assert!(finished[0]["start"].as_str().unwrap().ends_with("+00:00"));
}

#[test]
fn the_balance_names_what_is_missing_and_page_and_command_agree() {
    let server = Server::new(&["--max-recordings", "3"]);
    for number in 0..3 {
        record(&server, &format!("{number}"), DEVICE, 20);
    }
    let _running = [
        server.phone("10", DEVICE),
        server.phone("11", DEVICE),
        server.phone("12", DEVICE),
    ];
    let refused = RecordingPhone::start(server.connect(), "13", DEVICE).err();
    assert!(refused.is_some());
    let archive = Archive::new(&recordings(&server), &[]);
    let (status, text) = check(&server, &[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(
        text.starts_with("6 recordings: 3 running, 3 present, 0 deleted, 0 lost\naccepted 6"),
        "{text}"
    );
    assert!(text.contains("refused: 1 busy"), "{text}");
    // A file is removed by hand.
    let audio = server
        .files("0c383e000001")
        .into_iter()
        .find(|name| name.ends_with("_1.wav"));
    fs::remove_file(
        recordings(&server)
            .join("0c383e000001")
            .join(audio.unwrap()),
    )
    .unwrap();
    let (status, text) = check(&server, &["--json"]);
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, Some(1), "{text}");
    assert_eq!(report["balance"]["lost"], json!({"no-file": 1}));
    assert_eq!(
        (&report["present"], &report["lost"]),
        (&json!(2), &json!(1))
    );
    assert!(
        report["problems"][0]
            .as_str()
            .unwrap()
            .ends_with("_1.wav: no-file"),
        "{text}"
    );
    wait_for("the same numbers on the page of metrics", || {
        let page = archive.metrics();
        [
            ("accepted", 6),
            ("running", 3),
            ("present", 2),
            ("deleted", 0),
            ("lost:no-file", 1),
        ]
        .iter()
        .all(|(state, count)| page.contains(&format!(",state=\"{state}\"}} {count}\n")))
    });
}

#[test]
fn a_call_of_which_nothing_is_left_is_lost() {
    let server = Server::new(&[]);
    record(&server, "17", DEVICE, 20);
    fs::remove_dir_all(recordings(&server).join("0c383e000001")).unwrap();
    let (status, text) = check(&server, &[]);
    assert_eq!(status, Some(1));
    assert!(
        text.contains(
            "_17.wav: lost: no-file\n1 recordings: 0 running, 0 present, 0 deleted, 1 lost\n"
        ),
        "{text}"
    );
}

#[test]
fn without_a_journal_nothing_is_wrong() {
    let server = Server::new(&[]);
    record(&server, "17", DEVICE, 20);
    fs::remove_dir_all(recordings(&server).join(".journal")).unwrap();
    let (status, text) = check(&server, &[]);
    assert_eq!(status, Some(0));
    assert_eq!(
        text,
        "1 recordings: 0 running, 1 present, 0 deleted, 0 lost\naccepted unknown\n"
    );
}

#[test]
fn sums_are_compared_when_asked_for() {
    let server = Server::new(&[]);
    record(&server, "17", DEVICE, 20);
    assert_eq!(check(&server, &["--sums"]).0, Some(0));
    let path = server.file("0c383e000001", ".wav");
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(check(&server, &[]).0, Some(0));
    let (status, text) = check(&server, &["--sums"]);
    assert!(
        status == Some(1) && text.contains("_17.wav: sum\n"),
        "{text}"
    );
}

#[test]
fn a_rebuild_brings_back_what_was_also_beside_a_running_server() {
    let server = Server::new(&[]);
    for number in 0..5 {
        record(&server, &format!("{number}"), DEVICE, 20);
    }
    let mut archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let found = archive.wait_for(&token, "", 5);
    let id = |at: usize| found[at]["id"].as_str().unwrap().to_owned();
    let noted = json!({"tags": ["blue"], "note": "to keep", "hold": true});
    let path = format!("PATCH /api/v1/recordings/{}", id(0));
    assert_eq!(archive.change(&token, &path, &noted).status, 200);
    let path = format!("DELETE /api/v1/recordings/{}", id(1));
    assert_eq!(
        archive
            .change(&token, &path, &json!({"reason": "asked"}))
            .status,
        204
    );
    let before = by_id(&archive.list(&token, ""));
    let deleted = by_id(&archive.list(&token, "state=deleted"));
    assert_eq!((before.len(), deleted.len()), (4, 1));
    let rebuilt = archive.command(&["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    assert_eq!(by_id(&archive.list(&token, "")), before);
    assert_eq!(by_id(&archive.list(&token, "state=deleted")), deleted);
    // The database is gone: everything but users and tokens comes from the files.
    archive.kill();
    for name in ["catalogue.db", "catalogue.db-wal", "catalogue.db-shm"] {
        let _ = fs::remove_file(recordings(&server).join(".archive").join(name));
    }
    archive.start();
    assert_eq!(by_id(&archive.list(&token, "")), before);
    assert_eq!(by_id(&archive.list(&token, "state=deleted")), deleted);
    assert_eq!(archive.list(&token, "tag=blue").len(), 1);
}

#[test]
fn the_database_of_another_folder_deletes_nothing() {
    let [one, other] = [Server::new(&[]), Server::new(&[])];
    for number in 0..3 {
        record(&one, &format!("{number}"), DEVICE, 20);
        record(
            &other,
            &format!("other{number}"),
            "&device=0c383e000002",
            20,
        );
    }
    let database = format!("sqlite:{}", one.dir.join("shared.db").display());
    let options = ["--database", database.as_str()];
    drop(Archive::new(&recordings(&one), &options));
    let archive = Archive::new(&recordings(&other), &options);
    let token = archive.token("test", "admin", &[]);
    archive.wait_for(&token, "device=0c383e000002", 3);
    assert_eq!(one.files("0c383e000001").len(), 6);
    assert_eq!(other.files("0c383e000002").len(), 6);
}

#[test]
fn a_file_that_is_gone_stays_in_the_catalogue() {
    let server = Server::new(&[]);
    record(&server, "17", DEVICE, 20);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let found = archive.wait_for(&token, "", 1);
    fs::remove_dir_all(recordings(&server).join("0c383e000001")).unwrap();
    let mut gone = vec![];
    wait_for("the change of its place", || {
        gone = archive.list(&token, "");
        gone[0]["place"] == "moving"
    });
    assert_eq!(gone[0]["id"], found[0]["id"]);
    let path = format!(
        "/api/v1/recordings/{}/audio",
        found[0]["id"].as_str().unwrap()
    );
    assert_eq!(archive.get(&token, &path).status, 503);
}

#[test]
fn a_catalogue_that_is_none_is_made_again() {
    let server = Server::new(&[]);
    record(&server, "17", DEVICE, 20);
    let mut archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    archive.wait_for(&token, "", 1);
    archive.kill();
    let folder = recordings(&server).join(".archive");
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(folder.join(format!("catalogue.db{suffix}")));
    }
    fs::write(
        folder.join("catalogue.db"),
        "this is no database at all, but some text",
    )
    .unwrap();
    let refused = archive_command(&recordings(&server), &["--listen", "127.0.0.1:0"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        stderr_of(&refused).contains("archive rebuild"),
        "{refused:?}"
    );
    assert!(archive.command(&["rebuild"]).status.success());
    archive.start();
    assert_eq!(archive.list(&token, "").len(), 1);
}

#[test]
fn parts_are_one_call_and_a_late_one_joins() {
    let server = Server::new(&[]);
    for number in 0..3 {
        record(&server, &format!("{number}"), DEVICE, 20);
    }
    let folder = recordings(&server).join("0c383e000001");
    let names = server.files("0c383e000001").into_iter();
    let stems: Vec<String> = names
        .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
        .collect();
    // Three calls become the parts of one.
    for (at, stem) in stems.iter().enumerate() {
        let path = folder.join(format!("{stem}.json"));
        let mut sidecar: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        sidecar["id"] = json!("17");
        sidecar["part"] = json!(at + 1);
        sidecar["call"] = json!(stems[0]);
        sidecar["parts"] = json!(3);
        fs::write(&path, sidecar.to_string()).unwrap();
    }
    // The first one comes late.
    let away = server.dir.join("away");
    fs::create_dir(&away).unwrap();
    let names = [".wav", ".json"].map(|end| format!("{}{end}", stems[0]));
    for name in &names {
        fs::rename(folder.join(name), away.join(name)).unwrap();
    }
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let found = archive.wait_for(&token, "", 1);
    assert_eq!(found[0]["parts_missing"], json!([1]));
    let state = (&found[0]["state"], &found[0]["problem"]);
    assert_eq!(state, (&json!("incomplete"), &json!("part")));
    for name in &names {
        fs::rename(away.join(name), folder.join(name)).unwrap();
    }
    let whole = archive.wait_for(&token, "state=finished", 1);
    assert_eq!(
        (&whole[0]["id"], &whole[0]["parts"]),
        (&found[0]["id"], &json!(3))
    );
    assert_eq!(whole[0]["parts_missing"], json!([]));
    assert_eq!(archive.list(&token, "").len(), 1);
    let original = format!(
        "/api/v1/recordings/{}/audio?format=original",
        found[0]["id"].as_str().unwrap()
    );
    let reply = archive.get(&token, &original);
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (400, &json!("part-needed"))
    );
    let second = archive.get(&token, &format!("{original}&part=2")).body;
    assert!(second == fs::read(folder.join(format!("{}.wav", stems[1]))).unwrap());
}

#[test]
fn recorder_and_archive_are_killed_at_any_time_and_no_call_is_missing_or_there_twice() {
    let mut server = Server::new(&[]);
    let mut archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let mut calls = 0;
    for round in 0..8 {
        let mut phones: Vec<RecordingPhone> = (0..10)
            .map(|number| {
                server.phone(
                    &format!("{round}-{number}"),
                    &format!("&device=0c38{number:02}"),
                )
            })
            .collect();
        calls += phones.len();
        phones.iter_mut().for_each(|phone| phone.send(10, false));
        // Half of them end; then one process or the other is killed in the middle of its work.
        for phone in &mut phones[..5] {
            phone.stop();
        }
        if round % 2 == 0 {
            server.kill();
            server.start();
        } else {
            archive.kill();
            archive.start();
        }
        drop(phones);
    }
    wait_for("the end of all calls", || {
        archive.list(&token, "state=running&limit=500").is_empty()
    });
    let found = archive.wait_for(&token, "limit=500", calls);
    assert_eq!(by_id(&found).len(), calls);
    let (status, text) = check(&server, &[]);
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains(&format!("accepted {calls}\n")), "{text}");
}
