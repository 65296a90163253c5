//! `callrec-server cloud`: the Web API as applications use it.

use std::process::Command;

use crate::common::{assert_fails, run};
use crate::harness::{ask, cloud, raw, token, token_until, unix_now, APP, KEY};

/// The command lines of the vendor's documents, but for host, id and key.
#[test]
#[ignore = "needs curl"]
fn the_vendors_curl_commands_work() {
    let server = cloud("");
    let _a = server.channel(1_003_538);
    let _b = server.channel(1_003_181);
    let shell = |command: &str| {
        let command = command
            .replace("api.topvdn.com", &server.address.to_string())
            .replace("mock-app-key-use-your-own-pls", KEY)
            .replace("X-APP-ID: mock", "X-APP-ID: Test");
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice::<serde_json::Value>(&output.stdout).unwrap()
    };
    let state = shell(
        r#"curl -X POST -H "X-APP-ID: mock" -H "X-APP-Key: mock-app-key-use-your-own-pls" -H "Content-Type: application/json" -d '{
    "cids": [1003538]
}' "http://api.topvdn.com/v2/devices/state?page=1&size=20""#,
    );
    let device = &state["devices"][0];
    assert_eq!(
        (&device["cid"], &device["state"]),
        (&1_003_538.into(), &1.into())
    );
    assert_eq!(device["tracker_ip"], "127.0.0.1");
    assert_eq!(device["tracker_port"], server.address.port());
    assert_eq!(
        (&state["page"], &state["size"], &state["total"]),
        (&1.into(), &20.into(), &1.into())
    );
    assert!(state["init_string"]
        .as_str()
        .unwrap()
        .contains("[Tracker]\r\nCount=1\r\nIP1=127.0.0.1\r\n"));
    let push = shell(
        r#"curl -X POST -H "Content-Type: application/json" -H "X-APP-ID: Test" -H "X-APP-Key: mock-app-key-use-your-own-pls" -H "Cache-Control: no-cache" -d '{
    "proxy": 0,
    "payload": {
        "msg": "aGVsbG8=",
        "flag": 3,
        "clients": [1003181]
    }
}' "http://api.topvdn.com/v2/message/server/push""#,
    );
    assert_eq!(push.as_object().unwrap().len(), 1);
    assert_eq!(push["request_id"].as_str().unwrap().len(), 32);
    let ids = shell(
        r#"curl -X GET -H "X-APP-ID: mock" -H "X-APP-Key: mock-app-key-use-your-own-pls" "http://api.topvdn.com/v2/devices/ids""#,
    );
    assert_eq!(ids["app_id"], "Test");
    assert_eq!(ids["cids"][0]["begin"], 1_000_000);
    assert_eq!(ids["cids"][0]["end"], 1_999_999);
}

#[test]
fn credentials_are_judged_before_everything_else() {
    let server = cloud("");
    let long = "x".repeat(70_000);
    for headers in [
        vec![],
        vec![("X-APP-ID", "Test")],
        vec![("X-APP-ID", "Test"), ("X-APP-Key", "wrong")],
        vec![("X-APP-ID", "Tes"), ("X-APP-Key", KEY)],
    ] {
        for (method, path) in [
            ("POST", "/v2/devices/state?page=0&size=1000"),
            ("POST", "/v2/message/server/push"),
            ("POST", "/v2/devices/tokens"),
            ("GET", "/v2/devices/ids"),
            ("GET", "/v2/apps/webhook"),
            ("POST", "/v2/apps/webhook"),
            ("POST", "/v2/devices/auth/cancellation"),
            ("GET", "/v2/streams"),
            ("DELETE", "/v2/streams/x"),
        ] {
            let reply = server.ask(method, path, &headers, "{");
            assert_eq!(reply.status, 401, "{method} {path} {headers:?}");
            assert_eq!(
                reply.header("x-request-id"),
                reply.json()["request_id"].as_str()
            );
        }
        let reply = server.ask("POST", "/v2/devices/state", &headers, &long);
        assert_eq!(reply.status, 401);
    }
    for token in [
        "",
        "1_2_3",
        &token_until(1_000_001, unix_now()),
        &token(2_000_000),
    ] {
        for (method, path) in [
            ("POST", "/v2/message/client/push"),
            ("GET", "/v2/channel"),
            ("POST", "/v2/channel/ack?id=x"),
            ("POST", "/stream/0123456789abcdef-1000001"),
        ] {
            let reply = server.ask(method, path, &[("X-Client-Token", token)], "{");
            assert_eq!(reply.status, 401, "{method} {path} {token}");
        }
    }
    let path = format!("/v2/channel/ack?id=5&client_token={}", token(1_000_001));
    assert_eq!(server.ask("POST", &path, &[], "").status, 200);
}

