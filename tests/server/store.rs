//! Finished recordings go to object storage: a real S3 server (moto) on loopback.
#![cfg(all(feature = "s3", not(target_arch = "arm")))] // it runs on PCs

use std::fs;
use std::io::{Read, Write};

use crate::common::server::Server;
use crate::common::storage::Storage;
use crate::common::wait_for;

/// Records 30 frames; the names of the recording and its sidecar, and the recording's bytes.
fn record(server: &Server, device: &str) -> (String, Vec<u8>) {
    let mut phone = server.phone("1", &format!("&device={device}"));
    phone.send(30, false);
    let path = server.file(device, ".wav");
    assert!(phone.stop().success());
    let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let header: [u8; 76] = {
        let mut header = [0; 76];
        header[..4].copy_from_slice(b"PCMU");
        header[64..].copy_from_slice(&[172, 0, 0, 0, 160, 0, 0, 0, 0x28, 0x14, 0, 0]);
        header
    };
    let frames: Vec<u8> = (0..30).flat_map(|n| phone.packet(n)).collect();
    (stem, [&header[..], &frames].concat())
}

/// Both objects are there, byte for byte, and gone from the server's folder.
fn assert_uploaded(server: &Server, storage: &Storage, device: &str, stem: &str, bytes: &[u8]) {
    wait_for("an upload", || server.files(device).is_empty());
    let (status, found) = storage.ask("GET", &format!("/calls/pbx/{device}/{stem}.wav"));
    assert!(
        status == 200 && found == bytes,
        "{status}, {} of {} bytes",
        found.len(),
        bytes.len()
    );
    let (status, sidecar) = storage.ask("GET", &format!("/calls/pbx/{device}/{stem}.json"));
    let sidecar: serde_json::Value = serde_json::from_slice(&sidecar).unwrap();
    assert_eq!(
        (status, &sidecar["received"], &sidecar["end"]),
        (200, &30.into(), &"stopped".into())
    );
}

/// A server that uploads there.
fn prepared(storage: &Storage, options: &[&str]) -> Server {
    let all = [
        &["--store", "s3://calls/pbx", "--metrics", "127.0.0.1:0"],
        options,
    ]
    .concat();
    let mut server = Server::prepared(&all);
    server.environment.extend(storage.environment());
    server
}

/// A finished recording of an earlier run, larger than any socket's buffer.
fn leave_behind(server: &Server, device: &str) -> (String, Vec<u8>) {
    let folder = server.dir.join("recordings").join(device);
    fs::create_dir_all(&folder).unwrap();
    let stem = "Record_20260101_000000_1".to_owned();
    let bytes: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
    fs::write(folder.join(format!("{stem}.wav")), &bytes).unwrap();
    fs::write(
        folder.join(format!("{stem}.json")),
        r#"{"received": 30, "end": "stopped"}"#,
    )
    .unwrap();
    (stem, bytes)
}

#[test]
#[ignore = "needs moto_server"]
fn recordings_reach_the_store_that_is_down_at_times() {
    let mut storage = Storage::prepared();
    let mut server = prepared(&storage, &[]);
    server.start();
    // Nobody is there: the recording stays, also when the server is killed.
    let (first, first_bytes) = record(&server, "a");
    wait_for("a failure", || server.log().contains("tried again in 1 s"));
    assert_eq!(
        server.files("a"),
        [format!("{first}.json"), format!("{first}.wav")]
    );
    assert!(server.metric("upload_failures") >= 1);
    server.kill();
    storage.start();
    server.start();
    assert_uploaded(&server, &storage, "a", &first, &first_bytes);
    let (second, second_bytes) = record(&server, "b");
    assert_uploaded(&server, &storage, "b", &second, &second_bytes);
    wait_for("the counters", || {
        (server.metric("uploaded"), server.metric("uploads_waiting")) == (2, 0)
    });
    // It goes away and comes back.
    storage.stop();
    let (third, third_bytes) = record(&server, "c");
    wait_for("a failure", || server.log().contains("tried again in"));
    assert_eq!(server.metric("uploads_waiting"), 1);
    storage.start();
    assert_uploaded(&server, &storage, "c", &third, &third_bytes);
}

