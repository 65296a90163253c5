//! The catalogue in a real PostgreSQL: the tests of the other files on it, a database that goes away and
//! comes back, and several archives that are one (real HAProxy, S3 server, recorders).
#![cfg(all(feature = "s3", not(target_arch = "arm")))]

use std::fs;
use std::io::BufRead;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use crate::common::archive::{
    archive_command_with, begin, read_head, record, recordings, send, Archive, Reply,
};
use crate::common::postgres::{free_address, Postgres, PASSWORD};
use crate::common::server::{RecordingPhone, Server};
use crate::common::storage::Storage;
use crate::common::{folder, haproxy, wait_for, Process};
use crate::peer::{id_of, key_file, recording_host, url};
use serde_json::{json, Value};

/// Files of tests that pass on PostgreSQL as on SQLite; what looks into a file of SQLite, counts system calls,
/// or copies `accounts.db` is left out.
const ON_BOTH: [&str; 7] = [
    "api::",
    "audio::",
    "catalogue::",
    "retention::",
    "rights::",
    "scale::",
    "sign_on::",
];
const ON_SQLITE: [&str; 3] = [
    "a_catalogue_that_is_none_is_made_again",
    "the_database_of_another_folder",
    "killed_at_any_time",
];
const STORE: [&str; 2] = ["--store", "s3://calls/pbx"];
const SHIPPED: &str = "src/server/callrec-archive.haproxy.cfg";
const LOGIN: &str = "a long password";