#[test]
fn states_are_paged_and_in_the_order_of_the_cids() {
    let server = cloud("");
    let _open: Vec<_> = [1_000_005, 1_000_001, 1_000_003]
        .map(|cid| server.channel(cid))
        .into();
    let page =
        |query: &str, body: &str| server.manage("POST", &format!("/v2/devices/state{query}"), body);
    let cids = |query: &str, body: &str| {
        let json = page(query, body).json();
        let devices = json["devices"].as_array().unwrap().clone();
        let cids: Vec<u64> = devices
            .iter()
            .map(|it| it["cid"].as_u64().unwrap())
            .collect();
        (cids, json["total"].as_u64().unwrap())
    };
    assert_eq!(cids("", ""), (vec![1_000_001, 1_000_003, 1_000_005], 3));
    assert_eq!(cids("", "{\"cids\":[]}").1, 3);
    assert_eq!(cids("?page=2&size=2", "{}"), (vec![1_000_005], 3));
    assert_eq!(cids("?page=9&size=2", "{}"), (vec![], 3));
    let named = "{\"cids\":[1000009,\"1000001\",1000001,5]}";
    assert_eq!(cids("", named), (vec![1_000_001, 1_000_009], 2));
    assert_eq!(server.state(1_000_009), 0);
    for (query, status) in [
        ("?page=0", 400),
        ("?size=0", 400),
        ("?page=x", 400),
        ("?size=-1", 400),
        ("?size=", 400),
        ("?size=101", 406),
        ("?size=100", 200),
        ("?page=18446744073709551615&size=100", 200),
    ] {
        assert_eq!(page(query, "{}").status, status, "{query}");
    }
    for body in [
        "{\"cids\":5}",
        "{\"cids\":[-1]}",
        "[]",
        "{",
        "{\"cids\":[4294967296]}",
    ] {
        assert_eq!(page("", body).status, 400, "{body}");
    }
}

#[test]
fn tokens_are_issued_and_revoked() {
    let server = cloud("");
    let issue = |body: &str| server.manage("POST", "/v2/devices/tokens", body);
    let json = issue("{\"cids\":[1000001,1000002]}").json();
    let first = json["tokens"][0]["token"].as_str().unwrap().to_owned();
    let expire = |token: &str| token.split('_').nth(2).unwrap().parse::<u64>().unwrap();
    assert!(first.starts_with("1000001_0_"));
    assert!((295..=301).contains(&(expire(&first) - unix_now())));
    let long = issue("{\"cids\":[1000001],\"duration\":86400}").json();
    assert!(expire(long["tokens"][0]["token"].as_str().unwrap()) > unix_now() + 86_000);
    let over = issue("{\"cids\":[1000003],\"duration\":86401}").json();
    assert!(expire(over["tokens"][0]["token"].as_str().unwrap()) < unix_now() + 400);
    assert_eq!(issue("{\"cids\":[1000001,5]}").status, 403);
    assert_eq!(issue("{}").status, 400);
    assert_eq!(issue("{\"cids\":[1000001],\"duration\":\"x\"}").status, 400);

    let mut channel = server.channel_with(&first);
    assert_eq!(channel.next_data(), r#"{"Name":"Online"}"#);
    let cancel = |body: &str| {
        server
            .manage("POST", "/v2/devices/auth/cancellation", body)
            .status
    };
    assert_eq!(cancel("{\"cids\":[5]}"), 403);
    assert_eq!(cancel("{\"cids\":[1000001]}"), 200);
    assert_eq!(
        channel.next_data(),
        r#"{"Name":"OffLine","Message":"revoked"}"#
    );
    assert_eq!(channel.next(), None);
    assert_eq!(server.channel_with(&first).head.status, 401);
    let json = issue("{\"cids\":[1000001]}").json();
    let new = json["tokens"][0]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.channel_with(&new).head.status, 200);
    let other = issue("{\"cids\":[1000002]}").json();
    let other = other["tokens"][0]["token"].as_str().unwrap().to_owned();
    assert_eq!(server.channel_with(&other).head.status, 200);
}

