//! Sign-on to the archive by a proxy: whose headers are believed, and what they give.

use std::io::{BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;

use crate::common::archive::{archive_command_with, read_head, record, recordings, Archive, Reply};
use crate::common::server::Server;
use crate::common::PATIENCE;
use nix::sys::socket::{
    bind, connect, socket, AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrStorage,
};

/// Where the proxy of these tests is, and a neighbour of it.
const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
const NEIGHBOUR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 78);
const PASSWORD: &str = "correct horse battery";
const LIST: &str = "GET /api/v1/recordings";

/// A request from one of the loopback's addresses; the answer is to be read.
fn open(
    archive: &Archive,
    from: Ipv4Addr,
    request: &str,
    headers: &[&[u8]],
    body: &str,
) -> BufReader<TcpStream> {
    let to = archive.address();
    let socket = socket(
        AddressFamily::Inet,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .unwrap();
    let [a, b, c, d] = from.octets();
    bind(socket.as_raw_fd(), &SockaddrIn::new(a, b, c, d, 0)).unwrap();
    connect(socket.as_raw_fd(), &SockaddrStorage::from(to)).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let mut head = format!(
        "{request} HTTP/1.1\r\nConnection: close\r\nHost: {to}\r\nContent-Length: {length}\r\n"
    )
    .into_bytes();
    for line in headers {
        head.extend_from_slice(line);
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head.extend_from_slice(body.as_bytes());
    stream.write_all(&head).unwrap();
    BufReader::new(stream)
}

fn ask(archive: &Archive, from: Ipv4Addr, request: &str, headers: &[&str], body: &str) -> Reply {
    let headers: Vec<&[u8]> = headers.iter().map(|line| line.as_bytes()).collect();
    let mut reader = open(archive, from, request, &headers, body);
    let (status, headers) = read_head(&mut reader);
    let mut body = vec![];
    reader.read_to_end(&mut body).unwrap();
    Reply {
        status,
        headers,
        body,
    }
}

fn status(archive: &Archive, from: Ipv4Addr, headers: &[&str]) -> u16 {
    ask(archive, from, LIST, headers, "").status
}

/// One that believes the proxy alone.
fn prepared(server: &Server, more: &[&str]) -> Archive {
    let proxy = PROXY.to_string();
    Archive::new(
        &recordings(server),
        &[&["--trustedProxy", &proxy], more].concat(),
    )
}

fn add_user(archive: &Archive, name: &str, more: &[&str]) {
    let words = [&["user", "add", name], more].concat();
    let output = archive_command_with(&archive.dir, &words, PASSWORD);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn nobody_but_the_proxy_says_who_somebody_is() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1", 20);
    let archive = prepared(&server, &[]);
    let user = "X-Forwarded-User: ann";
    let admin = "X-Forwarded-Groups: staff,callrec-admin";
    assert_eq!(status(&archive, PROXY, &[user, admin]), 200);
    // Whoever else says it has said nothing, also when he says that he comes through the proxy.
    let through = format!("X-Forwarded-For: {PROXY}");
    let chain = format!("X-Forwarded-For: 10.0.0.1, {PROXY}");
    let real = format!("X-Real-IP: {PROXY}");
    let forwarded = format!("Forwarded: for={PROXY}");
    for from in [NEIGHBOUR, Ipv4Addr::LOCALHOST] {
        for more in [
            "X-Real-Name: nobody",
            &through,
            &chain,
            &real,
            &forwarded,
            "X-Forwarded-Host: localhost",
        ] {
            let headers = [user, admin, more];
            let reply = ask(&archive, from, LIST, &headers, "");
            let error = reply.json()["error"].clone();
            assert_eq!((reply.status, error), (401, "login".into()), "{headers:?}");
        }
        let page = ask(&archive, from, "GET /settings", &[user, admin], "");
        assert_eq!((page.status, page.header("location")), (303, "/login"));
        let headers = [user, admin, "Sec-Fetch-Site: same-origin"];
        let post = ask(&archive, from, "POST /settings/retain", &headers, "");
        assert_eq!((post.status, post.header("location")), (303, "/login"));
    }
    assert!(archive
        .audit_lines()
        .iter()
        .all(|line| line["from"] == PROXY.to_string()));
}

#[test]
fn headers_of_the_proxy_that_leave_a_doubt_let_nobody_in() {
    let server = Server::new(&[]);
    let archive = prepared(&server, &[]);
    let admin = "X-Forwarded-Groups: callrec-admin";
    let long = format!("X-Forwarded-User: {}", "a".repeat(65));
    for (headers, expected) in [
        // The proxy has added its line to the client's.
        (
            vec!["X-Forwarded-User: eve", "X-Forwarded-User: ann", admin],
            403,
        ),
        (vec!["X-Forwarded-User: eve, ann", admin], 403),
        (
            vec![
                "X-Forwarded-User: ann",
                admin,
                "X-Forwarded-Groups: callrec-agent",
            ],
            403,
        ),
        (vec!["X-Forwarded-User: a b", admin], 403),
        (vec!["X-Forwarded-User: ../a", admin], 403),
        (vec![long.as_str(), admin], 403),
        // The same name for some servers, another one here.
        (vec!["X_Forwarded_User: ann", admin], 401),
        (vec!["X-Forwarded-User:", admin], 401),
        (vec![admin], 401),
        // Let in by the proxy, and nobody here.
        (vec!["X-Forwarded-User: ann"], 403),
        (
            vec!["X-Forwarded-User: ann", "X-Forwarded-Groups: staff"],
            403,
        ),
        (
            vec![
                "X-Forwarded-User: ann",
                "X-Forwarded-Groups: callrec-admin@nobody",
            ],
            403,
        ),
        (
            vec![
                "X-Forwarded-User: ann@example.org",
                "x-forwarded-groups: /callrec-agent",
            ],
            200,
        ),
    ] {
        let reply = ask(&archive, PROXY, LIST, &headers, "");
        assert_eq!(reply.status, expected, "{headers:?}: {}", reply.text());
        if expected == 403 {
            assert_eq!(reply.json()["error"], "sign-on", "{headers:?}");
            let page = ask(&archive, PROXY, "GET /", &headers, "");
            assert_eq!(page.status, 403, "{headers:?}");
            assert!(page.text().contains("<html"), "{}", page.text());
        }
    }
    let mut reader = open(&archive, PROXY, LIST, &[b"X-Forwarded-User: \xff\xfe"], "");
    assert_eq!(read_head(&mut reader).0, 403);
}

#[test]
fn groups_and_accounts_say_what_somebody_may_do() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=a1", 20);
    record(&server, "2", "&device=b1", 20);
    let archive = prepared(&server, &["--tenant", "acme a*"]);
    let all = archive.token("all", "admin", &[]);
    archive.wait_for(&all, "", 2);
    add_user(&archive, "bob", &["--role", "agent", "--devices", "b*"]);
    let list = |user: &str, groups: &str, path: &str| {
        let headers = [
            format!("X-Forwarded-User: {user}"),
            format!("X-Forwarded-Groups: {groups}"),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        ask(&archive, PROXY, &format!("GET {path}"), &headers, "")
    };
    let folders = |user: &str, groups: &str| -> Vec<String> {
        let found = list(user, groups, "/api/v1/recordings").json();
        let found = found["recordings"].as_array().unwrap().iter();
        let mut found: Vec<String> = found
            .map(|one| one["folder"].as_str().unwrap().to_owned())
            .collect();
        found.sort();
        found
    };
    assert_eq!(folders("ann", "callrec-admin"), ["a1", "b1"]);
    assert_eq!(folders("ann", "callrec-admin@acme"), ["a1"]);
    assert_eq!(folders("ann", "callrec-supervisor"), ["b1"]);
    // What the account says holds, whatever the groups say.
    assert_eq!(folders("bob", "callrec-admin"), ["b1"]);
    for (user, groups, path, expected) in [
        ("bob", "callrec-admin", "/audit", 403),
        ("ann", "callrec-agent", "/api/v1/stats", 403),
        ("ann", "callrec-supervisor", "/api/v1/stats", 200),
        ("ann", "callrec-supervisor", "/settings", 403),
        ("ann", "callrec-agent,callrec-admin", "/settings", 200),
    ] {
        let status = list(user, groups, path).status;
        assert_eq!(status, expected, "{user} {groups} {path}");
    }
}

#[test]
fn a_token_comes_before_the_proxys_word_and_that_before_a_cookie() {
    let server = Server::new(&[]);
    let archive = prepared(&server, &[]);
    add_user(&archive, "bob", &["--role", "agent"]);
    // A token of ours is a program that goes through the same proxy.
    let headers = ["X-Forwarded-User: ann", "X-Forwarded-Groups: callrec-admin"];
    let bearer = format!(
        "Authorization: Bearer {}",
        archive.token("one", "agent", &[])
    );
    let all = [&headers[..], &[&bearer]].concat();
    let reply = ask(&archive, PROXY, "GET /api/v1/audit", &all, "");
    assert_eq!(reply.status, 403, "{}", reply.text());
    // One that the proxy sends on to whoever is behind it is none of ours.
    let all = [&headers[..], &["Authorization: Bearer eyJhbGciOi"]].concat();
    let reply = ask(&archive, PROXY, "GET /api/v1/audit", &all, "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    // Whom the proxy names it is, not whose cookie was left in the browser.
    let body = format!("user=bob&password={}", PASSWORD.replace(' ', "+"));
    let form = [
        "Content-Type: application/x-www-form-urlencoded",
        "Sec-Fetch-Site: same-origin",
    ];
    let cookie = archive.ask("", "POST /login", &form, body.as_bytes());
    let cookie = format!("Cookie: {}", cookie.cookie());
    let page = ask(
        &archive,
        PROXY,
        "GET /",
        &[&headers[..], &[&cookie]].concat(),
        "",
    );
    let page = page.text();
    assert!(page.contains("ann") && !page.contains("bob"), "{page}");
    assert!(!page.contains("/logout"), "{page}");
}

#[test]
fn what_the_proxy_lets_through_is_asked_for_its_origin_and_logged() {
    let server = Server::new(&[]);
    record(&server, "1", "&device=d1", 20);
    record(&server, "2", "&device=d1", 20);
    let archive = prepared(&server, &[]);
    let token = archive.token("test", "admin", &[]);
    let found = archive.wait_for(&token, "", 2);
    let delete = |id: &str, user: &str, more: &[&str], password: Option<&str>| {
        let user = format!("X-Forwarded-User: {user}");
        let headers = [
            user.as_str(),
            "X-Forwarded-Groups: callrec-admin",
            "X-Forwarded-For: 192.0.2.7",
            "Content-Type: application/json",
        ];
        let body = match password {
            None => serde_json::json!({"reason": "test"}),
            Some(password) => serde_json::json!({"reason": "test", "password": password}),
        };
        let request = format!("DELETE /api/v1/recordings/{id}");
        let headers = [&headers[..], more].concat();
        let reply = ask(&archive, PROXY, &request, &headers, &body.to_string());
        (reply.status, reply.text())
    };
    let own = ["Sec-Fetch-Site: same-origin"];
    let ids: Vec<&str> = found
        .iter()
        .map(|one| one["id"].as_str().unwrap())
        .collect();
    // The proxy knows the browser by a cookie of its own: another site's page must not use it.
    let elsewhere = delete(ids[0], "ann", &["Sec-Fetch-Site: cross-site"], None);
    assert_eq!((elsewhere.0, elsewhere.1.contains("origin")), (403, true));
    assert_eq!(delete(ids[0], "ann", &[], None).0, 403);
    // Who has an account has a password as well, and is asked for it.
    add_user(&archive, "bob", &["--role", "admin"]);
    let without = delete(ids[0], "bob", &own, None);
    assert_eq!((without.0, without.1.contains("password")), (403, true));
    assert_eq!(delete(ids[0], "bob", &own, Some(PASSWORD)).0, 204);
    assert_eq!(delete(ids[1], "ann", &own, None).0, 204);
    let lines = archive.audit_lines();
    let of = |what: &str| -> Vec<String> {
        let lines = lines.iter().filter(|line| line["what"] == what);
        lines
            .map(|line| {
                format!("{} {} {}", line["who"], line["role"], line["from"]).replace('"', "")
            })
            .collect()
    };
    let both = ["bob admin 192.0.2.7", "ann admin 192.0.2.7"];
    assert_eq!(of("delete"), both);
    // Each came once, however often he asked.
    assert_eq!(of("login").len(), 2, "{lines:?}");
    assert!(archive.command(&["check"]).status.success());
}

#[test]
fn who_is_disabled_here_is_kept_out_at_once() {
    let server = Server::new(&[]);
    let mut phone = server.phone("1", "&device=d1");
    phone.send(50, false);
    let archive = prepared(&server, &[]);
    add_user(&archive, "bob", &["--role", "agent"]);
    let token = archive.token("test", "admin", &[]);
    archive.wait_for(&token, "state=running", 1);
    let bob: &[u8] = b"X-Forwarded-User: bob";
    let admin: &[u8] = b"X-Forwarded-Groups: callrec-admin";
    let mut events = open(&archive, PROXY, "GET /api/v1/events", &[bob, admin], "");
    assert_eq!(read_head(&mut events).0, 200);
    assert!(archive
        .command(&["user", "disable", "bob"])
        .status
        .success());
    // His stream ends although the call goes on, and his groups let him in no more.
    let _ = events.read_to_end(&mut vec![]);
    let headers = ["X-Forwarded-User: bob", "X-Forwarded-Groups: callrec-admin"];
    for _ in 0..3 {
        assert_eq!(status(&archive, PROXY, &headers), 403);
    }
    let refused = archive.audit_lines();
    let refused = refused.iter().filter(|line| line["what"] == "login-failed");
    assert_eq!(refused.count(), 1);
    phone.stop();
}

#[test]
fn without_a_trusted_proxy_the_headers_are_text() {
    let server = Server::new(&[]);
    let archive = Archive::new(&recordings(&server), &[]);
    let headers = ["X-Forwarded-User: ann", "X-Forwarded-Groups: callrec-admin"];
    for from in [Ipv4Addr::LOCALHOST, PROXY] {
        assert_eq!(status(&archive, from, &headers), 401);
    }
}
