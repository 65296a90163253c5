//! `callrec run` as a door unit: the test plays the home's box, and looks at calls through the control
//! socket.

use std::net::TcpStream;

use crate::common::intercom_peer::{accept, call_req, door, listen, Peer};
use crate::common::{wait_for, Phone};
use serde_json::json;

#[test]
fn a_door_calls_and_is_opened() {
    let (phone, _) = door();
    let (home, port) = listen();
    let mut events = phone.watch();
    let call = phone.ask(&format!(
        "cmd=CallRequest&to=2-1-201&ip=127.0.0.1&port={port}"
    ));
    assert!(call.success(), "{call:?}");
    let sid = call.value("sid");
    let calling = events.until("CallEvent", "calling");
    assert_eq!(calling.value("sid"), sid);
    let mut home = accept(&home);
    let request = home.expect("call_req");
    assert_eq!(request["sid"], json!(sid));
    assert_eq!(request["src"]["id"], "2-1-1");
    assert_eq!(request["dest"]["port"], port);
    let video = request["src"]["video_stream_id"].as_str().unwrap();
    let published = format!("http://127.0.0.1:954/stream/{video}");
    assert_eq!(calling.value("publish_video"), published);

    home.say("call_keep", json!({"sid": sid}));
    events.until("CallEvent", "ringing");
    home.say("call_accept", json!({"sid": sid, "src": {"id": "pad-2"}}));
    let talking = events.until("CallEvent", "talking");
    let audio = request["dest"]["audio_stream_id"].as_str().unwrap();
    assert_eq!(
        talking.value("play_audio"),
        format!("http://127.0.0.1:954/stream/{audio}")
    );
    let status = phone.control().ask_lines("cmd=CallStatusRequest");
    assert_eq!(
        (status[0].value("sid"), status[0].value("state")),
        (sid.clone(), "talking".into())
    );
    assert_eq!(status[1].value("count"), "1");

    home.say("open_door", json!({"sid": sid, "door": 1, "ack": true}));
    let asked = events.until("DoorEvent", "requested");
    assert_eq!(
        (asked.value("door"), asked.value("by")),
        ("1".into(), "pad-2".into())
    );
    let result = phone.ask(&format!("cmd=OpenDoorResult&sid={sid}&door=1&ok=1"));
    assert!(result.success(), "{result:?}");
    let result = home.expect("open_door_result");
    assert_eq!((&result["ok"], &result["door"]), (&json!(true), &json!(1)));

    home.say("call_end", json!({"sid": sid, "reason": "hangup"}));
    let ended = events.until("CallEvent", "ended");
    assert_eq!(ended.value("reason"), "hangup");
    home.assert_closed();
    let log = phone.control().ask_lines("cmd=CallLogRequest");
    assert_eq!(log.len(), 2, "{log:?}");
    let words = ["sid", "state", "by", "opened"].map(|key| log[0].value(key));
    assert_eq!(words, [sid, "answered".into(), "pad-2".into(), "1".into()]);
    phone.wait_until_asleep();
}

