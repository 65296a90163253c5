//! What the archive sends in pieces: audio and its ranges, running calls, ZIP files, events.

use std::fs;
use std::io::Read;

use crate::common::archive::{begin, read_head, record, recordings, Archive};
use crate::common::server::Server;
use crate::common::{callrec, wait_for};
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

/// Parts of a file, and what is beyond it.
fn check_ranges(archive: &Archive, token: &str, path: &str, expected: &[u8]) {
    let length = expected.len();
    for (range, from, to) in [
        ("bytes=0-1", 0, 2),
        ("bytes=0-", 0, length),
        ("bytes=43-44", 43, 45),
        ("bytes=57-61", 57, 62),
        ("bytes=1001-3000", 1001, 3001),
        ("bytes=-7", length - 7, length),
    ] {
        let part = archive.ask(
            token,
            &format!("GET {}", path),
            &[&format!("Range: {range}")],
            b"",
        );
        assert_eq!(part.status, 206, "{path} {range}");
        let expected_range = format!("bytes {from}-{}/{length}", to - 1);
        assert_eq!(part.header("content-range"), expected_range);
        assert!(part.body == expected[from..to], "{path} {range}");
    }
    for range in [format!("bytes={length}-"), "bytes=-0".into()] {
        let none = archive.ask(
            token,
            &format!("GET {}", path),
            &[&format!("Range: {range}")],
            b"",
        );
        assert_eq!(none.status, 416, "{range}");
        assert_eq!(none.header("content-range"), format!("bytes */{length}"));
    }
}

/// What makes an answer whole, a part, or nothing.
fn check_conditions(archive: &Archive, token: &str, path: &str, tag: &str) {
    for (header, status) in [
        ("Range: bytes=0-1,3-4".to_owned(), 200),
        ("Range: bytes=x".to_owned(), 200),
        (format!("Range: bytes=0-1\r\nIf-Range: {tag}"), 206),
        ("Range: bytes=0-1\r\nIf-Range: \"other\"".to_owned(), 200),
        (format!("If-None-Match: {tag}"), 304),
    ] {
        let reply = archive.ask(token, &format!("GET {}", path), &[&header], b"");
        assert_eq!(reply.status, status, "{header}");
    }
}

#[test]
fn audio_is_what_export_writes_in_whole_and_in_part() {
    for options in [&[][..], &["--format", "wav"]] {
        let (server, archive, token, id) = one_call(options);
        let file = server.file("d1", ".wav");
        let name = file.to_str().unwrap();
        let path = |query: &str| format!("/api/v1/recordings/{id}/audio{query}");
        let exported = |more: &[&str]| {
            let output = callrec(&[&["export"], more, &[name, "-"]].concat());
            assert!(output.status.success(), "{output:?}");
            output.stdout
        };
        let original = fs::read(&file).unwrap();
        let (wav, pcm16) = (exported(&[]), exported(&["--pcm16"]));
        assert_eq!(pcm16.len(), 44 + 2 * 8000);
        for (query, expected) in [
            ("?format=original", &original),
            ("?format=wav", &wav),
            ("?format=pcm16", &pcm16),
            ("", &pcm16),
        ] {
            let whole = archive.get(&token, &path(query));
            assert_eq!(
                (whole.status, whole.header("content-type")),
                (200, "audio/wav")
            );
            assert!(whole.body == *expected, "{options:?} {query}");
            let tag = whole.header("etag").to_owned();
            assert!(tag.starts_with('"') && tag.len() > 10, "{tag}");
            let length = expected.len();
            check_ranges(&archive, &token, &path(query), expected);
            check_conditions(&archive, &token, &path(query), &tag);
            let head = archive.ask(&token, &format!("HEAD {}", path(query)), &[], b"");
            assert_eq!(
                (head.status, head.header("content-length")),
                (200, length.to_string().as_str())
            );
            assert!(head.body.is_empty());
        }
        assert_eq!(archive.get(&token, &path("?format=mp3")).status, 400);
        assert_eq!(archive.get(&token, &path("?part=2")).status, 404);
    }
}

