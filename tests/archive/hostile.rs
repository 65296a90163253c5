//! Hostile requests to the archive, in great number: none fails it, none learns anything, and the next
//! one is served. `ARCHIVE_REQUESTS` sends more of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::common::archive::{record, recordings, Archive};
use crate::common::server::Server;

/// Requests without another wish.
const REQUESTS: u64 = 4000;

/// Numbers that repeat (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.next(of.len())]
    }

    fn noise(&mut self, most: usize) -> String {
        let length = self.next(most);
        (0..length)
            .map(|_| char::from(33 + self.next(94) as u8))
            .collect()
    }
}

const PATHS: [&str; 16] = [
    "/",
    "/call/",
    "/login",
    "/first?token=",
    "/devices",
    "/audit",
    "/settings/add",
    "/static/../../etc/passwd",
    "/static/%2e%2e%2fstyle.css",
    "/api/v1/recordings",
    "/api/v1/recordings/",
    "/api/v1/export",
    "/api/v1/events/x",
    "/api/v1/openapi.json",
    "//etc/passwd",
    "/%00",
];
const TAILS: [&str; 14] = [
    "",
    "ID",
    "ID/audio",
    "ID/peaks?points=99999999",
    "ID/waveform.svg",
    "ID/audio?format=original&part=0",
    "?cursor=1.2.3",
    "?limit=-1",
    "?from=9999-99-99",
    "?q=%ff%fe",
    "?number=';DROP TABLE recording",
    "?tag=%00",
    "?q=%22%20OR%20words%20MATCH%20%22a",
    "?device=..%2f..&device=%",
];
const HEADERS: [&str; 12] = [
    "Range: bytes=18446744073709551615-18446744073709551615",
    "Range: bytes=-18446744073709551616",
    "Range: bytes=0-0,1-1,2-2",
    "If-Range: \"",
    "Cookie: callrec=;;;=;callrec=\"",
    "Cookie: tz=../../etc/passwd",
    "Content-Type: application/json",
    "X-Forwarded-For: 1.1.1.1",
    "X-Forwarded-User: admin",
    "Accept-Language: zh;;q=\u{1}",
    "Last-Event-ID: -1",
    "Authorization: Bearer cra_",
];
const BODIES: [&str; 8] = [
    "",
    "{}",
    "[[[[[[[[",
    "{\"ids\":[\"../../x\"]}",
    "{\"search\":{\"limit\":{}}}",
    "{\"tags\":[null],\"hold\":\"x\"}",
    "user=x&password=y",
    "{\"reason\":\"\\ud800\"}",
];

#[test]
fn hostile_requests_fail_nothing() {
    let server = Server::new(&[]);
    record(&server, "17", "&device=d1&remote_number=12345", 10);
    let archive = Archive::new(&recordings(&server), &[]);
    let token = archive.token("test", "agent", &[]);
    let id = archive.wait_for(&token, "", 1)[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let requests =
        std::env::var("ARCHIVE_REQUESTS").map_or(REQUESTS, |count| count.parse().unwrap());
    let mut numbers = Numbers(7);
    for number in 0..requests {
        let method = numbers.one(&[
            "GET", "GET", "GET", "HEAD", "POST", "PATCH", "DELETE", "PUT", "OPTIONS", "G\u{7f}T",
        ]);
        let path = numbers.one(&PATHS).to_owned() + numbers.one(&TAILS).replace("ID", &id).as_str();
        let path = if numbers.next(10) == 0 {
            path + &numbers.noise(300)
        } else {
            path
        };
        let body = numbers.one(&BODIES);
        let mut text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            archive.address()
        );
        for _ in 0..numbers.next(4) {
            text += &format!("{}\r\n", numbers.one(&HEADERS));
        }
        if numbers.next(2) == 0 {
            text += &format!("Authorization: Bearer {token}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = TcpStream::connect(archive.address()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let _ = stream.write_all(text.as_bytes());
        let mut answer = vec![];
        let _ = stream.take(100_000).read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(
            !status.starts_with('5'),
            "request {number}: {text}\n{answer}"
        );
        assert!(
            !answer.contains("root:") && !answer.contains("SELECT"),
            "{text}\n{answer}"
        );
    }
    assert_eq!(archive.list(&token, "").len(), 1);
    assert!(!archive.log().contains("panicked"), "{}", archive.log());
}
