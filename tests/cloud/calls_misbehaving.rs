//! `callrec-server calls` with a cloud that misbehaves, and its configuration.

use std::time::{Duration, Instant};

use crate::common::made::Folder;
use crate::common::{assert_fails, run, wait_for};
use crate::harness::hook::{reply, Hook, Request};
use crate::harness::vendor::messages;
use crate::harness::{calls, Running, API_KEY, KEY};

const STATES: &str = r#"{"devices":[{"cid":1,"state":1,"tracker_ip":"203.0.113.1","tracker_port":80},{"cid":2,"state":1,"tracker_ip":"203.0.113.1","tracker_port":80}]}"#;

fn is_state(request: &Request) -> bool {
    request.line.contains("/v2/devices/state")
}

/// A cloud that answers the first question so, and pushes so.
fn with(state: Option<Vec<u8>>, push: Option<Vec<u8>>) -> (Hook, Running) {
    let hook = Hook::new(move |request| match is_state(request) {
        true => state.clone(),
        false => push.clone(),
    });
    let server = calls(&hook.url(), "");
    (hook, server)
}

fn call(server: &Running) -> (u16, String) {
    let reply = server.operate("POST", "/calls", "{\"from\":1,\"to\":2}");
    let reason = reply.json()["reason"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    // No secret is in an answer or a log, whatever the cloud does.
    for secret in [KEY, API_KEY] {
        assert!(!server.log().contains(secret) && !reply.text().contains(secret));
    }
    (reply.status, reason)
}

#[test]
fn answers_that_are_none_are_a_cloud_error() {
    let error = (502, "cloud-error".to_owned());
    let good = Some(reply(200, STATES));
    let long = format!("{{\"devices\":[],\"x\":\"{}\"}}", "x".repeat(10_000_000));
    let moved =
        b"HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n".to_vec();
    let bad = [
        reply(401, "no"),
        reply(406, ""),
        reply(500, "{}"),
        moved,
        reply(204, ""),
        b"SSH-2.0-garbage\r\n".to_vec(),
        reply(200, "garbage"),
        reply(200, "{}"),
        reply(200, "{\"devices\":7}"),
        reply(200, &long),
    ];
    for answer in &bad {
        let (hook, server) = with(Some(answer.clone()), good.clone());
        assert_eq!(
            call(&server),
            error,
            "{}",
            String::from_utf8_lossy(&answer[..40.min(answer.len())])
        );
        let asked_twice = answer.starts_with(b"HTTP/1.1 500");
        assert_eq!(hook.requests().len(), 1 + usize::from(asked_twice));
    }
    for answer in &bad[..6] {
        let (hook, server) = with(good.clone(), Some(answer.clone()));
        assert_eq!(call(&server), error);
        assert_eq!(
            hook.requests().iter().filter(|it| !is_state(it)).count(),
            1,
            "never twice"
        );
        let list = server.operate("GET", "/calls", "").json();
        assert_eq!(list["calls"], serde_json::json!([]), "it never was");
    }
}

#[test]
fn a_cloud_that_is_not_there_is_a_cloud_error() {
    let server = calls("http://127.0.0.1:1", "");
    assert_eq!(call(&server), (502, "cloud-error".into()));
    assert_eq!(server.metric("callrec_calls_cloud_problems_total"), 1);
    // One that does not speak TLS.
    let hook = Hook::with_statuses(&[]);
    let server = calls(&hook.url().replace("http://", "https://"), "");
    assert_eq!(call(&server), (502, "cloud-error".into()));
}

#[test]
fn a_cloud_that_hangs_is_a_time_out_and_a_push_is_cancelled() {
    let began = Instant::now();
    let (hook, server) = with(None, None);
    assert_eq!(call(&server), (504, "cloud-timeout".into()));
    assert!(began.elapsed() >= Duration::from_secs(6));
    assert_eq!(hook.requests().len(), 2);
    let (hook, server) = with(Some(reply(200, STATES)), None);
    assert_eq!(call(&server), (504, "cloud-timeout".into()));
    let pushes = || {
        let requests = hook.requests();
        let pushes = requests.iter().filter(|it| !is_state(it));
        pushes
            .map(|it| messages(&it.json())[0].3["t"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    wait_for("the cancel", || pushes() == ["call", "cancel"]);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_its_line() {
    let folder = Folder::new();
    let app = folder.path("app.key");
    let api = folder.path("api.key");
    crate::harness::secret(app.as_ref(), KEY);
    crate::harness::secret(api.as_ref(), API_KEY);
    let keys = format!("appId = Test\nappKeyFile = {app}\napiKeyFile = {api}\n");
    let server = env!("CARGO_BIN_EXE_callrec-server");
    for (text, words) in [
        (format!("{keys}cloud = http://api.topvdn.com\n"), "line 4: cloud would send the app's key over plain HTTP"),
        (format!("{keys}cloud = api.topvdn.com\n"), "line 4: cloud "),
        (keys.clone(), "cloud is missing"),
        (format!("{keys}cloud = http://127.0.0.1:1\ncontrol = 0xg\n"), "line 5: control "),
        (format!("{keys}cloud = http://127.0.0.1:1\ntransport = sip\n"), "line 5: transport "),
        (format!("appId = Test\nappKeyFile = /no/such\napiKeyFile = {api}\ncloud = http://127.0.0.1:1\n"), "line 2: appKeyFile "),
    ] {
        let file = folder.file("conf", text.as_bytes());
        assert_fails(&run(server, &["calls", "-c", &file]), 2, &[&file, words]);
        assert_fails(&run(server, &["check", &file]), 2, &[&file, words]);
    }
    let good =
        format!("{keys}cloud = http://api.topvdn.com\nallowPlainHttp = 1\ncontrol = 0xC0140000\n");
    let output = run(server, &["check", &folder.file("conf", good.as_bytes())]);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(
        printed.contains("control = 3222536192\n") && printed.contains("# pushHook =\n"),
        "{printed}"
    );
}
