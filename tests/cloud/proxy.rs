//! The reverse proxy with TLS whose configuration is shipped: real nginx in front of the cloud.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use crate::common::made::Folder;
use crate::harness::nginx::{free_address, Ends, Site};
use crate::harness::{cloud, token, APP};

const A: u32 = 1_000_001;

/// nginx in front of this cloud; its address.
fn nginx(folder: &Folder, cloud: &str) -> (Ends, String) {
    let listen = free_address();
    let certificate = folder.path("cert.pem");
    let key = folder.path("key.pem");
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
        ])
        .args([
            "-subj",
            "/CN=cloud.example.org",
            "-keyout",
            &key,
            "-out",
            &certificate,
        ])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let site = Site {
        listens: [&listen; 2],
        servers: [cloud, "127.0.0.1:8081"],
        certificate: &certificate,
        key: &key,
    };
    (crate::harness::nginx::nginx(folder, &site), listen)
}

fn curl(listen: &str, arguments: &[&str]) -> Command {
    let resolve = format!(
        "cloud.example.org:{}:127.0.0.1",
        listen.rsplit(':').next().unwrap()
    );
    let mut command = Command::new("curl");
    command
        .args(["-sSkN", "--max-time", "30", "--resolve", &resolve])
        .args(arguments);
    command
}

#[test]
#[ignore = "needs curl, nginx-light and openssl"]
fn messages_pass_the_proxy_at_once() {
    let server = cloud("");
    let folder = Folder::new();
    let (_nginx, listen) = nginx(&folder, &server.address.to_string());
    let base = format!(
        "https://cloud.example.org:{}",
        listen.rsplit(':').next().unwrap()
    );
    let token_header = format!("X-Client-Token: {}", token(A));
    let channel = curl(
        &listen,
        &["-H", &token_header, &format!("{base}/v2/channel")],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut channel = Ends(channel);
    let mut lines = BufReader::new(channel.0.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    assert_eq!(lines.next().unwrap(), r#"data: {"Name":"Online"}"#);
    assert_eq!(lines.next().unwrap(), "");
    let body = format!(
        "{{\"proxy\":0,\"payload\":{{\"msg\":\"aGVsbG8=\",\"flag\":3,\"clients\":[{A}]}}}}"
    );
    let credentials = APP.map(|(name, value)| format!("{name}: {value}"));
    let push = format!("{base}/v2/message/server/push");
    let pushed = curl(
        &listen,
        &[
            "-H",
            &credentials[0],
            "-H",
            &credentials[1],
            "-d",
            &body,
            &push,
        ],
    )
    .output();
    assert!(String::from_utf8(pushed.unwrap().stdout)
        .unwrap()
        .contains("request_id"));
    assert!(lines.next().unwrap().starts_with("id: "));
    assert!(lines.next().unwrap().contains("aGVsbG8="));
}

#[test]
#[ignore = "needs curl, nginx-light and openssl"]
fn streams_pass_the_proxy_while_they_go_on() {
    let server = cloud("");
    let folder = Folder::new();
    let (_nginx, listen) = nginx(&folder, &server.address.to_string());
    let base = format!(
        "https://cloud.example.org:{}",
        listen.rsplit(':').next().unwrap()
    );
    let stream = format!("{base}/stream/0123456789abcdef-{A}?token={}", token(A));
    let mut publisher = Ends(
        curl(&listen, &["-T", "-", "-X", "POST", &stream])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let header = b"FLV\x01\x04\0\0\0\x09\0\0\0\0";
    let input = publisher.0.stdin.as_mut().unwrap();
    input.write_all(header).unwrap();
    input.flush().unwrap();
    let mut player = Ends(
        curl(&listen, &[&stream])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut received = vec![0; header.len()];
    player
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut received)
        .unwrap();
    assert_eq!(received, header);
}

#[test]
#[ignore = "needs curl, nginx-light and openssl"]
fn answers_pass_the_proxy_as_they_are() {
    let server = cloud("");
    let folder = Folder::new();
    let (_nginx, listen) = nginx(&folder, &server.address.to_string());
    let base = format!(
        "https://cloud.example.org:{}",
        listen.rsplit(':').next().unwrap()
    );
    let status = |path: &str| {
        let url = format!("{base}{path}");
        let output = curl(&listen, &["-o", "/dev/null", "-w", "%{http_code}", &url])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    // Figures are for this computer, which the test is on.
    assert_eq!(status("/metrics"), "200");
    assert_eq!(status("/v2/devices/ids"), "401");
    assert_eq!(status("/healthz"), "200");
}
