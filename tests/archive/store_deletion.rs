//! The archive is killed before each message that a deletion sends to a bucket, by strace: after a
//! restart the recording is as it was, or gone, and the audit log says which.
#![cfg(all(feature = "archive", feature = "s3", not(target_arch = "arm")))]

use std::collections::BTreeSet;

use crate::common::archive::{record, Archive};
use crate::common::server::Server;
use crate::common::storage::Storage;
use crate::common::wait_for;
use serde_json::{json, Value};

const STORE: [&str; 2] = ["--store", "s3://calls/pbx"];
/// A deletion sends fewer messages.
const MOST: usize = 20;
/// The thread that lists the bucket may be the one that is killed: each number has two tries.
const TRIES: usize = 2;

/// What is in the bucket after the kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stage {
    /// A line of the audit log.
    has_line: bool,
    has_note: bool,
    has_tombstone: bool,
    has_audio: bool,
    has_sidecar: bool,
}

fn stage(archive: &Archive, storage: &Storage, device: &str, id: &str) -> Stage {
    let keys = storage.keys();
    let has = |start: &str, end: &str| {
        keys.iter()
            .any(|key| key.starts_with(&format!("pbx/{start}")) && key.ends_with(end))
    };
    let record = format!(".archive/records/{id}/");
    let has_tombstone = has(&record, "/tombstone");
    let of_record = |key: &&String| key.contains(&record);
    let is_line = |line: &Value| line["what"] == "delete" && line["id"] == id;
    Stage {
        has_line: archive.audit_lines().iter().any(is_line),
        has_note: keys.iter().filter(of_record).count() > usize::from(has_tombstone),
        has_tombstone,
        has_audio: has(&format!("{device}/"), ".wav"),
        has_sidecar: has(&format!("{device}/"), ".json"),
    }
}

/// The calls of a recorder, each once more as one of many devices.
fn fill(storage: &Storage) {
    let mut server = Server::prepared(&STORE);
    server.environment.extend(storage.environment());
    server.start();
    record(&server, "1", "&device=model", 20);
    wait_for("the upload", || storage.keys().len() == 2);
    for key in storage.keys() {
        let (_, bytes) = storage.ask("GET", &format!("/calls/{key}"));
        for number in 0..MOST * TRIES {
            storage.put(&key.replace("model", &format!("d{number}")), &bytes);
        }
    }
}

