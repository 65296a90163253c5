//! How long the archive keeps recordings: what is deleted when, what never is, and rounds that wait.

use std::fs;
use std::path::Path;

use crate::common::archive::{record, recordings, Archive};
use crate::common::server::Server;
use crate::common::wait_for;
use serde_json::{json, Value};

/// Recordings older than this are deleted.
const OPTIONS: [&str; 4] = ["--retainDays", "30", "--retainEvery", "1"];

/// Makes all recordings of a device old.
fn age(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "json") {
            let mut sidecar: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            sidecar["start"] = json!("2020-01-01T10:00:00+00:00");
            sidecar["end_time"] = json!("2020-01-01T10:00:01+00:00");
            fs::write(&path, sidecar.to_string()).unwrap();
        }
    }
}

#[test]
fn what_is_old_is_deleted_and_what_is_held_is_not() {
    let server = Server::new(&[]);
    for number in 0..3 {
        record(&server, &format!("old{number}"), "&device=old", 5);
    }
    record(&server, "new", "&device=new", 5);
    age(&recordings(&server).join("old"));
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let old = archive.wait_for(&token, "device=old", 3);
    let held = old[0]["id"].as_str().unwrap();
    let request = format!("PATCH /api/v1/recordings/{held}");
    assert_eq!(
        archive
            .change(&token, &request, &json!({"hold": true}))
            .status,
        200
    );
    drop(archive);
    let archive = Archive::new(&recordings(&server), &OPTIONS);
    let left = archive.wait_for(&token, "device=old", 1);
    assert_eq!(left[0]["id"], held);
    assert_eq!(archive.list(&token, "device=new").len(), 1);
    assert_eq!(server.files("old").len(), 2);
    let deleted = archive.list(&token, "state=deleted");
    assert_eq!(deleted.len(), 2);
    assert!(deleted.iter().all(|one| one["deleted_by"] == "retention"));
    assert_eq!(archive.command(&["check"]).status.code(), Some(0));
}

#[test]
fn a_round_that_would_delete_much_waits_until_it_is_let_through() {
    let server = Server::new(&[]);
    for number in 0..22 {
        record(&server, &format!("{number}"), "&device=old", 5);
    }
    age(&recordings(&server).join("old"));
    let archive = Archive::new(&recordings(&server), &OPTIONS);
    let token = archive.token("test", "admin", &[]);
    let waits = "callrec_archive_retention_waiting 22\n";
    wait_for("the stopped round", || archive.metrics().contains(waits));
    assert_eq!(archive.list(&token, "limit=100").len(), 22);
    assert_eq!(server.files("old").len(), 44);
    assert!(archive
        .log()
        .contains("22 of 22 recordings would be deleted"));
    let refused = archive.command(&["retain"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(archive.command(&["retain", "--yes"]).status.success());
    archive.wait_for(&token, "limit=100", 0);
    assert_eq!(server.files("old").len(), 0);
    assert!(archive
        .metrics()
        .contains("callrec_archive_retention_waiting 0\n"));
}

#[test]
fn nothing_is_deleted_while_the_clock_is_before_the_newest_recording() {
    let server = Server::new(&[]);
    record(&server, "old", "&device=old", 5);
    record(&server, "new", "&device=new", 5);
    age(&recordings(&server).join("old"));
    let sidecar = server.file("new", ".json");
    let text = fs::read_to_string(&sidecar).unwrap();
    let mut value: Value = serde_json::from_str(&text).unwrap();
    value["start"] = json!("2099-01-01T10:00:00+00:00");
    fs::write(&sidecar, value.to_string()).unwrap();
    let archive = Archive::new(&recordings(&server), &OPTIONS);
    wait_for("the refusal", || {
        archive
            .log()
            .contains("the clock is before the newest recording")
    });
    assert_eq!(server.files("old").len(), 2);
}
