//! The API of the archive: searches, audio and its ranges, changes, deletion, export, events.

use std::fs;

use crate::common::archive::{record, recordings, Archive};
use crate::common::server::Server;
use crate::common::wait_for;
use serde_json::{json, Value};

/// A server, its archive, an administrator's token, and the id of one recorded call.
fn one_call(options: &[&str]) -> (Server, Archive, String, String) {
    let server = Server::new(options);
    record(
        &server,
        "17",
        "&device=d1&remote_number=100&remote_name=Ann",
        50,
    );
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let found = archive.wait_for(&token, "", 1);
    let id = found[0]["id"].as_str().unwrap().to_owned();
    (server, archive, token, id)
}

#[test]
#[allow(clippy::too_many_lines)] // most of it is a table
fn searches_find_what_they_should() {
    let server = Server::new(&[]);
    for (id, keys) in [
        (
            "1",
            "&device=d1&remote_number=0049%2030%20123456&remote_name=Zoe%20M%C3%BCller&dir=in",
        ),
        (
            "2",
            "&device=d1&remote_number=%2B4930123499&remote_name=Bob&dir=out",
        ),
        (
            "3",
            "&device=d2&remote_number=200&local_number=12345&dir=in",
        ),
    ] {
        record(&server, id, keys, 50);
    }
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    archive.wait_for(&token, "", 3);
    for (search, expected) in [
        ("number=1234", "1 2 3"),
        ("number=30-1234", "1 2"),
        ("number=%2B4930&number_match=begins", "1 2"),
        ("number=004930&number_match=begins", "1 2"),
        ("number=%2B49%2030%20123456&number_match=exact", "1"),
        ("number=200&number_match=exact", "3"),
        ("number=20&number_match=exact", ""),
        ("number=56&number_match=ends", "1"),
        ("number=99&number_match=ends", "2"),
        ("name=muller", "1"),
        ("name=MU", "1"),
        ("q=zoe", "1"),
        ("q=12349", "2"),
        ("device=d1", "1 2"),
        ("device=D2&device=d1", "1 2 3"),
        ("device=d3", ""),
        ("dir=in", "1 3"),
        ("dir=in&number=1234&device=d2", "3"),
        ("min_ms=1000", "1 2 3"),
        ("min_ms=1001", ""),
        ("max_ms=999", ""),
        ("state=finished&state=finished", "400"),
        ("state=running", ""),
        ("lost=1", ""),
        ("to=2020-01-01", ""),
        ("from=2020-01-01", "1 2 3"),
        ("number=12", "400"),
        ("nonsense=1", "400"),
        ("limit=501", "400"),
    ] {
        let reply = archive.get(&token, &format!("/api/v1/recordings?{search}"));
        if expected == "400" {
            assert_eq!(reply.status, 400, "{search}");
            let name = search.split('=').next().unwrap();
            assert!(
                reply.json()["message"].as_str().unwrap().starts_with(name),
                "{search}: {}",
                reply.text()
            );
            continue;
        }
        assert_eq!(reply.status, 200, "{search}: {}", reply.text());
        let mut ids: Vec<String> = reply.json()["recordings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["call_id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids.join(" "), expected, "{search}");
    }
}

