//! Recordings in a bucket: found, heard, exported, changed and deleted there. A real S3 server (moto).
#![cfg(all(feature = "archive", feature = "s3", not(target_arch = "arm")))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::archive::{record, recordings, Archive, Reply};
use crate::common::postgres::database_options;
use crate::common::server::Server;
use crate::common::storage::Storage;
use crate::common::{callrec, command, wait_for};
use serde_json::{json, Value};

const STORE: [&str; 2] = ["--store", "s3://calls/pbx"];
const DEVICE: &str = "&device=d1&remote_number=4930123&dir=in";

/// A recorder that uploads, and an archive over both.
struct Site {
    storage: Storage,
    server: Server,
    archive: Archive,
    token: String,
}

impl Site {
    fn new() -> Self {
        let mut storage = Storage::prepared();
        storage.start();
        let mut server = Server::prepared(&STORE);
        server.environment.extend(storage.environment());
        server.start();
        let archive = Archive::with(&recordings(&server), &STORE, storage.environment());
        let token = archive.token("test", "admin", &[]);
        Self {
            storage,
            server,
            archive,
            token,
        }
    }

    /// Waits until so many calls are in the bucket, and the archive knows it.
    fn wait_for_uploads(&self, count: usize) -> Vec<Value> {
        let mut found = vec![];
        wait_for("the uploads", || {
            found = self.archive.list(&self.token, "");
            found.len() == count && found.iter().all(|one| one["place"] == "bucket")
        });
        assert!(self.server.files("d1").is_empty());
        found
    }

    fn get(&self, id: &str, what: &str, headers: &[&str]) -> Reply {
        let request = format!("GET /api/v1/recordings/{id}/{what}");
        self.archive.ask(&self.token, &request, headers, b"")
    }

    /// A command of the archive, as the service's user runs it.
    fn command(&self, words: &[&str]) -> Output {
        let mut program = command(env!("CARGO_BIN_EXE_callrec-server"));
        program
            .arg("archive")
            .args(words)
            .arg("--dir")
            .arg(&self.archive.dir);
        program.args(STORE).envs(self.storage.environment());
        program.args(database_options(&self.archive.dir));
        program.stdin(Stdio::null()).output().unwrap()
    }

    fn change(&self, request: &str, body: &Value) -> Reply {
        self.archive.change(&self.token, request, body)
    }
}

fn id_of(recording: &Value) -> String {
    recording["id"].as_str().unwrap().to_owned()
}

/// The bucket's keys of a call.
fn keys_of(storage: &Storage, recording: &Value) -> Vec<String> {
    let call = recording["call"].as_str().unwrap();
    let keys = storage.keys().into_iter();
    keys.filter(|key| key.contains(call)).collect()
}

/// The keys of a call, and what they hold.
fn objects_of(storage: &Storage, recording: &Value) -> Vec<(String, Vec<u8>)> {
    let keys = keys_of(storage, recording).into_iter();
    let with_bytes = |key: String| {
        let bytes = storage.ask("GET", &format!("/calls/{key}")).1;
        (key, bytes)
    };
    keys.map(with_bytes).collect()
}

fn files_below(folder: &Path) -> Vec<String> {
    let mut names = vec![];
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            names.extend(files_below(&path));
        } else {
            names.push(path.display().to_string());
        }
    }
    names
}

/// What `callrec export` makes of the objects, in whole and in ranges.
fn compare_formats(site: &Site, id: &str, key: &str, original: &[u8]) {
    let copy = site.server.dir.join("copy.wav");
    fs::write(&copy, original).unwrap();
    fs::write(
        copy.with_extension("json"),
        site.storage.ask("GET", &format!("{key}.json")).1,
    )
    .unwrap();
    for (format, option) in [("wav", None), ("pcm16", Some("--pcm16"))] {
        let mut words = vec!["export"];
        words.extend(option);
        words.extend([copy.to_str().unwrap(), "-"]);
        let expected = callrec(&words).stdout;
        let path = format!("audio?format={format}");
        let whole = site.get(id, &path, &[]);
        assert!(whole.status == 200 && whole.body == expected, "{format}");
        let length = expected.len();
        for (range, first, last) in [
            ("bytes=0-1", 0, 1),
            ("bytes=1000-4999", 1000, 4999),
            ("bytes=-100", length - 100, length - 1),
        ] {
            let part = site.get(id, &path, &[&format!("Range: {range}")]);
            assert_eq!(part.status, 206, "{format} {range}");
            assert_eq!(
                part.header("content-range"),
                format!("bytes {first}-{last}/{length}")
            );
            assert!(part.body == expected[first..=last], "{format} {range}");
        }
        let beyond = format!("Range: bytes={length}-");
        assert_eq!(site.get(id, &path, &[&beyond]).status, 416);
    }
}

