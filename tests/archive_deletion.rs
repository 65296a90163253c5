//! The archive is killed before each call to the disk that a deletion makes, by strace: after a restart
//! the recording is as it was, or gone, and the audit log says which.
#![cfg(feature = "archive")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use common::archive::{begin, record, recordings, Archive};
use common::server::Server;
use common::wait_for;
use serde_json::{json, Value};

/// What changes a disk. Not `write`: the threads of the server wake each other by it.
const CALLS: &str =
    "pwrite64,fsync,fdatasync,?rename,?renameat,?unlink,?unlinkat,?mkdir,?mkdirat,ftruncate";
/// A deletion has more calls than this, and fewer than that.
const LEAST: usize = 20;
const MOST: usize = 150;

/// What is on the disk after the kill.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Stage {
    /// Lines of the audit log.
    lines: usize,
    has_tombstone: bool,
    audio: usize,
    sidecars: usize,
}

struct Test {
    archive: Archive,
    token: String,
    /// A folder with the two parts of one call.
    model: PathBuf,
}

impl Test {
    fn new(server: &Server) -> Self {
        record(server, "1", "&device=model&remote_number=4930", 20);
        let dir = recordings(server);
        let archive = Archive::new(&dir, &[]);
        let token = archive.token("test", "admin", &[]);
        let id = archive.wait_for(&token, "", 1)[0].clone();
        let stem = id["call"].as_str().unwrap();
        let model = dir.join("model");
        let mut sidecar: Value =
            serde_json::from_slice(&fs::read(model.join(format!("{stem}.json"))).unwrap()).unwrap();
        sidecar["part"] = json!(2);
        sidecar["parts"] = json!(2);
        let second = stem.replace("Record_", "Record_9");
        fs::copy(
            model.join(format!("{stem}.wav")),
            model.join(format!("{second}.wav")),
        )
        .unwrap();
        fs::write(model.join(format!("{second}.json")), sidecar.to_string()).unwrap();
        Self {
            archive,
            token,
            model,
        }
    }

    fn folder(&self, device: &str) -> PathBuf {
        self.model.with_file_name(device)
    }

    /// The model's call as one of another device; its id.
    fn copy(&self, device: &str) -> String {
        let folder = self.folder(device);
        fs::create_dir(&folder).unwrap();
        let mut files: Vec<PathBuf> = fs::read_dir(&self.model)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        // Sidecars last, as the recorder does it.
        files.sort_by_key(|file| file.extension().is_some_and(|kind| kind == "json"));
        for file in files {
            fs::copy(&file, folder.join(file.file_name().unwrap())).unwrap();
        }
        let mut id = String::new();
        wait_for("both parts", || {
            let found = self.archive.list(&self.token, &format!("device={device}"));
            let found = found.iter().find(|one| one["parts"] == 2);
            id = found.map_or(String::new(), |one| one["id"].as_str().unwrap().to_owned());
            !id.is_empty()
        });
        id
    }

    fn lines(&self, what: &str, id: &str) -> Vec<Value> {
        let lines = self.archive.audit_lines().into_iter();
        let is_wanted = |line: &Value| line["what"] == what && line["id"] == id;
        lines.filter(is_wanted).collect()
    }

    fn stage(&self, device: &str, id: &str) -> Stage {
        let record = self.archive.dir.join(".archive/records");
        let record = fs::read_to_string(record.join(&id[..2]).join(id)).unwrap_or_default();
        let files = fs::read_dir(self.folder(device)).unwrap();
        let names: Vec<String> = files
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let count = |end: &str| names.iter().filter(|name| name.ends_with(end)).count();
        Stage {
            lines: self.lines("delete", id).len(),
            has_tombstone: record.contains("\"deleted\""),
            audio: count(".wav"),
            sidecars: count(".json"),
        }
    }

    /// Has the process killed before the call of this number that a thread makes from now on.
    fn kill_before(&mut self, number: usize) -> Child {
        let pid = self.archive.process().pid().to_string();
        let inject = format!("inject={CALLS}:signal=KILL:when={number}");
        let log = self.archive.dir.with_file_name("strace-said");
        let said = fs::File::create(&log).unwrap();
        let strace = Command::new("strace")
            .args(["-f", "-p", &pid, "-o", "/dev/null"])
            .args(["-e", &format!("trace={CALLS}"), "-e", &inject])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap();
        wait_for("strace", || {
            fs::read_to_string(&log).unwrap().contains("attached")
        });
        strace
    }