#[test]
fn a_door_without_a_program_says_so_at_once() {
    let (phone, port) = door();
    let mut home = Peer::of(TcpStream::connect(("127.0.0.1", port)).unwrap());
    // What deployed peers send: numbers as ids, no sid, a call_keep before the request.
    home.raw(r#"{"id":"","name":"call_keep","values":{"sid":""}}"#);
    home.raw(r#"{"name":"call_req","values":{"sid":"","src":{"id":"2-1-201","type":2,"audio_stream_id":5678},"dest":{"type":3,"video_stream_id":5679}}}"#);
    let mut sid = String::new();
    wait_for("a call", || {
        sid = phone.control().ask_lines("cmd=CallStatusRequest")[0].value("sid");
        !sid.is_empty()
    });
    let accept = phone.ask(&format!("cmd=CallAcceptRequest&sid={sid}"));
    assert_eq!(
        accept.value("publish_video"),
        "http://127.0.0.1:954/stream/5679"
    );
    assert_eq!(
        accept.value("play_audio"),
        "http://127.0.0.1:954/stream/5678"
    );
    let accepted = home.expect("call_accept");
    assert_eq!(accepted["sid"], "");
    home.say("open_door", json!({"sid": "", "ack": true}));
    let result = home.expect("open_door_result");
    assert_eq!(
        (&result["ok"], &result["reason"]),
        (&json!(false), &json!("no_app"))
    );

    let mut other = Peer::of(TcpStream::connect(("127.0.0.1", port)).unwrap());
    other.say("call_req", call_req("second"));
    let busy = other.expect("call_reject");
    assert_eq!((&busy["sid"], &busy["code"]), (&json!("second"), &json!(1)));
    other.assert_closed();

    let end = phone.ask(&format!("cmd=CallEndRequest&sid={sid}"));
    assert!(
        end.success() && !end.value("duration_ms").is_empty(),
        "{end:?}"
    );
    assert_eq!(home.expect("call_end")["reason"], "hangup");
    home.assert_closed();
    let states = phone.control().ask_lines("cmd=CallLogRequest");
    let states: Vec<String> = states.iter().map(|line| line.value("state")).collect();
    assert_eq!(states, ["busy", "answered", ""]);
}

#[test]
fn a_door_reaches_nobody() {
    let (phone, _) = door();
    let mut events = phone.watch();
    let (listener, port) = listen();
    drop(listener);
    let call = phone.ask(&format!(
        "cmd=CallRequest&to=2-1-201&ip=127.0.0.1&port={port}"
    ));
    assert!(call.success(), "what fails later is an event: {call:?}");
    assert_eq!(
        events.until("CallEvent", "ended").value("reason"),
        "unreachable"
    );
    for (keys, word) in [
        ("to=2-1-201", "bad-request"),
        ("to=2-1-201&ip=127.0.0.1&rtp=127.0.0.1", "bad-request"),
        ("to=2-1-201&ip=fd00::1", "bad-request"),
    ] {
        assert_eq!(phone.ask(&format!("cmd=CallRequest&{keys}")).reason(), word);
    }
    assert_eq!(
        phone.ask("cmd=CallEndRequest&sid=none").reason(),
        "unknown-id"
    );
}

#[test]
fn a_daemon_that_ends_hangs_up_first() {
    let (mut phone, _) = door();
    let (home, port) = listen();
    let call = phone.ask(&format!(
        "cmd=CallRequest&to=2-1-201&ip=127.0.0.1&port={port}"
    ));
    let mut home = accept(&home);
    home.expect("call_req");
    home.say("call_accept", json!({}));
    wait_for("the answer", || {
        let status = phone.control().ask_lines("cmd=CallStatusRequest");
        status[0].value("state") == "talking"
    });
    assert_eq!(phone.end(), Some(0));
    assert_eq!(home.expect("call_end")["reason"], "hangup");
    home.assert_closed();
    phone.start();
    let log = phone.control().ask_lines("cmd=CallLogRequest");
    assert_eq!(log[0].value("sid"), call.value("sid"));
    assert_eq!(log[0].value("state"), "answered");
}

#[test]
fn a_phone_without_a_role_refuses() {
    let phone = Phone::new("");
    for request in [
        "CallRequest&to=2-1-201",
        "CallLogRequest",
        "OpenDoorResult&sid=1&ok=1",
    ] {
        assert_eq!(phone.ask(&format!("cmd={request}")).reason(), "disabled");
    }
    assert_eq!(phone.ask("cmd=CallRequest").reason(), "bad-request");
    let unknown = phone.ask("cmd=CallStopRequest");
    assert!(
        unknown.value("reason").contains("unknown command"),
        "the recorder's: {unknown:?}"
    );
    phone.wait_until_asleep();
}
