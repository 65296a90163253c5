//! The archive is killed before each call to the disk that a deletion makes, by strace: after a restart
//! the recording is as it was, or gone, and the audit log says which.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::common::archive::{record, recordings, Archive};
use crate::common::server::Server;
use crate::common::wait_for;
use serde_json::{json, Value};

/// What changes a disk, each by its names on different processors. Not `write`: the threads of the server
/// wake each other by it.
const CALLS: [&str; 6] = [
    "pwrite64",
    "fsync",
    "fdatasync",
    "?rename,?renameat,?renameat2",
    "?unlink,?unlinkat",
    "?mkdir,?mkdirat",
];
/// A deletion has more calls than this in all, and fewer than that of one kind.
const LEAST: usize = 20;
const MOST: usize = 100;

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

impl Test {
    /// Kills a deletion there, and starts the archive again; `None`: the deletion came to its end.
    fn kill(&mut self, calls: &str, number: usize, device: &str) -> Option<Stage> {
        let id = self.copy(device);
        let mut strace = self.archive.kill_before(calls, number);
        let answer = self.archive.delete(&self.token, &id);
        if answer == Some(204) {
            self.archive.kill();
            strace.wait().unwrap();
            self.archive.start();
            return None;
        }
        assert_eq!(answer, None);
        strace.wait().unwrap();
        self.archive.kill();
        let stage = self.stage(device, &id);
        // The chain of the log is whole also before anything has put it right.
        let check = self.archive.command(&["check"]);
        let said = String::from_utf8_lossy(&check.stdout);
        assert!(!said.contains("audit-"), "{stage:?}: {said}");
        self.archive.start();
        if stage.lines > 0 {
            self.assert_gone(device, &id);
        } else {
            self.assert_untouched(device, &id);
        }
        let check = self.archive.command(&["check"]);
        assert_eq!(check.status.code(), Some(0), "{stage:?}: {check:?}");
        Some(stage)
    }
}

#[test]
#[ignore = "needs the package strace: scripts/test installs it"]
fn a_deletion_is_finished_or_undone_wherever_it_was_killed() {
    let server = Server::new(&[]);
    let mut test = Test::new(&server);
    let mut stages: BTreeMap<Stage, usize> = BTreeMap::new();
    let mut kills = 0;
    for (kind, calls) in CALLS.iter().enumerate() {
        for number in 1..MOST {
            let device = format!("d{kind}x{number}");
            let Some(stage) = test.kill(calls, number, &device) else {
                break; // it has fewer of them
            };
            kills += 1;
            *stages.entry(stage).or_default() += 1;
        }
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
