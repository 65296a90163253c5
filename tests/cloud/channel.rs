//! `callrec-server cloud`: channels of devices, messages and their acknowledgements.

use std::time::{Duration, Instant};

use crate::common::wait_for;
use crate::harness::{cloud, token, token_until, unix_now, Running};

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;

fn push(server: &Running, flag: &str, to: u32) -> u16 {
    let body =
        format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"aGVsbG8=\"{flag},\"clients\":[{to}]}}}}");
    server
        .manage("POST", "/v2/message/server/push", &body)
        .status
}

#[test]
fn a_channel_is_what_the_contract_says() {
    let server = cloud("");
    let channel = server.channel_with(&token(A));
    let head = &channel.head;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    assert_eq!(head.header("cache-control"), Some("no-cache"));
    assert_eq!(head.header("x-accel-buffering"), Some("no"));
    assert_eq!(head.header("x-request-id").unwrap().len(), 32);
    assert_eq!(server.state(A), 1);
}

#[test]
fn messages_arrive_with_sender_and_flag() {
    let server = cloud("");
    let mut channel = server.channel(A);
    assert_eq!(push(&server, ",\"flag\":3", A), 200);
    let (_, message) = channel.next_message();
    let expected = serde_json::json!({"Name":"PopMessage","Message":"aGVsbG8=","SrcID":0,"Flag":3});
    assert_eq!(message, expected);
    let body = format!(
        "{{\"proxy\":1,\"payload\":[{{\"from\":{B},\"to\":{A},\"flag\":3,\"msg\":\"eA==\"}}]}}"
    );
    assert_eq!(
        server
            .manage("POST", "/v2/message/server/push", &body)
            .status,
        200
    );
    assert_eq!(channel.next_message().1["SrcID"], B);
    let body = format!(
        "{{\"msg\":\"eQ==\",\"flag\":3,\"access_tokens\":[\"{}\"]}}",
        token(A)
    );
    assert_eq!(
        server
            .as_device(B, "POST", "/v2/message/client/push", &body)
            .status,
        200
    );
    let (_, message) = channel.next_message();
    assert_eq!(
        (&message["SrcID"], &message["Message"]),
        (&B.into(), &"eQ==".into())
    );
}

#[test]
fn bodies_are_all_or_nothing() {
    let server = cloud("");
    let mut channel = server.channel(A);
    let post = |body: &str| {
        server
            .manage("POST", "/v2/message/server/push", body)
            .status
    };
    let long = "A".repeat(344); // 258 bytes
    for (body, status) in [
        (format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"eA==\",\"clients\":[{A},5]}}}}"), 403),
        (format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"eA==\",\"clients\":[{A},\"x\"]}}}}"), 400),
        (format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"e!\",\"clients\":[{A}]}}}}"), 400),
        (format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"{long}\",\"clients\":[{A}]}}}}"), 400),
        (format!("{{\"proxy\":0,\"payload\":{{\"msg\":\"eA==\",\"flag\":4,\"clients\":[{A}]}}}}"), 400),
        (format!("{{\"proxy\":0,\"payload\":{{\"clients\":[{A}]}}}}"), 400),
        ("{\"proxy\":0,\"payload\":{\"msg\":\"eA==\"}}".into(), 400),
        (format!("{{\"proxy\":2,\"payload\":{{\"msg\":\"eA==\",\"clients\":[{A}]}}}}"), 400),
        (format!("{{\"proxy\":1,\"payload\":{{\"msg\":\"eA==\",\"clients\":[{A}]}}}}"), 400),
        (format!("{{\"proxy\":1,\"payload\":[{{\"from\":{B},\"to\":{A},\"msg\":\"eA==\"}},{{\"from\":5,\"to\":{A},\"msg\":\"eA==\"}}]}}"), 403),
        (format!("{{\"proxy\":1,\"payload\":[{{\"from\":{B},\"to\":{A},\"msg\":\"eA==\"}},{{\"to\":{A},\"msg\":\"eA==\"}}]}}"), 400),
    ] {
        assert_eq!(post(&body), status, "{body}");
    }
    let body = format!(
        "{{\"msg\":\"eQ==\",\"access_tokens\":[\"{}\",\"1_2_3\"]}}",
        token(A)
    );
    assert_eq!(
        server
            .as_device(B, "POST", "/v2/message/client/push", &body)
            .status,
        401
    );
    assert_eq!(push(&server, ",\"flag\":3", A), 200);
    assert_eq!(channel.next_message().1["Message"], "aGVsbG8=");
    assert_eq!(server.metric("callrec_cloud_pushed_total"), 1);
}