#[test]
#[ignore = "needs postgresql"]
fn the_tests_of_the_archive_pass_on_postgresql() {
    let postgres = Postgres::start();
    let server = postgres.url().replace("/postgres", "");
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests
        .args(ON_BOTH)
        .args(["--include-ignored", "--test-threads=2"]);
    for name in ON_SQLITE {
        tests.args(["--skip", name]);
    }
    let done = tests.env("CALLREC_TEST_POSTGRES", server).output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    let count = said.matches(" ... ok").count();
    assert!(count >= 30, "{count} tests: {said}");
    let errors = postgres.log();
    let wrong: Vec<&str> = errors
        .lines()
        .filter(|line| line.contains("ERROR") && !line.contains("already exists"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
#[ignore = "needs postgresql"]
fn a_database_that_is_away_takes_nothing_away_and_neither_does_that_of_another_folder() {
    let mut postgres = Postgres::start();
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1&remote_number=4930123", 50);
    let options = ["--database", &postgres.url()];
    let mut archive = Archive::new(&recordings(&server), &options);
    let token = archive.token("test", "admin", &[]);
    let before = archive.wait_for(&token, "", 1);
    postgres.end();
    let away = archive.get(&token, "/api/v1/recordings");
    assert_eq!(away.status, 503, "{}", away.text());
    assert_eq!(away.json()["error"], "database");
    record(&server, "2", "&device=d1", 50);
    postgres.begin();
    archive.wait_for(&token, "", 2);
    archive.kill();
    archive.start();
    let after = archive.wait_for(&token, "", 2);
    assert!(after.contains(&before[0]), "{after:?}");
    let rebuilt = archive.command(&["rebuild"]);
    assert_eq!(rebuilt.status.code(), Some(0), "{rebuilt:?}");
    assert_eq!(archive.wait_for(&token, "", 2), after);
    assert_eq!(archive.command(&["check"]).status.code(), Some(0));
    let log = archive.log();
    assert!(!log.contains(PASSWORD), "{log}");

    // Another folder with the same database: both are there, and what was heard of the first one stays.
    archive.kill();
    let other = Server::new(&[]);
    record(&other, "3", "&device=d2", 50);
    let second = Archive::new(&recordings(&other), &options);
    let listed = second.wait_for(&token, "", 3);
    assert!(
        listed.iter().all(|one| one["place"] == "local"),
        "{listed:?}"
    );
    let folders: Vec<&Value> = listed.iter().map(|one| &one["folder"]).collect();
    assert_eq!(
        folders.iter().filter(|one| **one == "d1").count(),
        2,
        "{folders:?}"
    );
    assert_eq!(server.files("d1").len(), other.files("d2").len() * 2);
}

/// Two recorders that store into a bucket, two archives over it with one database, HAProxy in front.
struct Site {
    archives: Vec<Archive>,
    recorders: Vec<(Server, Archive)>,
    door: SocketAddr,
    _haproxy: Process,
    _storage: Storage,
    _postgres: Postgres,
    home: PathBuf,
}

impl Site {
    fn start() -> Self {
        let mut storage = Storage::prepared();
        storage.start();
        let postgres = Postgres::start();
        let recorders: Vec<(Server, Archive)> = (0..2).map(|_| recorder(&storage)).collect();
        let (home, _) = folder();
        let door = free_address();
        let archives: Vec<Archive> = ["arch-a", "arch-b"]
            .iter()
            .map(|name| {
                let dir = home.join(name).join("recordings");
                fs::create_dir_all(&dir).unwrap();
                let key = key_file(dir.parent().unwrap());
                let peers: Vec<String> = recorders.iter().map(|(_, host)| url(host)).collect();
                let (database, public) = (postgres.url(), format!("http://{door}"));
                let mut options = vec![
                    "--hostName",
                    name,
                    "--database",
                    &database,
                    "--public",
                    &public,
                ];
                options.extend(["--peerKeyFile", key.to_str().unwrap()]);
                options.extend(peers.iter().flat_map(|peer| ["--peer", peer]));
                options.extend(STORE);
                Archive::with(&dir, &options, storage.environment())
            })
            .collect();
        let bind = format!("bind {door}\n");
        let addresses: Vec<String> = archives.iter().map(|it| it.address().to_string()).collect();
        let metrics = archives
            .iter()
            .map(|it| it.metrics_address().port().to_string());
        let servers: Vec<String> = addresses
            .iter()
            .zip(metrics)
            .map(|(address, port)| format!("{address} check port {port} inter 200ms"))
            .collect();
        let old = "bind :443 ssl crt /etc/haproxy/calls.example.org.pem\n";
        let haproxy = haproxy::start(
            &home,
            SHIPPED,
            door,
            &[
                (old, bind.as_str()),
                ("192.0.2.21:8090 check port 9100 inter 2s", &servers[0]),
                ("192.0.2.22:8090 check port 9100 inter 2s", &servers[1]),
            ],
        );
        Self {
            archives,
            recorders,
            door,
            _haproxy: haproxy,
            _storage: storage,
            _postgres: postgres,
            home,
        }
    }

    /// A request through HAProxy, with a session.
    fn ask(&self, cookie: &str, request: &str, body: &Value) -> Reply {
        let cookie = format!("Cookie: {cookie}");
        let same = "Sec-Fetch-Site: same-origin";
        let headers = [cookie.as_str(), same, "Content-Type: application/json"];
        let body = if request.starts_with("GET") {
            String::new()
        } else {
            body.to_string()
        };
        send(self.door, request, &headers, body.as_bytes())
    }

    /// All recordings, through HAProxy; an archive that has just died may be asked once more.
    fn wait_for(&self, cookie: &str, search: &str, is_it: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let mut found = vec![];
        wait_for("the list", || {
            let reply = self.ask(
                cookie,
                &format!("GET /api/v1/recordings?{search}"),
                &Value::Null,
            );
            assert_ne!(reply.status, 401, "nobody is logged out");
            if reply.status != 200 {
                return false;
            }
            found = reply.json()["recordings"].as_array().unwrap().clone();
            is_it(&found)
        });
        found
    }
}

fn recorder(storage: &Storage) -> (Server, Archive) {
    let mut server = Server::prepared(&STORE);
    server.environment.extend(storage.environment());
    server.start();
    let host = recording_host(&server, &[]);
    (server, host)
}

/// Logs in through HAProxy.
fn log_in(site: &Site) -> String {
    let words = [
        "user",
        "add",
        "ann",
        "--role",
        "admin",
        "--database",
        &site._postgres.url(),
    ];
    let added = archive_command_with(&site.archives[0].dir, &words, LOGIN);
    assert!(added.status.success(), "{added:?}");
    let body = format!("user=ann&password={}", LOGIN.replace(' ', "+"));
    let form = "Content-Type: application/x-www-form-urlencoded";
    let headers = [form, "Sec-Fetch-Site: same-origin"];
    let reply = send(site.door, "POST /login", &headers, body.as_bytes());
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.cookie()
}

/// What is changed at one is told by the other one as well.
fn hold_at_one(site: &Site, token: &str, id: &str) {
    let bearer = format!("Authorization: Bearer {token}");
    let mut events = begin(
        site.archives[1].address(),
        "GET /api/v1/events",
        &[&bearer],
        b"",
    );
    assert_eq!(read_head(&mut events).0, 200);
    let change = format!("PATCH /api/v1/recordings/{id}");
    let changed = site.archives[0].change(token, &change, &json!({"hold": true, "note": "keep"}));
    assert_eq!(changed.status, 200, "{}", changed.text());
    let told = events
        .lines()
        .map(Result::unwrap)
        .find(|line| line.contains(id))
        .unwrap();
    assert!(told.starts_with("data: "), "{told}");
    let held = site.archives[1].get(token, &format!("/api/v1/recordings/{id}"));
    assert_eq!(
        (&held.json()["note"], &held.json()["hold"]),
        (&json!("keep"), &json!(true))
    );
}

/// A call that runs on a third host is heard through any of them; its phone, and the path of its sound.
fn hear_at_each(site: &Site, cookie: &str, token: &str) -> (RecordingPhone, String) {
    let mut phone = site.recorders[0].0.phone("3", "&device=d1");
    phone.send(50, true);
    let running = site.wait_for(cookie, "state=running", |found| found.len() == 1);
    let path = format!("/api/v1/recordings/{}/audio", id_of(&running[0]));
    for archive in &site.archives {
        let range = "Range: bytes=0-1";
        wait_for("the running call's sound", || {
            archive
                .ask(token, &format!("GET {path}"), &[range], b"")
                .status
                == 206
        });
    }
    (phone, path)
}

#[test]
#[ignore = "needs postgresql, haproxy and moto_server"]
fn two_archives_behind_a_proxy_are_one_and_one_of_them_may_die() {
    let mut site = Site::start();
    let cookie = log_in(&site);
    let is_in_bucket = |count: usize| {
        move |found: &[Value]| {
            found.len() == count && found.iter().all(|one| one["place"] == "bucket")
        }
    };
    record(
        &site.recorders[0].0,
        "1",
        "&device=d1&remote_number=4930123",
        50,
    );
    record(&site.recorders[1].0, "2", "&device=d2", 50);
    let both = site.wait_for(&cookie, "", is_in_bucket(2));
    let token = site.archives[0].token("test", "admin", &[]);
    for archive in &site.archives {
        assert_eq!(archive.list(&token, ""), both, "the catalogue is one");
    }

    let of = |found: &[Value], device: &str| {
        id_of(found.iter().find(|one| one["folder"] == device).unwrap())
    };
    let id = of(&both, "d1");
    hold_at_one(&site, &token, &id);
    let (mut phone, path) = hear_at_each(&site, &cookie, &token);

    // One dies: nobody is logged out, and what has happened meanwhile is there.
    site.archives[0].kill();
    phone.stop();
    let all = site.wait_for(&cookie, "", is_in_bucket(3));
    let sound = site.ask(&cookie, &format!("GET {path}"), &Value::Null);
    assert_eq!(sound.status, 200);
    let body = json!({"reason": "asked for", "password": LOGIN});
    let refused = site.ask(&cookie, &format!("DELETE /api/v1/recordings/{id}"), &body);
    assert_eq!(
        refused.status,
        409,
        "a hold of the other archive holds: {}",
        refused.text()
    );
    let gone = of(&all, "d2");
    let deleted = site.ask(&cookie, &format!("DELETE /api/v1/recordings/{gone}"), &body);
    assert_eq!(deleted.status, 204, "{}", deleted.text());
    site.archives[0].start();
    let left = site.wait_for(&cookie, "", |found| found.len() == 2);
    for archive in &site.archives {
        assert_eq!(archive.list(&token, ""), left);
    }
    fs::remove_dir_all(&site.home).unwrap();
}
