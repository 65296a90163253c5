//! `board/container/compose.hosts.yaml`: HAProxy, two recorders, object storage (moto on this computer), PostgreSQL and two
//! archives. One after the other is killed, and the balance is whole.
#![cfg(feature = "s3")]

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::common::made::Folder;
use crate::common::storage::Storage;
use crate::engine::{archive_says, docker, kill, listed, wait_for, Project};

/// The page's port on this computer: 443 may be another's.
const PAGE_PORT: &str = "18443";
const HOST: &str = "calls.example.org";
const PASSWORD: &str = "a-password-that-nobody-reads";

struct Site {
    project: Project,
    storage: Storage,
    folder: Folder,
    recorders: [String; 2],
    archives: [String; 2],
    token: String,
}

impl Site {
    fn start() -> Self {
        let mut project = Project::prepared("board/container/compose.hosts.yaml", "hosts");
        let mut storage = Storage::prepared_at(project.address.parse().unwrap());
        storage.start();
        let folder = Folder::new();
        let certificate = make_certificate(&folder);
        let endpoint = format!("http://{}", storage.address);
        project.start(&[
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ACCESS_KEY_ID", "k"),
            ("AWS_SECRET_ACCESS_KEY", "s"),
            ("CALLREC_CERTIFICATE", &certificate),
            ("CALLREC_DATABASE_PASSWORD", PASSWORD),
            ("CALLREC_PAGE_PORT", PAGE_PORT),
            ("HAPROXY_IMAGE", "callrec-haproxy"),
            ("POSTGRES_IMAGE", "callrec-postgres"),
        ]);
        let recorders = ["recorder-1", "recorder-2"].map(|name| project.container(name));
        let archives = ["archive-1", "archive-2"].map(|name| project.container(name));
        let database = project.container("database");
        for container in recorders.iter().chain(&archives).chain([&database]) {
            project.wait_until_healthy(container);
        }
        let token = site_says(&archives[0], &["token", "new", "test", "--role", "admin"]);
        Self {
            project,
            storage,
            folder,
            recorders,
            archives,
            token,
        }
    }

    /// Phones talk for three seconds; all of them are recorded.
    fn record(&self, phones: u32) {
        let server = format!("{}:10000", self.project.address);
        let phones = phones.to_string();
        let words = ["--server", &server, "--phones", &phones, "--seconds", "3"];
        docker(&self.project.phones(&["--rm"], &words));
    }

    /// Phones that talk in the background; the container.
    fn talk(&self, phones: u32) -> String {
        let server = format!("{}:10000", self.project.address);
        let phones = phones.to_string();
        let words = ["--server", &server, "--phones", &phones, "--seconds", "60"];
        docker(&self.project.phones(&["-d"], &words))
    }

    /// What each recorder has accepted, by its journal.
    fn accepted(&self) -> [u32; 2] {
        let count = "/busybox find /var/lib/callrec/.journal -name '*.ndjson' -exec /busybox cat {} + 2>/dev/null | \
            /busybox grep -c '\"event\":\"start\"' || true";
        self.recorders.each_ref().map(|recorder| {
            let found = docker(&["exec", recorder, "/busybox", "sh", "-c", count]);
            found.parse().unwrap()
        })
    }

    /// The calls in the archive, through HAProxy.
    fn listed(&self) -> Option<Vec<Value>> {
        let resolve = format!("{HOST}:{PAGE_PORT}:{}", self.project.address);
        let authority = self.folder.path("cert.pem");
        let options = ["--cacert", &authority, "--resolve", &resolve];
        listed(
            &format!("https://{HOST}:{PAGE_PORT}"),
            &self.token,
            &options,
        )
    }

    /// Waits until so many calls are in the bucket, and the archive says so.
    fn wait_for_calls(&self, count: u32) {
        wait_for("the calls in the bucket", || {
            let Some(found) = self.listed() else {
                return false;
            };
            found.len() == count as usize && found.iter().all(|call| call["place"] == "bucket")
        });
    }

    /// Everything accepted is there, by each host's own check with all sums; so many calls are in the bucket.
    fn assert_whole(&self, count: u32) {
        let mut accepted = 0;
        for archive in &self.archives {
            let text = site_says(archive, &["check", "--sums", "--json"]);
            let report: Value = serde_json::from_str(&text).unwrap();
            let balance = &report["balance"];
            assert_eq!(balance["accepted"], balance["present"], "{report}");
            assert_eq!(report["present"], count, "{report}");
            assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");
            accepted += balance["accepted"].as_u64().unwrap();
        }
        assert_eq!(accepted, u64::from(count));
        let keys = self.storage.keys();
        let stored = keys.iter().filter(|key| key.ends_with(".wav")).count();
        assert_eq!(stored, count as usize, "{keys:?}");
    }
}

/// Certificate and key of the page; the file that HAProxy wants.
fn make_certificate(folder: &Folder) -> String {
    let [certificate, key] = ["cert.pem", "key.pem"].map(|name| folder.path(name));
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        ])
        .args(["-subj", "/CN=calls.example.org"])
        .args(["-addext", "subjectAltName=DNS:calls.example.org"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .expect("openssl");
    assert!(made.status.success(), "{made:?}");
    let both = [&certificate, &key].map(|path| fs::read_to_string(path).unwrap());
    folder.file("archive.pem", both.concat().as_bytes());
    folder.path("archive.pem")
}

/// What a command of the archive prints, with the options of the one that runs.
fn site_says(container: &str, words: &[&str]) -> String {
    let database = format!("--database=postgres://callrec:{PASSWORD}@database/callrec");
    let options = [
        "--dir=/var/lib/callrec",
        "--dir=/calls",
        "--store=s3://calls/office",
        &database,
    ];
    archive_says(container, &[words, &options[..]].concat())
}

#[test]
#[ignore = "needs a container engine and the images of scripts/container: scripts/test makes them"]
fn a_container_of_many_hosts_is_killed_one_after_the_other_and_no_call_is_missing() {
    let site = Site::start();
    site.record(6);
    let counts = site.accepted();
    assert_eq!(counts.iter().sum::<u32>(), 6, "{counts:?}");
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    site.wait_for_calls(6);

    // A recorder, with calls that run on both: what it had is repaired and uploaded.
    let talking = site.talk(6);
    wait_for("calls on both", || {
        site.accepted().iter().sum::<u32>() == 12
    });
    std::thread::sleep(std::time::Duration::from_secs(3));
    site.project.kill_and_wait(&site.recorders[0]);
    docker(&["rm", "-f", &talking]);
    site.wait_for_calls(12);

    // An archive, while calls are recorded: nobody notices, since the other one answers.
    let talking = site.talk(4);
    wait_for("more calls", || site.accepted().iter().sum::<u32>() == 16);
    kill(&site.archives[0]);
    wait_for("the other archive", || {
        site.listed().is_some_and(|found| found.len() >= 12)
    });
    docker(&["rm", "-f", &talking]);
    site.wait_for_calls(16);
    site.project.wait_until_healthy(&site.archives[0]);

    // The database, while calls are recorded: recorders do not need it, and archives come back with it.
    let talking = site.talk(4);
    wait_for("more calls", || site.accepted().iter().sum::<u32>() == 20);
    let database = site.project.container("database");
    site.project.kill_and_wait(&database);
    docker(&["rm", "-f", &talking]);
    site.wait_for_calls(20);

    // One recorder stays away: the other one takes all calls, and has what it takes.
    docker(&["stop", "-t", "10", &site.recorders[0]]);
    site.record(4);
    site.wait_for_calls(24);
    site.assert_whole(24);
}
