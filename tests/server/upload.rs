//! Uploads to a store that is slow, or that stores something else than it was sent.
#![cfg(all(feature = "s3", not(target_arch = "arm")))] // it runs on PCs

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::common::fake_store::{FakeStore, Reply, Request};
use crate::common::server::Server;
use crate::common::{wait_for, wait_long_for};
use md5::Md5;
use sha2::{Digest, Sha256};

const STEM: &str = "Record_20260101_000000_1";

/// A server that uploads there and has these finished recordings, one of each device.
fn server(store: &FakeStore, devices: &[&str]) -> Server {
    let mut server = Server::prepared(&["--store", "s3://calls/pbx", "--metrics", "127.0.0.1:0"]);
    for (name, value) in [
        ("AWS_ENDPOINT_URL", format!("http://{}", store.address)),
        ("AWS_ACCESS_KEY_ID", "k".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "s".to_owned()),
        ("NO_PROXY", "127.0.0.1".to_owned()),
    ] {
        server.environment.push((name.to_owned(), value));
    }
    for device in devices {
        let folder = server.dir.join("recordings").join(device);
        fs::create_dir_all(&folder).unwrap();
        fs::write(
            folder.join(format!("{STEM}.wav")),
            format!("audio of {device}"),
        )
        .unwrap();
        fs::write(folder.join(format!("{STEM}.json")), "{}").unwrap();
    }
    server.start();
    server
}

fn md5_hex(bytes: &[u8]) -> String {
    md5::Digest::finalize(<Md5 as md5::Digest>::new_with_prefix(bytes))
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = vec![0; 64];
    let len = callrec::wire::rendezvous::cipher::encode(bytes, &mut text).unwrap();
    String::from_utf8(text[..len].to_vec()).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    base64(&Sha256::digest(bytes))
}

/// As a store does that keeps what it was sent.
fn kept(request: &Request) -> Reply {
    Reply::Head(format!(
        "200 OK\r\nETag: \"{}\"\r\nContent-Length: 0\r\n",
        md5_hex(&request.body)
    ))
}

#[test]
fn a_slow_answer_holds_up_no_other_upload_and_is_given_up() {
    let is_slow = Arc::new(AtomicBool::new(true));
    let slow = is_slow.clone();
    let store = FakeStore::new(move |request| match request.path.contains("/slow") {
        true if slow.load(Ordering::Relaxed) => Reply::Drip,
        _ => kept(request),
    });
    let others: Vec<String> = (0..40).map(|n| format!("d{n}")).collect();
    let devices = ["slow1", "slow2", "slow3", "slow4"]
        .into_iter()
        .chain(others.iter().map(String::as_str));
    let server = server(&store, &devices.collect::<Vec<_>>());
    wait_for("all others", || {
        others.iter().all(|device| server.files(device).is_empty())
    });
    let names = [
        "uploaded_total",
        "uploaded",
        "uploads_waiting",
        "uploads_running",
    ];
    wait_for("the counters", || {
        names.map(|name| server.metric(name)) == [40, 40, 4, 4]
    });
    // What is recorded meanwhile goes, too.
    let mut phone = server.phone("1", "&device=new");
    phone.send(10, false);
    assert!(phone.stop().success());
    wait_for("the new one", || server.files("new").is_empty());
    assert_eq!(server.files("slow1").len(), 2);
    // A byte now and then is no progress: the whole request has a deadline.
    is_slow.store(false, Ordering::Relaxed);
    wait_long_for("the end of the slow ones", || {
        server.metric("uploads_waiting") == 0
    });
    assert_eq!(
        (
            server.metric("upload_failures_total"),
            server.metric("upload_failures")
        ),
        (4, 4)
    );
    assert_eq!(server.metric("uploaded_total"), 45);
    assert!(server.log().contains("timeout"), "{}", server.log());
}

#[test]
fn sums_are_sent_with_what_they_are_of() {
    let store = FakeStore::new(kept);
    let server = server(&store, &["a"]);
    wait_for("the upload", || server.files("a").is_empty());
    let puts = store.asked("PUT");
    let names: Vec<&str> = puts
        .iter()
        .map(|put| put.path.rsplit('.').next().unwrap())
        .collect();
    assert_eq!(names, ["wav", "json"], "the sidecar last");
    for put in puts {
        let md5 = <Md5 as md5::Digest>::new_with_prefix(&put.body);
        assert_eq!(
            put.headers["content-md5"],
            base64(&md5::Digest::finalize(md5))
        );
        assert_eq!(put.headers["x-amz-checksum-sha256"], sha256(&put.body));
    }
    assert!(
        store.asked("HEAD").is_empty(),
        "the tag is the sum of what was sent"
    );
}

/// A store that has an object with this content under every name, and answers its digest in this
/// way.
fn occupied(content: &'static [u8], digest: fn(&[u8]) -> String) -> FakeStore {
    FakeStore::new(move |request| match request.method.as_str() {
        "PUT" if request.path.ends_with(".wav") => {
            Reply::Head("412 Precondition Failed\r\nContent-Length: 0\r\n".into())
        }
        "PUT" => kept(request),
        "HEAD" => Reply::Head(format!(
            "200 OK\r\nContent-Length: {}\r\n{}\r\n",
            content.len(),
            digest(content)
        )),
        _ => Reply::Body(content.to_vec()),
    })
}