    /// Asks for a deletion; `None`: the archive has not answered.
    fn delete(&self, id: &str) -> Option<u16> {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let headers = [bearer.as_str(), "Content-Type: application/json"];
        let request = format!("DELETE /api/v1/recordings/{id}");
        let body = json!({"reason": "asked for"}).to_string();
        let to = self.archive.address();
        let mut answer = String::new();
        let _ = begin(to, &request, &headers, body.as_bytes()).read_to_string(&mut answer);
        answer.split(' ').nth(1)?.parse().ok()
    }

    fn assert_gone(&self, device: &str, id: &str) {
        let search = format!("device={device}");
        self.archive.wait_for(&self.token, &search, 0);
        wait_for("the files' end", || {
            fs::read_dir(self.folder(device)).unwrap().next().is_none()
        });
        let deleted = self
            .archive
            .wait_for(&self.token, &format!("{search}&state=deleted"), 1);
        for (key, expected) in [
            ("id", json!(id)),
            ("deleted_by", json!("token:test")),
            ("deleted_reason", json!("asked for")),
            ("parts", json!(2)),
        ] {
            assert_eq!(deleted[0][key], expected, "{key}: {deleted:?}");
        }
        assert!(deleted[0]["sha256"][1].is_string(), "{deleted:?}");
        assert!(!deleted[0].to_string().contains("4930"), "{deleted:?}");
        let lines = self.lines("delete", id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(
            (&line["who"], &line["more"]["reason"]),
            (&json!("token:test"), &json!("asked for"))
        );
        let path = format!("/api/v1/recordings/{id}/audio");
        assert_eq!(self.archive.get(&self.token, &path).status, 404);
    }

    fn assert_untouched(&self, device: &str, id: &str) {
        let found = self
            .archive
            .wait_for(&self.token, &format!("device={device}"), 1);
        assert_eq!(
            (&found[0]["id"], &found[0]["parts"]),
            (&json!(id), &json!(2))
        );
        assert_eq!(found[0]["state"], "finished");
        let path = format!("/api/v1/recordings/{id}/audio");
        assert_eq!(self.archive.get(&self.token, &path).status, 200);
        let request = format!("PATCH /api/v1/recordings/{id}");
        let change = json!({"note": "still here"});
        let changed = self.archive.change(&self.token, &request, &change);
        assert_eq!(changed.status, 200, "{}", changed.text());
        assert!(self.lines("delete", id).is_empty());
    }
}

#[test]
#[ignore = "needs the package strace, which would trace qemu-user: scripts/test installs it"]
fn a_deletion_is_finished_or_undone_wherever_it_was_killed() {
    let server = Server::new(&[]);
    let mut test = Test::new(&server);
    let mut stages: BTreeMap<Stage, usize> = BTreeMap::new();
    let mut kills = 0;
    for number in 1..MOST {
        let device = format!("d{number}");
        let id = test.copy(&device);
        let mut strace = test.kill_before(number);
        if test.delete(&id) == Some(204) {
            // It has fewer calls than that.
            test.archive.kill();
            strace.wait().unwrap();
            break;
        }
        strace.wait().unwrap();
        test.archive.kill();
        kills += 1;
        let stage = test.stage(&device, &id);
        *stages.entry(stage.clone()).or_default() += 1;
        // The chain of the log is whole also before anything has put it right.
        let check = test.archive.command(&["check"]);
        let said = String::from_utf8_lossy(&check.stdout);
        assert!(!said.contains("audit-"), "{stage:?}: {said}");
        test.archive.start();
        if stage.lines > 0 {
            test.assert_gone(&device, &id);
        } else {
            test.assert_untouched(&device, &id);
        }
        let check = test.archive.command(&["check"]);
        assert_eq!(check.status.code(), Some(0), "{stage:?}: {check:?}");
    }
    println!("{kills} kills: {stages:#?}");
    assert!(kills >= LEAST, "{kills} kills");
    // Each of the steps was the last one at some time.
    for (lines, has_tombstone, audio, sidecars) in [
        (0, false, 2, 2),
        (1, false, 2, 2),
        (1, true, 2, 2),
        (1, true, 1, 2),
        (1, true, 1, 1),
        (1, true, 0, 1),
        (1, true, 0, 0),
    ] {
        let stage = Stage {
            lines,
            has_tombstone,
            audio,
            sidecars,
        };
        assert!(stages.contains_key(&stage), "{stage:?} of {stages:?}");
    }
}