#[test]
fn what_there_is_not_is_refused_alike() {
    let server = cloud("");
    for (method, path, status) in [
        ("GET", "/", 404),
        ("POST", "/v2/devices/auth", 404),
        ("GET", "/v2/devices/state", 405),
        ("POST", "/v2/channel", 405),
        ("PATCH", "/v2/streams", 405),
    ] {
        let reply = server.manage(method, path, "");
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(
            reply.json()["request_id"].as_str(),
            reply.header("x-request-id")
        );
        assert_eq!(reply.header("allow").is_some(), status == 405, "{path}");
    }
    assert_eq!(server.ask("GET", "/healthz", &[], "").status, 200);
    assert!(server
        .ask("GET", "/metrics", &[], "")
        .header("x-request-id")
        .is_some());
    let long = format!("{{\"cids\":[{}]}}", vec!["1000001"; 9000].join(","));
    assert_eq!(
        server.manage("POST", "/v2/devices/state", &long).status,
        413
    );
    let endless = "x".repeat(10_000_000);
    assert_eq!(
        server.manage("POST", "/v2/devices/state", &endless).status,
        413
    );
    let reply = server.ask("GET", "/", &[("X-Long", &"x".repeat(17_000))], "");
    assert_eq!(reply.status, 431);
    assert_eq!(
        reply.json()["request_id"].as_str(),
        reply.header("x-request-id")
    );
}

#[test]
fn requests_that_two_programs_would_read_differently_are_refused() {
    let server = cloud("");
    for fields in [
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Content-Length : 2\r\n",
    ] {
        let bytes = format!("POST /v2/devices/state HTTP/1.1\r\nHost: x\r\n{fields}\r\n{{}}");
        let reply = raw(server.address, bytes.as_bytes());
        assert_eq!(reply.status, 400, "{fields}");
        assert_eq!(reply.header("connection"), Some("close"), "{fields}");
        assert!(reply.json()["request_id"].is_string());
    }
    // Chunks alone are fine.
    let [(_, id), (_, key)] = APP;
    let bytes = format!(
        "POST /v2/devices/state HTTP/1.1\r\nX-APP-ID: {id}\r\nX-APP-Key: {key}\r\n\
         Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"
    );
    assert_eq!(raw(server.address, bytes.as_bytes()).status, 200);
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_closed() {
    use std::io::{Read, Write};
    let server = cloud("");
    let [(_, id), (_, key)] = APP;
    let head = format!("POST /v2/devices/state HTTP/1.1\r\nX-APP-ID: {id}\r\nX-APP-Key: {key}\r\n");
    let begun = [
        String::new(),
        "GET / HT".into(),
        format!("{head}Content-Length: 9\r\n\r\n{{"),
    ];
    for bytes in begun {
        let mut stream = crate::harness::connect(server.address);
        stream.write_all(bytes.as_bytes()).unwrap();
        let mut answer = vec![];
        // The connection's end, with or without a reset.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty(),
            "{bytes}: {}",
            String::from_utf8_lossy(&answer)
        );
    }
}