/// How a store may tell what it has.
const DIGESTS: [fn(&[u8]) -> String; 3] = [
    |content| format!("ETag: \"x\"\r\nx-amz-checksum-sha256: {}", sha256(content)),
    |content| format!("ETag: \"{}\"", md5_hex(content)),
    |_| "ETag: \"x\"".into(), // it has to be read
];

#[test]
fn an_upload_is_conditional_and_what_was_there_is_compared() {
    for digest in DIGESTS {
        let store = occupied(b"audio of a", digest);
        let server = server(&store, &["a"]);
        wait_for("the upload", || server.files("a").is_empty());
        for put in store.asked("PUT") {
            assert_eq!(put.headers["if-none-match"], "*", "{}", put.path);
        }
        assert_eq!(server.metric("upload_failures_total"), 0);
    }
}

#[test]
fn another_object_of_the_same_name_is_not_overwritten() {
    for digest in DIGESTS {
        let store = occupied(b"audio of b", digest);
        let server = server(&store, &["a"]);
        let problem = "the store has another object of this name, which is kept";
        wait_for(problem, || server.log().contains(problem));
        assert_eq!(server.files("a").len(), 2);
        let puts = store.asked("PUT");
        assert!(puts
            .iter()
            .all(|put| put.headers.contains_key("if-none-match")));
    }
}

#[test]
fn a_store_without_conditions_is_asked_first() {
    for (is_there, uploaded) in [(false, true), (true, false)] {
        let store = FakeStore::new(move |request| match request.method.as_str() {
            "PUT" if request.headers.contains_key("if-none-match") => {
                Reply::Head("501 Not Implemented\r\nContent-Length: 0\r\n".into())
            }
            "PUT" => kept(request),
            _ if is_there => Reply::Head(format!("200 OK\r\nETag: \"{}\"\r\n", md5_hex(b"other"))),
            _ => Reply::Head("404 Not Found\r\nContent-Length: 0\r\n".into()),
        });
        let server = server(&store, &["a"]);
        if uploaded {
            wait_for("the upload", || server.files("a").is_empty());
        } else {
            wait_for("a failure", || server.metric("upload_failures_total") > 0);
            assert_eq!(server.files("a").len(), 2);
        }
        let puts = store.asked("PUT");
        let unconditional = puts
            .iter()
            .filter(|put| !put.headers.contains_key("if-none-match"));
        assert_eq!(unconditional.count(), if uploaded { 2 } else { 0 });
    }
}

/// A store that answers a PUT of the recording with these fields, and a HEAD with those; what
/// belongs to the audio is named there.
fn odd(put: &'static str, head: &'static str) -> FakeStore {
    FakeStore::new(move |request| {
        let audio = b"audio of a";
        let fill = |text: &str| {
            let text = text
                .replace("LENGTH", &audio.len().to_string())
                .replace("SHA256", &sha256(audio));
            Reply::Head(text.replace("MD5", &md5_hex(b"something else")))
        };
        match request.method.as_str() {
            "PUT" if request.path.ends_with(".wav") => fill(put),
            "PUT" => kept(request),
            _ => fill(head),
        }
    })
}

#[test]
fn what_the_store_does_not_prove_to_have_stays_here() {
    for (put, head, problem) in [
        (
            "200 OK\r\nETag: \"x\"\r\n",
            "404 Not Found\r\n",
            "the store does not have it: 404",
        ),
        (
            "200 OK\r\nETag: \"x\"\r\n",
            "200 OK\r\nContent-Length: 3\r\n",
            "the store has 3 bytes of 10",
        ),
        (
            "200 OK\r\nETag: \"x\"\r\n",
            "200 OK\r\nContent-Length: LENGTH\r\nx-amz-checksum-sha256: AAAA\r\n",
            "its SHA-256 differs",
        ),
        (
            "200 OK\r\nETag: \"MD5\"\r\n",
            "200 OK\r\nContent-Length: LENGTH\r\n",
            "different object: its ETag is",
        ),
        (
            "400 Bad Request\r\n",
            "200 OK\r\n",
            "refused: 400 Bad Request",
        ),
    ] {
        let store = odd(put, head);
        let server = server(&store, &["a"]);
        wait_for(problem, || server.log().contains(problem));
        assert_eq!(
            server.files("a"),
            [format!("{STEM}.json"), format!("{STEM}.wav")],
            "{problem}"
        );
        assert!(
            server.metric("upload_failures_total") >= 1 && server.metric("uploads_waiting") == 1
        );
    }
}

#[test]
fn tags_that_are_no_sums_are_taken_when_the_object_is_confirmed() {
    for (put, head) in [
        (
            "200 OK\r\nETag: \"x\"\r\n",
            "200 OK\r\nContent-Length: LENGTH\r\n",
        ),
        (
            "200 OK\r\nETag: \"MD5\"\r\n",
            "200 OK\r\nContent-Length: LENGTH\r\nx-amz-checksum-sha256: SHA256\r\n",
        ),
        (
            "200 OK\r\nETag: \"MD5\"\r\nx-amz-server-side-encryption: aws:kms\r\n",
            "200 OK\r\nContent-Length: LENGTH\r\n",
        ),
    ] {
        let store = odd(put, head);
        let server = server(&store, &["a"]);
        wait_for("the upload", || server.files("a").is_empty());
        assert_eq!(store.asked("HEAD").len(), 1, "{put}");
    }
}