#[test]
fn a_running_call_is_heard_to_its_end_and_its_edge_is_waited_for() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "agent", &[]);
    let mut phone = server.phone("17", "&device=d1");
    phone.send(50, true);
    let id = archive.wait_for(&token, "state=running", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/api/v1/recordings/{id}/audio");
    let bearer = format!("Authorization: Bearer {token}");
    let first = archive.ask(&token, &format!("GET {path}"), &["Range: bytes=0-1"], b"");
    assert_eq!((first.status, &first.body[..]), (206, &b"RI"[..]));
    assert_eq!(first.header("content-range"), "bytes 0-1/*");
    // To the end of the call, without a range.
    let mut whole = begin(archive.address(), &format!("GET {path}"), &[&bearer], b"");
    let (status, headers) = read_head(&mut whole);
    assert_eq!(status, 200);
    assert!(headers
        .iter()
        .any(|(key, value)| key == "transfer-encoding" && value == "chunked"));
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![];
        whole.read_to_end(&mut bytes).unwrap();
        crate::common::archive::unchunked(&bytes)
    });
    // The edge is what has been synced.
    let mut all = first;
    wait_for("some sound", || {
        let range = ["Range: bytes=0-"];
        all = archive.ask(&token, &format!("GET {path}"), &range, b"");
        all.body.len() > 44
    });
    assert_eq!(all.status, 206);
    assert!(all.header("content-range").ends_with("/*"));
    let edge = all.body.len();
    // At the edge the answer waits for more.
    let next = std::thread::scope(|scope| {
        let range = format!("Range: bytes={edge}-");
        let (archive, token, path) = (&archive, &token, &path);
        let asked = scope.spawn(move || archive.ask(token, &format!("GET {path}"), &[&range], b""));
        phone.send(100, true);
        asked.join().unwrap()
    });
    assert_eq!(next.status, 206, "{}", next.text());
    assert!(next
        .header("content-range")
        .starts_with(&format!("bytes {edge}-")));
    phone.stop();
    let heard = reader.join().unwrap();
    archive.wait_for(&token, "state=finished", 1);
    let finished = archive.get(&token, &path).body;
    assert_eq!(heard[4..8], [0xFF; 4]);
    assert!(
        heard[44..] == finished[44..],
        "{} {}",
        heard.len(),
        finished.len()
    );
    assert!(all.body[44..] == finished[44..edge]);
}

#[test]
#[ignore = "needs unzip"]
fn an_export_is_a_zip_file_with_sums_and_an_index() {
    let (server, archive, token, id) = one_call(&[]);
    let reply = archive.change(&token, "POST /api/v1/export", &json!({"ids": [id]}));
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (200, "application/zip")
    );
    let zip = server.dir.join("x.zip");
    fs::write(&zip, &reply.body).unwrap();
    let out = server.dir.join("unzipped");
    let unzip = std::process::Command::new("unzip")
        .arg("-q")
        .arg(&zip)
        .arg("-d")
        .arg(&out)
        .status();
    assert!(unzip.unwrap().success());
    let mut sums = std::process::Command::new("sha256sum");
    let sums = sums
        .args(["--check", "--quiet", "SHA256SUMS"])
        .current_dir(&out)
        .status();
    assert!(sums.unwrap().success());
    let index: Value = serde_json::from_slice(&fs::read(out.join("index.json")).unwrap()).unwrap();
    assert_eq!(index[0]["id"], json!(id));
    let table = fs::read_to_string(out.join("index.csv")).unwrap();
    assert!(
        table.starts_with("\u{feff}id,start,") && table.contains(&id),
        "{table}"
    );
    let call = out.join(format!("{}_{id}", index[0]["call"].as_str().unwrap()));
    let name = server.file("d1", ".wav").file_name().unwrap().to_owned();
    assert_eq!(
        fs::read(call.join(name)).unwrap(),
        fs::read(server.file("d1", ".wav")).unwrap()
    );
    for body in [
        json!({}),
        json!({"ids": []}),
        json!({"ids": ["x"]}),
        json!({"ids": [id], "search": {}}),
    ] {
        assert!(
            [400, 404].contains(&archive.change(&token, "POST /api/v1/export", &body).status),
            "{body}"
        );
    }
}

#[test]
fn events_tell_what_happens_and_what_was_missed() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "agent", &[]);
    let bearer = format!("Authorization: Bearer {token}");
    let listen = |headers: &[&str]| {
        let all = [&[bearer.as_str()], headers].concat();
        let mut reader = begin(archive.address(), "GET /api/v1/events", &all, b"");
        let (status, headers) = read_head(&mut reader);
        assert_eq!(status, 200);
        assert!(headers
            .iter()
            .any(|(_, value)| value == "text/event-stream"));
        reader
    };
    let until = |reader: &mut dyn Read, word: &str| {
        let mut text = String::new();
        while !text.contains(word) || !text.ends_with("\n\n\r\n") {
            let mut byte = [0];
            reader.read_exact(&mut byte).unwrap();
            text.push(char::from(byte[0]));
        }
        text
    };
    let mut reader = listen(&[]);
    until(&mut reader, ": hello");
    record(&server, "17", "&device=d1", 50);
    let text = until(&mut reader, "event: finished");
    let number = text
        .split("id: ")
        .nth(1)
        .unwrap()
        .split('\n')
        .next()
        .unwrap();
    let before: u64 = number.parse::<u64>().unwrap() - 1;
    let mut again = listen(&[&format!("Last-Event-ID: {before}")]);
    until(&mut again, &format!("id: {number}\n"));
}
