//! `callrec-server cloud`: webhooks.

use crate::common::wait_for;
use crate::harness::hook::Hook;
use crate::harness::{cloud, token, KEY};
use callrec::wire::cloud::digests::{event_sign, event_sign2};

const A: u32 = 1_000_001;

fn settings(server: &crate::harness::Running) -> (String, String) {
    let json = server.manage("GET", "/v2/apps/webhook", "").json();
    let text = |key: &str| json[key].as_str().unwrap().to_owned();
    (text("webhook"), text("state_webhook"))
}

#[test]
fn states_are_reported_in_order_signed_and_again_after_a_failure() {
    let hook = Hook::with_statuses(&[500, 302]);
    let server = cloud(&format!(
        "presence = 1\nstateWebhook = {}/state\n",
        hook.url()
    ));
    drop(server.channel(A));
    let requests = hook.wait_for(4);
    let [first, second, third, last] = &requests[..] else {
        panic!("{requests:?}")
    };
    for again in [second, third] {
        assert_eq!(first.body, again.body);
        for name in [
            "x-event-id",
            "x-event-time",
            "x-event-sign",
            "x-event-sign2",
        ] {
            assert_eq!(first.header(name), again.header(name));
        }
    }
    assert_eq!(first.line, "POST /state HTTP/1.1");
    assert_eq!(first.header("user-agent"), "Topvdn");
    assert_eq!(first.header("x-app-id"), "Test");
    assert_eq!(first.header("x-topvdn-event"), "device-state");
    let body = first.body.as_bytes();
    assert_eq!(
        first.header("x-event-sign"),
        event_sign("Test", body, KEY.as_bytes())
    );
    let time = first.header("x-event-time").parse().unwrap();
    let sign2 = event_sign2(KEY.as_bytes(), first.header("x-event-id"), time, body);
    assert_eq!(first.header("x-event-sign2"), sign2);
    let json = first.json();
    assert_eq!(
        (&json["event"], &json["data"]["device"]),
        (&"device-state".into(), &A.into())
    );
    assert_eq!(json["data"]["state"], 1);
    assert!(json["data"].get("cid").is_none());
    assert_eq!(last.json()["data"]["state"], 0);
    assert!(last.header("x-event-id") != first.header("x-event-id"));
}

#[test]
fn messages_of_devices_reach_the_app() {
    let hook = Hook::with_statuses(&[]);
    let server = cloud(&format!("webhook = {}\n", hook.url()));
    let body = format!(
        "{{\"msg\":\"aGVsbG8=\",\"callback\":1,\"access_tokens\":[\"{}\"]}}",
        token(A)
    );
    assert_eq!(
        server
            .as_device(1_000_002, "POST", "/v2/message/client/push", &body)
            .status,
        200
    );
    let request = hook.wait_for(1).remove(0);
    assert_eq!(request.header("x-topvdn-event"), "device-message");
    let data = &request.json()["data"];
    assert_eq!(
        (&data["msg"], &data["from"]),
        (&"aGVsbG8=".into(), &1_000_002.into())
    );
    assert_eq!(data["to"], serde_json::json!([A]));
    assert!(data["created"].as_u64().unwrap() > 1_700_000_000);
    let silent = "{\"msg\":\"aGVsbG8=\",\"access_tokens\":[]}";
    assert_eq!(
        server
            .as_device(A, "POST", "/v2/message/client/push", silent)
            .status,
        200
    );
    let alone = "{\"msg\":\"bG9uZQ==\",\"callback\":1,\"access_tokens\":[]}";
    assert_eq!(
        server
            .as_device(A, "POST", "/v2/message/client/push", alone)
            .status,
        200
    );
    assert_eq!(
        hook.wait_for(2)[1].json()["data"]["to"],
        serde_json::json!([])
    );
}

#[test]
fn addresses_are_changed_deleted_and_kept_over_a_restart() {
    let mut server = cloud("webhook = http://127.0.0.1:9/first\n");
    let change = |server: &crate::harness::Running, body: &str| {
        server.manage("POST", "/v2/apps/webhook", body).status
    };
    let first = ("http://127.0.0.1:9/first".to_owned(), String::new());
    assert_eq!(settings(&server), first);
    for body in [
        "{\"webhook\":\"ftp://x\",\"state_webhook\":\"\"}",
        "{\"webhook\":5}",
        "{\"state_webhook\":\"x\"}",
    ] {
        assert_eq!(change(&server, body), 400, "{body}");
    }
    assert_eq!(settings(&server), first);
    assert_eq!(
        change(&server, "{\"state_webhook\":\"https://a.example/s\"}"),
        200
    );
    assert_eq!(settings(&server), (first.0, "https://a.example/s".into()));
    assert_eq!(change(&server, "{\"webhook\":\"\"}"), 200);
    server.restart();
    assert_eq!(
        settings(&server),
        (String::new(), "https://a.example/s".into())
    );
}

#[test]
fn a_hundred_events_wait_for_a_device() {
    let hook = Hook::new(|_| None);
    let server = cloud(&format!("webhook = {}\n", hook.url()));
    let alone = "{\"msg\":\"bG9uZQ==\",\"callback\":1,\"access_tokens\":[]}";
    for _ in 0..103 {
        assert_eq!(
            server
                .as_device(A, "POST", "/v2/message/client/push", alone)
                .status,
            200
        );
    }
    hook.wait_for(1);
    wait_for("the bound", || {
        server.metric("callrec_cloud_webhooks_dropped_total") >= 2
    });
    assert_eq!(server.metric("callrec_cloud_webhooks_waiting"), 100);
}
