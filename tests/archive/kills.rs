//! Recorder (with its uploads to a bucket) and archive are killed at random while many phones record: no call is
//! missing, none is there twice. `ARCHIVE_KILLS=200` kills as often as the release's tests do.
#![cfg(all(feature = "s3", not(target_arch = "arm")))]

use std::collections::BTreeMap;
use std::process::Output;
use std::thread::sleep;
use std::time::Duration;

use crate::common::archive::{recordings, Archive};
use crate::common::server::{RecordingPhone, Server};
use crate::common::storage::Storage;
use crate::common::{command, wait_for, wait_long_for, Random};
use serde_json::Value;

const STORE: [&str; 2] = ["--store", "s3://calls/pbx"];
const PHONES: usize = 50;
/// Kills without another wish.
const KILLS: u64 = 4;
const SEED: u64 = 16;

fn device(number: usize) -> String {
    format!("0c38{number:02}")
}

/// Phones that record, and how many calls were accepted so far.
struct Phones {
    running: Vec<RecordingPhone>,
    accepted: usize,
}

impl Phones {
    /// Starts calls until all phones are in one.
    fn fill(&mut self, server: &Server) {
        while self.running.len() < PHONES {
            let keys = format!("&device={}", device(self.accepted % PHONES));
            self.running
                .push(server.phone(&self.accepted.to_string(), &keys));
            self.accepted += 1;
        }
    }

    /// Some calls end.
    fn stop_some(&mut self, random: &mut Random) {
        let stops = random.below(PHONES as u64 / 2) as usize;
        for mut phone in self.running.drain(..stops) {
            assert!(phone.stop().success());
        }
    }
}

/// All recordings, page by page; by id.
fn all(archive: &Archive, token: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/api/v1/recordings?limit=500{cursor}");
        let page = archive.get(token, &path).json();
        for one in page["recordings"].as_array().unwrap() {
            let id = one["id"].as_str().unwrap().to_owned();
            let before = found.insert(id, one.clone());
            assert!(before.is_none(), "there twice: {one}");
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

/// All recordings, once the recorder has uploaded what it had, and the archive has listed the bucket from end to
/// end after that.
fn in_bucket(server: &Server, archive: &mut Archive, token: &str) -> BTreeMap<String, Value> {
    let left = || {
        (0..PHONES)
            .map(|number| server.files(&device(number)).len())
            .sum()
    };
    let mut before = usize::MAX;
    while before > 0 {
        wait_for(&format!("uploads: fewer than {before} files left"), || {
            let now: usize = left();
            let has_fewer = now < before;
            before = before.min(now);
            has_fewer
        });
    }
    archive.kill();
    archive.start();
    wait_long_for("the list of the bucket", || {
        archive
            .log()
            .contains("s3://calls/pbx: all its recordings are in the catalogue")
    });
    let found = all(archive, token);
    assert!(found.values().all(|one| one["place"] == "bucket"));
    found
}

/// A command of the archive over folder and bucket.
fn run(archive: &Archive, storage: &Storage, word: &str) -> Output {
    let mut program = command(env!("CARGO_BIN_EXE_callrec-server"));
    program.args(["archive", word, "--dir"]).arg(&archive.dir);
    program
        .args(STORE)
        .envs(storage.environment())
        .output()
        .unwrap()
}

#[test]
#[ignore = "needs moto_server"]
fn recorder_uploads_and_archive_are_killed_at_random_and_no_call_is_missing_or_there_twice() {
    let kills = std::env::var("ARCHIVE_KILLS").map_or(KILLS, |kills| kills.parse().unwrap());
    let mut storage = Storage::prepared();
    storage.start();
    // Twice as many ports as phones: those of a killed call are free again at once, but in no order.
    let mut server = Server::prepared(&[&STORE[..], &["--rtp-ports", "39400-39499"]].concat());
    server.environment.extend(storage.environment());
    server.start();
    let mut archive = Archive::with(&recordings(&server), &STORE, storage.environment());
    let token = archive.token("test", "admin", &[]);
    let mut random = Random(SEED);
    let mut phones = Phones {
        running: vec![],
        accepted: 0,
    };
    for _ in 0..kills {
        phones.fill(&server);
        phones
            .running
            .iter_mut()
            .for_each(|phone| phone.send(5, false));
        phones.stop_some(&mut random);
        sleep(Duration::from_millis(random.below(400)));
        let which = random.below(3);
        if which != 0 {
            server.kill();
            server.start();
            // Their connections have gone with it.
            phones.running.clear();
        }
        if which != 1 {
            archive.kill();
            archive.start();
        }
    }
    for mut phone in phones.running.drain(..) {
        assert!(phone.stop().success());
    }
    let found = in_bucket(&server, &mut archive, &token);
    assert_eq!(found.len(), phones.accepted);
    println!("{kills} kills, {} calls", phones.accepted);
    let check = run(&archive, &storage, "check");
    let text = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(0), "{text}");
    let accepted = format!("accepted {}\n", phones.accepted);
    assert!(text.contains(&accepted), "{text}");
    archive.kill();
    let rebuild = run(&archive, &storage, "rebuild");
    assert_eq!(rebuild.status.code(), Some(0), "{rebuild:?}");
    archive.start();
    let again = all(&archive, &token);
    assert!(again == found, "rebuilt from an empty database");
}