/// Kills a deletion of a device's call, starts the archive again, and looks what has become of it; `None`:
/// the deletion came to its end.
fn kill(
    archive: &mut Archive,
    storage: &Storage,
    token: &str,
    device: &str,
    number: usize,
) -> Option<Stage> {
    let search = format!("device={device}");
    let id = archive.wait_for(token, &search, 1)[0]["id"].clone();
    let id = id.as_str().unwrap();
    let change = format!("PATCH /api/v1/recordings/{id}");
    let changed = archive.change(token, &change, &json!({"note": "secret"}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let mut strace = archive.kill_before("sendto", number);
    let answer = archive.delete(token, id);
    assert!([None, Some(204)].contains(&answer), "{answer:?}");
    if answer.is_some() {
        archive.kill();
    }
    strace.wait().unwrap();
    archive.kill();
    if answer.is_some() {
        return None;
    }
    let at_kill = stage(archive, storage, device, id);
    archive.start();
    if at_kill.has_line {
        wait_for("the deletion's end", || {
            let now = stage(archive, storage, device, id);
            now.has_tombstone && !now.has_audio && !now.has_sidecar && !now.has_note
        });
        archive.wait_for(token, &search, 0);
        let deleted = archive.wait_for(token, &format!("{search}&state=deleted"), 1);
        assert_eq!(deleted[0]["deleted_reason"], "asked for");
    } else {
        let found = archive.wait_for(token, &search, 1);
        let seen = (&found[0]["id"], &found[0]["note"]);
        assert_eq!(seen, (&json!(id), &json!("secret")));
        let audio = format!("/api/v1/recordings/{id}/audio");
        assert_eq!(archive.get(token, &audio).status, 200);
    }
    let lines = archive.audit_lines();
    let is_line = |line: &&Value| line["what"] == "delete" && line["id"] == id;
    let count = lines.iter().filter(is_line).count();
    assert_eq!(count, usize::from(at_kill.has_line), "{at_kill:?}");
    Some(at_kill)
}

#[test]
#[ignore = "needs moto_server and the package strace"]
fn a_deletion_in_a_bucket_is_finished_or_undone_wherever_it_was_killed() {
    let mut storage = Storage::prepared();
    storage.start();
    fill(&storage);
    let (dir, _) = crate::common::folder();
    let home = dir.join("recordings");
    std::fs::create_dir(&home).unwrap();
    let mut archive = Archive::with(&home, &STORE, storage.environment());
    let token = archive.token("test", "admin", &[]);
    archive.wait_for(&token, "limit=500", MOST * TRIES + 1);
    let mut stages = BTreeSet::new();
    let mut devices = 0..MOST * TRIES;
    'numbers: for number in 1..MOST {
        for _ in 0..TRIES {
            let device = format!("d{}", devices.next().unwrap());
            let stage = kill(&mut archive, &storage, &token, &device, number);
            let Some(stage) = stage else {
                break 'numbers; // it sends fewer
            };
            stages.insert(stage);
        }
    }
    println!("{stages:#?}");
    for (has_line, has_note, has_tombstone, has_audio, has_sidecar) in [
        (false, true, false, true, true),
        (true, true, false, true, true),
        (true, true, true, true, true),
        (true, false, true, true, true),
        (true, false, true, false, true),
    ] {
        let stage = Stage {
            has_line,
            has_note,
            has_tombstone,
            has_audio,
            has_sidecar,
        };
        assert!(stages.contains(&stage), "{stage:?} of {stages:?}");
    }
    drop(archive);
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
#[ignore = "needs moto_server"]
fn of_a_hold_and_a_deletion_at_two_archives_one_is_refused() {
    let mut storage = Storage::prepared();
    storage.start();
    fill(&storage);
    let (dir, _) = crate::common::folder();
    let homes = ["first/recordings", "second/recordings"].map(|name| dir.join(name));
    std::fs::create_dir_all(&homes[0]).unwrap();
    let first = Archive::with(&homes[0], &STORE, storage.environment());
    let token = first.token("test", "admin", &[]);
    std::fs::create_dir_all(homes[1].join(".archive")).unwrap();
    for end in ["", "-wal", "-shm"] {
        let name = format!(".archive/accounts.db{end}");
        let _ = std::fs::copy(homes[0].join(&name), homes[1].join(&name));
    }
    let second = Archive::with(&homes[1], &STORE, storage.environment());
    let all = MOST * TRIES + 1;
    let found = first.wait_for(&token, "limit=500", all);
    second.wait_for(&token, "limit=500", all);
    let mut held = 0;
    for recording in &found {
        let id = recording["id"].as_str().unwrap();
        let change = format!("PATCH /api/v1/recordings/{id}");
        let (deleted, changed) = std::thread::scope(|scope| {
            let delete = scope.spawn(|| first.delete(&token, id).unwrap());
            let hold = second.change(&token, &change, &json!({"hold": true}));
            (delete.join().unwrap(), hold.status)
        });
        let both = (deleted, changed);
        assert!([204, 409].contains(&deleted), "{both:?}");
        assert!([200, 404].contains(&changed), "{both:?}");
        assert!(both != (204, 200), "a held recording was deleted");
        held += usize::from(deleted == 409);
        let audio = format!("/api/v1/recordings/{id}/audio");
        let expected = if deleted == 204 { 404 } else { 200 };
        assert_eq!(first.get(&token, &audio).status, expected, "{both:?}");
    }
    println!("{held} of {all} were held");
    drop((first, second));
    std::fs::remove_dir_all(dir).unwrap();
}