#[test]
#[ignore = "needs moto_server"]
fn what_is_in_a_bucket_is_heard_as_what_is_in_a_folder() {
    let site = Site::new();
    let mut phone = site.server.phone("1", DEVICE);
    phone.send(100, false);
    let running = site.archive.wait_for(&site.token, "state=running", 1);
    assert_eq!(running[0]["place"], "local");
    phone.stop();
    record(&site.server, "2", DEVICE, 20);
    let found = site.wait_for_uploads(2);
    let call = &found[1];
    let id = id_of(call);
    assert_eq!(id, id_of(&running[0]), "an upload changes no id");
    assert_eq!(
        (&call["state"], &call["duration_ms"], &call["remote_number"]),
        (&json!("finished"), &json!(2000), &json!("4930123"))
    );
    // Byte for byte what the recorder has stored, and what `callrec export` makes of it.
    let key = format!("/calls/pbx/d1/{}", call["call"].as_str().unwrap());
    let (status, original) = site.storage.ask("GET", &format!("{key}.wav"));
    assert_eq!(status, 200);
    let reply = site.get(&id, "audio?format=original", &[]);
    assert!(reply.status == 200 && reply.body == original);
    compare_formats(&site, &id, &key, &original);
    let picture = site.get(&id, "waveform.svg", &[]);
    assert!(picture.status == 200 && picture.text().contains("<svg"));
    assert_eq!(site.get(&id, "peaks?points=10", &[]).json()["points"], 10);
    let zip = site.change("POST /api/v1/export", &json!({"ids": [id]}));
    let has = |bytes: &[u8]| zip.body.windows(bytes.len()).any(|part| part == bytes);
    assert!(zip.status == 200 && has(&original) && has(b"SHA256SUMS"));
    assert!(has(b"\"sha256\""), "the sidecar is in the export");
    // What the catalogue has can be made again from the bucket alone.
    let before = site.archive.list(&site.token, "");
    let rebuilt = site.command(&["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    wait_for("the same catalogue", || {
        site.archive.list(&site.token, "") == before
    });
    let check = site.command(&["check", "--sums"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let balance = "2 recordings: 0 running, 2 present, 0 deleted, 0 lost\naccepted 2\n";
    assert_eq!(String::from_utf8_lossy(&check.stdout), balance);
}

#[test]
#[ignore = "needs moto_server"]
fn a_deletion_takes_all_copies_and_one_that_comes_back_goes_again() {
    let site = Site::new();
    record(&site.server, "1", DEVICE, 20);
    record(&site.server, "2", DEVICE, 20);
    let found = site.wait_for_uploads(2);
    let (call, other) = (&found[1], &found[0]);
    let id = id_of(call);
    let request = format!("PATCH /api/v1/recordings/{id}");
    let reply = site.change(&request, &json!({"note": "secret", "hold": true}));
    assert_eq!(reply.status, 200, "{}", reply.text());
    // It is there before anyone is told.
    let records = format!("pbx/.archive/records/{id}/");
    let of_record = || -> Vec<String> {
        let keys = site.storage.keys().into_iter();
        keys.filter(|key| key.starts_with(&records)).collect()
    };
    assert_eq!(of_record().len(), 1);
    let delete = format!("DELETE /api/v1/recordings/{id}");
    let reason = json!({"reason": "asked for"});
    assert_eq!(site.change(&delete, &reason).status, 409, "it is held");
    let reply = site.change(&request, &json!({"hold": false}));
    assert_eq!((reply.status, of_record().len()), (200, 2));
    // Somebody has listened to it: there is a copy here.
    assert_eq!(site.get(&id, "audio", &[]).status, 200);
    assert_eq!(site.get(&id_of(other), "audio", &[]).status, 200);
    let cache = site.archive.dir.join(".archive/cache");
    assert_eq!(files_below(&cache).len(), 4);
    let stored = objects_of(&site.storage, call);
    assert_eq!(stored.len(), 2);
    let reply = site.change(&delete, &reason);
    assert_eq!(reply.status, 204, "{}", reply.text());
    let gone = || {
        assert!(keys_of(&site.storage, call).is_empty());
        assert_eq!(keys_of(&site.storage, other).len(), 2);
        assert_eq!(site.get(&id, "audio", &[]).status, 404);
        assert_eq!(site.archive.list(&site.token, "").len(), 1);
        assert_eq!(site.archive.list(&site.token, "state=deleted").len(), 1);
    };
    gone();
    assert_eq!(files_below(&cache).len(), 2);
    let tombstone = of_record();
    assert_eq!(tombstone.len(), 1);
    let text = site
        .storage
        .ask("GET", &format!("/calls/{}", tombstone[0]))
        .1;
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("asked for") && !text.contains("secret") && !text.contains("4930"));
    // A backup of the bucket brings it back.
    for (key, bytes) in &stored {
        site.storage.put(key, bytes);
    }
    assert_eq!(keys_of(&site.storage, call).len(), 2);
    wait_for("the copies' end", || {
        keys_of(&site.storage, call).is_empty()
    });
    gone();
    let check = site.command(&["check"]);
    assert_eq!(check.status.code(), Some(0), "{check:?}");
}

#[test]
#[ignore = "needs moto_server"]
fn a_second_archive_sees_what_people_have_added_at_the_first() {
    let site = Site::new();
    record(&site.server, "1", DEVICE, 20);
    record(&site.server, "2", DEVICE, 20);
    let found = site.wait_for_uploads(2);
    let (call, deleted) = (id_of(&found[1]), id_of(&found[0]));
    let request = format!("PATCH /api/v1/recordings/{call}");
    let added = json!({"note": "listen", "tags": ["a"], "hold": true});
    assert_eq!(site.change(&request, &added).status, 200);
    let request = format!("DELETE /api/v1/recordings/{deleted}");
    assert_eq!(site.change(&request, &json!({"reason": "x"})).status, 204);
    // One with a folder of its own, in which nothing is but the accounts.
    let dir = site.server.dir.join("second/recordings");
    fs::create_dir_all(dir.join(".archive")).unwrap();
    for end in ["", "-wal", "-shm"] {
        let name = format!(".archive/accounts.db{end}");
        let _ = fs::copy(site.archive.dir.join(&name), dir.join(&name));
    }
    let second = Archive::with(&dir, &STORE, site.storage.environment());
    wait_for("the bucket's calls", || {
        second.list(&site.token, "").len() == 1
    });
    let seen = second.list(&site.token, "").remove(0);
    assert_eq!(
        (&seen["id"], &seen["note"], &seen["tags"], &seen["hold"]),
        (&json!(call), &json!("listen"), &json!(["a"]), &json!(true))
    );
    let deleted_there = second.list(&site.token, "state=deleted");
    assert_eq!(deleted_there[0]["id"], json!(deleted));
    // Both decide by the record, not by what they have seen: the hold is as old as this request.
    let request = format!("DELETE /api/v1/recordings/{call}");
    let reason = json!({"reason": "x"});
    let change = format!("PATCH /api/v1/recordings/{call}");
    let released = site.change(&change, &json!({"hold": false}));
    assert_eq!(released.status, 200, "{}", released.text());
    let held = second.change(&site.token, &change, &json!({"hold": true}));
    assert_eq!(held.status, 200, "{}", held.text());
    assert_eq!(site.change(&request, &reason).status, 409);
    // And each sees what the other has changed.
    let change_at_second = second.change(&site.token, &change, &json!({"note": "heard"}));
    assert_eq!(change_at_second.status, 200);
    wait_for("the other's note", || {
        site.archive.list(&site.token, "")[0]["note"] == "heard"
    });
}

#[test]
#[ignore = "needs moto_server"]
fn a_bucket_that_does_not_answer_takes_nothing_away() {
    let mut site = Site::new();
    record(&site.server, "1", DEVICE, 20);
    let found = site.wait_for_uploads(1);
    let id = id_of(&found[0]);
    site.storage.stop();
    // What is recorded meanwhile stays in the folder, and is found there.
    record(&site.server, "2", DEVICE, 20);
    let both = site.archive.wait_for(&site.token, "", 2);
    let local = id_of(&both[0]);
    assert_eq!(site.get(&local, "audio", &[]).status, 200);
    let away = site.get(&id, "audio", &[]);
    assert_eq!(
        (away.status, &away.json()["error"]),
        (503, &json!("moving"))
    );
    // Whether it is held elsewhere is unknown: nothing is changed, nothing is deleted.
    for id in [&id, &local] {
        let change = format!("PATCH /api/v1/recordings/{id}");
        let reply = site.change(&change, &json!({"note": "x"}));
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (503, &json!("store"))
        );
        let request = format!("DELETE /api/v1/recordings/{id}");
        let reply = site.change(&request, &json!({"reason": "x"}));
        assert_eq!(
            (reply.status, &reply.json()["error"]),
            (503, &json!("store"))
        );
    }
    assert_eq!(site.server.files("d1").len(), 2);
    wait_for("the log", || {
        site.archive
            .log()
            .contains("its recordings stay in the catalogue")
    });
    let failing = "callrec_archive_buckets_failing 1\n";
    wait_for("the alarm", || site.archive.metrics().contains(failing));
    assert_eq!(site.archive.list(&site.token, "").len(), 2);
    // Its keeper has lost all that was in it: what was there is missed, and is not forgotten.
    site.storage.start();
    wait_for("the loss", || {
        let listed = site.archive.list(&site.token, "");
        listed.len() == 2 && listed[1]["place"] == "moving"
    });
    assert_eq!(site.get(&id, "audio", &[]).status, 503);
    assert!(site.archive.log().contains("can be read again"));
}

#[test]
fn a_bucket_needs_a_name_and_keys() {
    let (dir, _) = crate::common::folder();
    for (store, words) in [
        ("http://calls", "must be s3://BUCKET/PREFIX"),
        ("s3://", "must be s3://BUCKET/PREFIX"),
        ("s3://calls", "AWS_ACCESS_KEY_ID is not set"),
    ] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_callrec-server"));
        program.args(["archive", "--listen", "127.0.0.1:0", "--store", store]);
        program
            .arg("--dir")
            .arg(&dir)
            .env_remove("AWS_ACCESS_KEY_ID");
        let output = program.stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{store}: {said}");
        assert!(said.contains(words), "{store}: {said}");
        assert!(!dir.join(".archive").exists());
    }
    fs::remove_dir_all(dir).unwrap();
}