#[test]
fn flag_2_is_sent_again_until_it_is_acknowledged_also_on_a_new_channel() {
    let server = cloud("");
    let mut first = server.channel(A);
    assert_eq!(push(&server, "", A), 200);
    let (id, message) = first.next_message();
    assert_eq!(message["Flag"], 2);
    drop(first);
    let mut second = server.channel(A);
    assert_eq!(second.next_message(), (id.clone(), message));
    let ack = |cid, id: &str| {
        server
            .as_device(cid, "POST", &format!("/v2/channel/ack?id={id}"), "")
            .status
    };
    // Of another device: of no effect.
    assert_eq!(ack(B, &id), 200);
    assert_eq!(server.metric("callrec_cloud_acknowledged_total"), 0);
    assert_eq!(ack(A, &id), 200);
    assert_eq!(ack(A, &id), 200);
    assert_eq!(ack(A, "99"), 200);
    assert_eq!(ack(A, ""), 400);
    assert_eq!(server.metric("callrec_cloud_acknowledged_total"), 1);
    assert_eq!(server.metric("callrec_cloud_messages_waiting"), 0);
}

#[test]
fn five_sends_in_eleven_seconds_and_no_more() {
    let server = cloud("");
    let mut channel = server.channel(A);
    let began = Instant::now();
    assert_eq!(push(&server, "", A), 200);
    let ids: Vec<String> = (0..5).map(|_| channel.next_message().0).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert!(began.elapsed() >= Duration::from_millis(10_500));
    wait_for("the end of the message", || {
        server.metric("callrec_cloud_unacknowledged_total") == 1
    });
    assert_eq!(server.metric("callrec_cloud_sends_total"), 5);
}

#[test]
fn sixteen_messages_wait_and_the_oldest_goes() {
    let server = cloud("");
    for _ in 0..17 {
        assert_eq!(push(&server, "", A), 200);
    }
    assert_eq!(server.metric("callrec_cloud_displaced_total"), 1);
    assert_eq!(server.metric("callrec_cloud_messages_waiting"), 16);
    assert_eq!(push(&server, ",\"flag\":3", A), 200);
    assert_eq!(server.metric("callrec_cloud_messages_waiting"), 16);
}

#[test]
fn a_second_channel_closes_the_first_and_presence_outlasts_both() {
    let server = cloud("presence = 2\n");
    let mut first = server.channel(A);
    let second = server.channel(A);
    assert_eq!(
        first.next_data(),
        r#"{"Name":"OffLine","Message":"replaced"}"#
    );
    assert_eq!(first.next(), None);
    drop(first);
    assert_eq!(server.state(A), 1);
    drop(second);
    wait_for("the channel's end", || {
        server.metric("callrec_cloud_channels") == 0
    });
    assert_eq!(server.state(A), 1);
    wait_for("the presence's end", || server.state(A) == 0);
}

#[test]
fn a_token_is_judged_when_the_request_begins() {
    let server = cloud("");
    let expire = unix_now() + 2;
    let mut channel = server.channel_with(&token_until(A, expire));
    assert_eq!(channel.next_data(), r#"{"Name":"Online"}"#);
    wait_for("the token's end", || unix_now() > expire);
    assert_eq!(push(&server, ",\"flag\":3", A), 200);
    channel.next_message();
    assert_eq!(
        server.channel_with(&token_until(A, expire)).head.status,
        401
    );
}

#[test]
fn a_channel_says_that_it_lives() {
    let server = cloud("");
    let mut channel = server.channel(A);
    assert_eq!(channel.next().unwrap(), ": ");
}