#[test]
fn two_keys_of_an_app_are_good_and_devices_survive_a_restart() {
    let more = "app = Test DIR/new.key 2000000-2000009\npublic = cloud.example.org:80\n";
    let (dir, _) = crate::common::folder();
    let mut server = cloud(
        &more
            .replace("DIR/new", dir.join("new").to_str().unwrap())
            .replace("app = Test", {
                crate::harness::secret(&dir.join("new.key"), &KEY.replace('0', "f"));
                "app = Test"
            }),
    );
    let new = KEY.replace('0', "f");
    for key in [KEY, &new] {
        let headers = [("X-APP-ID", "Test"), ("X-APP-Key", key)];
        let json = ask(server.address, "GET", "/v2/devices/ids", &headers, "").json();
        assert_eq!(json["cids"].as_array().unwrap().len(), 1);
        assert_eq!(json["cids"][0]["end"], 2_000_009);
    }
    drop(server.channel(1_000_001));
    server.restart();
    let json = server.manage("POST", "/v2/devices/state", "").json();
    assert_eq!(json["total"], 1);
    assert_eq!(json["devices"][0]["state"], 0);
    assert_eq!(json["devices"][0]["tracker_ip"], "cloud.example.org");
    std::fs::remove_dir_all(dir).unwrap();
}

#[test]
fn keys_are_read_again_on_sighup() {
    let server = cloud("");
    let new = KEY.replace('0', "f");
    crate::harness::secret(&server.dir.join("app.key"), &new);
    let status = |key: &str| {
        let headers = [("X-APP-ID", "Test"), ("X-APP-Key", key)];
        ask(server.address, "GET", "/v2/devices/ids", &headers, "").status
    };
    assert_eq!((status(KEY), status(&new)), (200, 401));
    server.signal(nix::sys::signal::Signal::SIGHUP);
    crate::common::wait_for("the new key", || status(&new) == 200);
    assert_eq!(status(KEY), 401);
    std::fs::remove_file(server.dir.join("app.key")).unwrap();
    server.signal(nix::sys::signal::Signal::SIGHUP);
    crate::common::wait_for("the log", || server.log().contains("the old ones stay"));
    assert_eq!(status(&new), 200);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_line() {
    let folder = crate::common::made::Folder::new();
    let key = folder.path("key");
    crate::harness::secret(key.as_ref(), KEY);
    let long = "x".repeat(53);
    for (text, words) in [
        (
            format!("\nlisten = 0.0.0.0:0\napp = Test {key} 1-9\n"),
            "line 2: listen ",
        ),
        (
            format!("app = Test {key} 1-9\npublic = {long}:80\n"),
            "line 2: public ",
        ),
        ("listen = 127.0.0.1:0\n".into(), "app is missing"),
        (
            format!("app = Test {key} 1-9\napp = Test /no/such 1-9\n"),
            "line 2: app ",
        ),
        (format!("app = Test {key} 9-1\n"), "line 1: app "),
        (
            format!("app = Test {key} 1-9\nlisten = 5\n"),
            "line 2: listen ",
        ),
        (
            format!("app = Test {key} 1-9\ndatabase = postgres://x\n"),
            "line 2: database ",
        ),
        ("appp = 1\n".into(), "line 1: appp "),
    ] {
        let file = folder.file("conf", text.as_bytes());
        let output = run(
            env!("CARGO_BIN_EXE_callrec-server"),
            &["cloud", "-c", &file],
        );
        assert_fails(&output, 2, &[&file, words]);
        let output = run(
            env!("CARGO_BIN_EXE_callrec-server"),
            &["check", "--cloud", &file],
        );
        assert_fails(&output, 2, &[&file, words]);
    }
}
