//! `callrec-server calls` with `callrec-server cloud`: both programs, and devices on their channels.

use crate::common::wait_for;
use crate::harness::{calls, cloud, Events, Running};
use base64::prelude::{Engine as _, BASE64_STANDARD};
use serde_json::Value;

const A: u32 = 1_000_001;
const B: u32 = 1_000_002;
const SID: &str = "0123456789abcdef";

/// The next message of a call, acknowledged.
fn next(cloud: &Running, cid: u32, events: &mut Events) -> (u64, Value) {
    let (id, message) = events.next_message();
    let ack = cloud.as_device(cid, "POST", &format!("/v2/channel/ack?id={id}"), "");
    assert_eq!(ack.status, 200);
    let bytes = BASE64_STANDARD
        .decode(message["Message"].as_str().unwrap())
        .unwrap();
    (
        message["SrcID"].as_u64().unwrap(),
        serde_json::from_slice(&bytes).unwrap(),
    )
}

#[test]
fn two_devices_call_each_other() {
    let cloud = cloud("");
    let server = calls(&format!("http://{}", cloud.address), "transport = relay\n");
    let (mut a, mut b) = (cloud.channel(A), cloud.channel(B));
    let body = format!("{{\"to\":{B},\"sid\":\"{SID}\"}}");
    assert_eq!(server.as_device(A, "POST", "/calls", &body).status, 201);
    let (source, call) = next(&cloud, B, &mut b);
    assert_eq!(
        (source, &call["t"], &call["from"]),
        (A.into(), &"call".into(), &A.into())
    );
    assert_eq!(
        call["url"],
        format!("http://{}/stream/{SID}-{A}", cloud.address)
    );
    let view = || {
        server
            .as_device(A, "GET", &format!("/calls/{SID}"), "")
            .json()
    };
    wait_for("the acknowledgement", || view()["delivered"].is_u64());
    for (cid, action, other) in [(B, "ringing", A), (B, "accept", A), (A, "end", B)] {
        let path = format!("/calls/{SID}/{action}");
        assert_eq!(server.as_device(cid, "POST", &path, "").status, 200);
        let events = if other == A { &mut a } else { &mut b };
        let (source, message) = next(&cloud, other, events);
        assert_eq!((source, &message["t"]), (cid.into(), &action.into()));
    }
    assert_eq!(view()["state"], "ended");
}

#[test]
fn who_was_never_there_is_offline_and_who_cannot_be_is_unknown() {
    let cloud = cloud("");
    let server = calls(&format!("http://{}", cloud.address), "transport = relay\n");
    let _a = cloud.channel(A);
    let reason = |path: &str, from: u32, to: u32| {
        let reply = server.operate("POST", path, &format!("{{\"from\":{from},\"to\":{to}}}"));
        (
            reply.status,
            reply.json()["reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    assert_eq!(reason("/calls", A, B), (424, "callee-offline".into()));
    assert_eq!(reason("/calls", B, A), (424, "caller-offline".into()));
    // Nobody knows its tracker, so force does not help.
    assert_eq!(
        reason("/calls?force=1", B, A),
        (424, "caller-offline".into())
    );
    assert_eq!(reason("/calls", A, 5), (404, "unknown-device".into()));
    assert_eq!(reason("/calls?force=1", A, B).0, 201);
}

#[test]
fn topvdn_urls_name_the_cloud_as_tracker() {
    let cloud = cloud("");
    let server = calls(&format!("http://{}", cloud.address), "");
    let (_a, mut b) = (cloud.channel(A), cloud.channel(B));
    let body = format!("{{\"from\":{A},\"to\":{B}}}");
    assert_eq!(server.operate("POST", "/calls", &body).status, 201);
    let (_, call) = next(&cloud, B, &mut b);
    let start = format!(
        "topvdn://{}?protocolType=1&token={A}_3222536192_",
        cloud.address
    );
    assert!(call["url"].as_str().unwrap().starts_with(&start), "{call}");
}