#[test]
#[ignore = "needs moto_server"]
fn a_store_that_refuses_is_quoted_and_asked_again() {
    let mut storage = Storage::prepared();
    let mut server = prepared(&storage, &["--workers", "2"]);
    storage.start_empty();
    server.start();
    let (stem, bytes) = record(&server, "a");
    wait_for("no bucket", || {
        server
            .log()
            .contains("refused: 404 Not Found (NoSuchBucket); tried again in")
    });
    storage.make_bucket();
    assert_uploaded(&server, &storage, "a", &stem, &bytes);
    // The keys are not valid there (moto takes any): as Amazon says it.
    storage.stop();
    let (stem, bytes) = record(&server, "b");
    let both = [format!("{stem}.json"), format!("{stem}.wav")];
    let (listener, mut stream, _) = storage.pretend(bytes.len());
    drop(listener);
    let refusal = "<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><Message>The AWS ...</Message></Error>";
    let head = format!("Content-Length: {}\r\nConnection: close", refusal.len());
    write!(stream, "HTTP/1.1 403 Forbidden\r\n{head}\r\n\r\n{refusal}").unwrap();
    wait_for("a refusal", || {
        server
            .log()
            .contains("refused: 403 Forbidden (InvalidAccessKeyId); tried again in")
    });
    assert_eq!(server.files("b"), both);
    // What cannot be uploaded is not in the way of what can.
    let folder = server.dir.join("recordings/a");
    fs::create_dir(folder.join("Record_1.wav")).unwrap();
    fs::write(folder.join("Record_1.json"), "{}").unwrap();
    storage.start();
    assert_uploaded(&server, &storage, "b", &stem, &bytes);
    wait_for("the counters", || {
        (server.metric("uploaded"), server.metric("uploads_waiting")) == (2, 1)
    });
    assert!(!server.log().contains("AWS"), "{}", server.log());
}

#[test]
#[ignore = "needs moto_server"]
fn killed_in_the_middle_of_an_upload_it_uploads_again() {
    let mut storage = Storage::prepared();
    let mut server = prepared(&storage, &[]);
    let (stem, bytes) = leave_behind(&server, "a");
    let both = [format!("{stem}.json"), format!("{stem}.wav")];
    server.start();
    let (listener, stream, taken) = storage.pretend(100_000);
    let head = format!("PUT /calls/pbx/a/{stem}.wav?");
    assert!(
        taken.starts_with(head.as_bytes()),
        "{}",
        String::from_utf8_lossy(&taken[..200])
    );
    // Recording and its counters go on meanwhile.
    record(&server, "b");
    wait_for("both", || server.metric("uploads_waiting") == 2);
    server.kill();
    fs::remove_dir_all(server.dir.join("recordings/b")).unwrap(); // not the one that is asked for below
    drop((listener, stream));
    assert_eq!(server.files("a"), both);
    // The other one is killed.
    server.start();
    drop(storage.pretend(100_000));
    wait_for("a failure", || server.log().contains("tried again in"));
    assert_eq!(server.files("a"), both);
    // Somebody who takes everything, and is not object storage.
    for answer in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 301 Moved Permanently\r\nLocation: /elsewhere\r\n",
    ] {
        let (listener, mut stream, _) = storage.pretend(bytes.len());
        drop(listener);
        write!(
            stream,
            "{answer}Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .unwrap();
        let _ = stream.read_to_end(&mut vec![]);
        let said = if answer.contains("200") {
            "is not object storage"
        } else {
            "refused: 301 Moved Permanently"
        };
        wait_for(said, || server.log().contains(said));
        assert_eq!(server.files("a"), both);
    }
    storage.start();
    assert_uploaded(&server, &storage, "a", &stem, &bytes);
}