#[test]
fn a_walk_through_the_pages_gives_each_call_once() {
    let server = Server::new(&[]);
    for number in 0..12 {
        record(&server, &format!("{number}"), "&device=d1", 50);
    }
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let all = archive.wait_for(&token, "", 12);
    let mut walked: Vec<Value> = vec![];
    let mut cursor = String::new();
    loop {
        let reply = archive
            .get(&token, &format!("/api/v1/recordings?limit=5{cursor}"))
            .json();
        walked.extend(reply["recordings"].as_array().unwrap().clone());
        if walked.len() == 5 {
            // What is new does not move the pages.
            record(&server, "new", "&device=d1", 50);
            archive.wait_for(&token, "limit=100", 13);
        }
        match reply["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(walked, all);
    let starts: Vec<&str> = walked
        .iter()
        .map(|one| one["start"].as_str().unwrap())
        .collect();
    assert!(starts.is_sorted_by(|one, next| one >= next));
    assert_eq!(
        archive
            .get(&token, "/api/v1/recordings?cursor=1.2.3")
            .status,
        400
    );
}

#[test]
#[allow(clippy::too_many_lines)] // one story, whose steps depend on each other
fn notes_holds_and_deletion() {
    let (server, archive, token, id) = one_call(&[]);
    let path = format!("/api/v1/recordings/{id}");
    let patch = |body: Value| archive.change(&token, &format!("PATCH {path}"), &body);
    let tag = archive.get(&token, &path).header("etag").to_owned();
    let changed = patch(json!({"tags": ["a", "b"], "note": "n", "hold": true}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["tags"], json!(["a", "b"]));
    assert_eq!(archive.list(&token, "tag=a&tag=b").len(), 1);
    assert_eq!(archive.list(&token, "tag=a&tag=c").len(), 0);
    let late = archive.ask(
        &token,
        &format!("PATCH {path}"),
        &[
            "Content-Type: application/json",
            &format!("If-Match: {tag}"),
        ],
        b"{\"note\":\"x\"}",
    );
    assert_eq!(late.status, 412);
    for body in [
        json!({"tags": [""]}),
        json!({"tags": vec!["x"; 21]}),
        json!({"tags": ["x".repeat(41)]}),
        json!({"note": "x".repeat(10_001)}),
        json!({"hold": 1}),
        json!({"colour": "red"}),
    ] {
        assert_eq!(patch(body.clone()).status, 400, "{body}");
    }
    let long = archive.ask(
        &token,
        &format!("PATCH {path}"),
        &["Content-Type: application/json"],
        &[b' '; 70_000],
    );
    assert_eq!(long.status, 413);
    let text = archive.ask(
        &token,
        &format!("PATCH {path}"),
        &["Content-Type: text/plain"],
        b"{}",
    );
    assert_eq!(text.status, 415);
    let delete = |reason: &str| {
        archive.change(
            &token,
            &format!("DELETE {path}"),
            &json!({"reason": reason}),
        )
    };
    let held = delete("asked");
    assert_eq!((held.status, &held.json()["error"]), (409, &json!("held")));
    assert_eq!(patch(json!({"hold": false})).status, 200);
    assert_eq!(delete("").status, 400);
    // The files are kept aside, as in a backup.
    let files = server.files("d1");
    let backup = server.dir.join("backup");
    fs::create_dir(&backup).unwrap();
    for name in &files {
        fs::copy(recordings(&server).join("d1").join(name), backup.join(name)).unwrap();
    }
    assert_eq!(delete("asked").status, 204);
    assert_eq!(delete("asked").status, 404);
    assert_eq!(server.files("d1"), [""; 0]);
    assert_eq!(archive.get(&token, &format!("{path}/audio")).status, 404);
    let tombstones = archive.list(&token, "state=deleted");
    assert_eq!(
        (&tombstones[0]["deleted_reason"], tombstones.len()),
        (&json!("asked"), 1)
    );
    let text = tombstones[0].to_string();
    assert!(
        !text.contains("Ann") && !text.contains("remote_number"),
        "{text}"
    );
    // The copy comes back, and does not revive it.
    for name in &files {
        fs::copy(backup.join(name), recordings(&server).join("d1").join(name)).unwrap();
    }
    wait_for("the copy's end", || server.files("d1").is_empty());
    assert_eq!(archive.list(&token, "").len(), 0);
    assert_eq!(archive.command(&["check"]).status.code(), Some(0));
}

#[test]
fn a_running_call_is_not_deleted() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "admin", &[]);
    let mut phone = server.phone("17", "&device=d1");
    let id = archive.wait_for(&token, "state=running", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let request = format!("DELETE /api/v1/recordings/{id}");
    let reply = archive.change(&token, &request, &json!({"reason": "x"}));
    assert_eq!(
        (reply.status, &reply.json()["error"]),
        (409, &json!("running"))
    );
    phone.stop();
}

#[test]
fn what_cannot_be_logged_is_not_done() {
    let (server, archive, token, id) = one_call(&[]);
    let folder = recordings(&server).join(".archive");
    let log = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let log = log
        .into_iter()
        .find(|path| path.to_string_lossy().contains("/audit-"))
        .unwrap();
    fs::remove_file(&log).unwrap();
    fs::create_dir(&log).unwrap();
    let path = format!("/api/v1/recordings/{id}");
    for reply in [
        archive.change(&token, &format!("DELETE {path}"), &json!({"reason": "x"})),
        archive.change(&token, &format!("PATCH {path}"), &json!({"note": "x"})),
        archive.get(&token, &format!("{path}/audio")),
        archive.get(&token, "/api/v1/recordings?number=100"),
    ] {
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (503, &json!("audit"))
        );
    }
    assert_eq!(server.files("d1").len(), 2);
}
