//! A phone whose cloud and application server misbehave: it comes back, nobody is rung by mistake,
//! and no secret is in the log.
#![cfg(all(feature = "cloud", feature = "cloud-server"))]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;

use crate::common::Phone;
use crate::harness::hook::{reply, Hook, Request};

const CID: u32 = 1_000_001;
const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";

fn online(more: &str) -> Vec<u8> {
    format!("{HEAD}\r\ndata: {{\"Name\":\"Online\"}}\n\n{more}").into_bytes()
}

/// What comes instead of a channel.
fn answers() -> Vec<Vec<u8>> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        reply(500, "oops"),
        reply(406, "{}"),
        text("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/v2/channel\r\nContent-Length: 0\r\n\r\n"),
        text("SSH-2.0-OpenSSH_9.6\r\n"),
        text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        reply(200, &format!("data: {}\n\n", "x".repeat(10 << 20))),
    ]
}

fn phone(cloud: &Hook, calls: &Hook, token: &str) -> Phone {
    let phone = Phone::prepared("");
    let file = phone.path("cloud.token");
    crate::harness::secret(&file, token);
    phone.reconfigure(&format!(
        "cloudServer = {}/base\ncloudCalls = {}\ncloudCid = {CID}\ncloudTokenFile = {}\nintercomState = {}",
        cloud.url(),
        calls.url(),
        file.display(),
        phone.path("state").display()
    ));
    let mut phone = phone;
    phone.start();
    phone
}

#[test]
fn a_channel_that_is_none_is_opened_again() {
    for answer in answers() {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        let count = AtomicUsize::new(0);
        let cloud = Hook::new(move |request: &Request| {
            let is_channel = request.line.starts_with("GET /base/v2/channel ");
            if is_channel && count.fetch_add(1, Ordering::Relaxed) == 0 {
                return Some(answer.clone());
            }
            Some(if is_channel {
                online("")
            } else {
                reply(200, "{}")
            })
        });
        let calls = Hook::new(|_| Some(reply(200, "{}")));
        let token = crate::harness::token(CID);
        let phone = phone(&cloud, &calls, &token);
        let mut events = phone.control();
        events.ask("cmd=SubscribeRequest");
        events.until("CloudEvent", "online");
        assert_eq!(calls.requests().len(), 0, "{shown} is no call");
        let digest = token.rsplit('_').next().unwrap();
        assert!(
            !phone.log().contains(digest),
            "{shown}: a secret is in the log"
        );
    }
}

#[test]
fn messages_that_are_none_are_acknowledged_and_ignored() {
    let odd = "id: 1\ndata: {\"Name\":\"PopMessage\",\"Message\":\"////\",\"SrcID\":7,\"Flag\":2}\n\ndata: [[[[\n\n";
    let cloud = Hook::new(move |request: &Request| {
        let is_channel = request.line.starts_with("GET ");
        Some(if is_channel {
            online(odd)
        } else {
            reply(200, "{}")
        })
    });
    let calls = Hook::new(|_| Some(reply(200, "{}")));
    let phone = phone(&cloud, &calls, &crate::harness::token(CID));
    crate::common::wait_for("the acknowledgement", || {
        let requests = cloud.requests();
        let mut lines = requests.iter().map(|request| &request.line);
        lines.any(|line| line.starts_with("POST /base/v2/channel/ack?id=1 "))
    });
    let status = phone.ask("cmd=CallStatusRequest");
    assert_eq!(
        (status.value("count"), calls.requests().len()),
        ("0".into(), 0)
    );
}

#[test]
fn an_application_server_that_misbehaves_ends_the_call_with_a_reason() {
    let answers = [
        (reply(500, "oops"), "cloud-error"),
        (reply(302, "{}"), "cloud-error"),
        (reply(401, "{}"), "unauthorised"),
        (b"garbage\r\n".to_vec(), "cloud-error"),
        (
            reply(
                409,
                &format!("{{\"reason\":\"busy\",\"x\":\"{}\"}}", "x".repeat(10 << 20)),
            ),
            "cloud-error",
        ),
        (reply(409, "{\"reason\":\"busy\"}"), "busy"),
        (
            reply(424, "{\"reason\":\"\u{1b}[2Jodd & strange\"}"),
            "undefined",
        ),
    ];
    let current = Arc::new(AtomicUsize::new(0));
    let number = current.clone();
    let bodies: Vec<Vec<u8>> = answers.iter().map(|(body, _)| body.clone()).collect();
    let cloud = Hook::new(|_| Some(online("")));
    let calls = Hook::new(move |_| Some(bodies[number.load(Ordering::Relaxed)].clone()));
    let phone = phone(&cloud, &calls, &crate::harness::token(CID));
    let mut events = phone.watch();
    for (at, (_, expected)) in answers.iter().enumerate() {
        current.store(at, Ordering::Relaxed);
        let called = phone.ask("cmd=CallRequest&to=cloud:7");
        assert!(called.success(), "{called:?}");
        let ended = events.until("CallEvent", "ended");
        assert_eq!(ended.value("sid"), called.value("sid"));
        assert_eq!(&ended.value("reason"), expected, "{at}");
    }
}
