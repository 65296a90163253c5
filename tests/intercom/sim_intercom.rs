//! `callrec-sim door|screen|property`: what they send, print and return, with peers that the test
//! plays in plain JSON.
#![cfg(feature = "sim")]

use crate::common::intercom::{assert_random, listen, of_call, Device, Peer, CALL_REQ};
use crate::common::made::Folder;
use crate::common::{assert_fails, run};
use serde_json::{json, Value};

/// A door and the box that it calls; the values of its `call_req`.
fn door(arguments: &[&str]) -> (Device, Peer, Value) {
    let (listener, address) = listen();
    let mut device = Device::sim(&[&["door", "--box", &address], arguments].concat());
    let mut peer = Peer::accept(&listener);
    let request = peer.hear("call_req");
    let sid = request["sid"].as_str().unwrap();
    let line = device.says("calling to=");
    assert!(line.ends_with(&format!(" sid={sid}")), "{line}");
    (device, peer, request)
}

#[test]
fn a_door_calls_keeps_alive_opens_and_is_hung_up() {
    let (mut device, mut peer, request) = door(&["--id", "2-1-9", "--open-door-expected"]);
    assert_random(&request["sid"]);
    let (src, dest) = (&request["src"], &request["dest"]);
    assert_eq!((&src["id"], &src["type"]), (&json!("2-1-9"), &json!(3)));
    assert_eq!(src["ip"], "127.0.0.1");
    assert_random(&src["video_stream_id"]);
    assert_eq!((&dest["id"], &dest["type"]), (&json!("2-1-201"), &json!(1)));
    assert_random(&dest["audio_stream_id"]);
    let keep = peer.hear_any().unwrap();
    assert_eq!(keep["name"], "call_keep");
    assert_eq!(keep["values"]["sid"], request["sid"]);

    let sid = request["sid"].as_str().unwrap();
    peer.say(&of_call("open_door", sid, json!({ "ack": true })));
    assert_eq!(device.says("not_opened "), "door=0 reason=unauthorised");
    assert_eq!(peer.hear("open_door_result")["ok"], false);
    peer.say(&of_call("call_accept", "another call", json!({})));
    peer.say(&of_call("call_accept", sid, json!({"src": {"id": "7c"}})));
    assert_eq!(device.says("answered "), "by=7c");
    peer.say(&of_call("open_door", sid, json!({ "ack": true })));
    assert_eq!(device.says("opened "), "door=0");
    let result = peer.hear("open_door_result");
    assert_eq!((&result["ok"], &result["sid"]), (&json!(true), &json!(sid)));
    peer.say(&of_call("call_end", sid, json!({"reason": "hangup"})));
    assert_eq!(device.says("ended "), "reason=hangup");
    peer.hear_end();
    device.succeeds();
}

#[test]
fn a_door_hangs_up_by_itself() {
    let (mut device, mut peer, _) = door(&["--seconds", "0.1"]);
    peer.say("{\n \"id\" : \"\",\n \"name\" : \"call_accept\"\n}\n");
    assert_eq!(device.says("answered "), "by=");
    assert_eq!(peer.hear("call_end")["reason"], "hangup");
    assert_eq!(device.says("ended "), "reason=hangup");
    peer.hear_end();
    device.succeeds();
}

#[test]
fn a_door_that_nobody_opens_fails_if_that_was_expected() {
    let (mut device, mut peer, _) = door(&["--seconds", "0", "--open-door-expected"]);
    peer.say(r#"{"name":"call_accept"}"#);
    peer.hear("call_end");
    device.fails("nobody opened the door");
}

#[test]
fn a_busy_box_rejects_a_door_before_it_has_called() {
    let (listener, address) = listen();
    let mut device = Device::sim(&["door", "--box", &address]);
    let mut peer = Peer::accept(&listener);
    peer.say(r#"{"id":"","name":"call_reject","values":{"code":1,"message":"line busy"}}"#);
    drop(peer);
    device.says("calling ");
    assert_eq!(device.says("rejected "), "reason=line_busy");
    device.fails("the call was rejected: line_busy");
}

#[test]
fn a_door_notices_that_the_box_has_gone() {
    let (mut device, peer, _) = door(&[]);
    drop(peer);
    assert_eq!(device.says("ended "), "reason=lost");
    device.fails("ended before it was answered: lost");

    let (mut device, mut peer, _) = door(&[]);
    peer.say(r#"{"name":"call_accept"}"#);
    device.says("answered ");
    drop(peer);
    assert_eq!(device.says("ended "), "reason=lost");
    device.succeeds();
}

#[test]
fn a_peer_that_has_kept_alive_and_falls_silent_is_lost() {
    let (mut device, mut peer, request) = door(&["--seconds", "600"]);
    peer.say(r#"{"name":"call_accept"}"#);
    let sid = request["sid"].as_str().unwrap();
    peer.say(&of_call("call_keep", sid, json!({})));
    device.says("answered ");
    assert_eq!(device.says("ended "), "reason=lost");
    device.succeeds();
}

/// A screen, and its box, which has let it join.
fn screen(arguments: &[&str]) -> (Device, Peer) {
    let (mut device, mut peer) = joining_screen(arguments);
    peer.say(r#"{"name":"join_accept","values":{"room_id":"2-1-201"}}"#);
    assert_eq!(device.says("joined "), "room=2-1-201");
    (device, peer)
}

fn joining_screen(arguments: &[&str]) -> (Device, Peer) {
    let folder = Folder::new();
    let token = folder.file("token", b"a.token\n");
    let (listener, address) = listen();
    let first = ["screen", "--box", &address, "--token-file", &token];
    let device = Device::sim(&[&first, arguments].concat());
    let mut peer = Peer::accept(&listener);
    assert_eq!(peer.hear("join_family")["token"], "a.token");
    (device, peer)
}

#[test]
fn a_screen_answers_opens_the_door_and_refuses_a_second_call() {
    let (mut device, mut peer) = screen(&["--id", "7c", "--open-door", "--calls", "1"]);
    peer.say(CALL_REQ);
    assert_eq!(device.says("ringing "), "from=2-1-1 sid=c0ffee");
    let accept = peer.hear("call_accept");
    assert_eq!(
        (&accept["sid"], &accept["src"]["id"]),
        (&json!("c0ffee"), &json!("7c"))
    );
    device.says("answered");
    let open = peer.hear("open_door");
    assert_eq!(open["ack"], true);
    peer.say(&of_call("open_door_result", "c0ffee", json!({"ok": true})));
    assert_eq!(device.until("opened "), "door=0");

    peer.say(CALL_REQ);
    peer.say(&CALL_REQ.replace("c0ffee", "decaf"));
    let reject = peer.hear("call_reject");
    assert_eq!(
        (&reject["sid"], &reject["reason"]),
        (&json!("decaf"), &json!("line_busy"))
    );
    assert_eq!(device.says("busy "), "from=2-1-1 sid=decaf");
    let keep = peer.hear_any().unwrap();
    assert_eq!(keep["name"], "call_keep");
    peer.say(&of_call("call_end", "decaf", json!({})));
    peer.say(r#"{"name":"call_end"}"#);
    assert_eq!(device.says("ended "), "reason=undefined");
    device.succeeds();
}

#[test]
fn a_screen_shows_that_a_door_does_not_open() {
    let (mut device, mut peer) = screen(&["--open-door", "--answer"]);
    peer.say(CALL_REQ);
    device.until("answered");
    peer.hear("call_accept");
    peer.hear("open_door");
    assert_eq!(device.says("not_opened "), "door=0 reason=unknown");
    peer.say(&of_call(
        "open_door_result",
        "c0ffee",
        json!({"door": 0, "ok": false, "reason": "no_app"}),
    ));
    assert_eq!(device.says("not_opened "), "door=0 reason=no_app");
}

#[test]
fn a_screen_rejects_or_lets_it_ring() {
    let (mut device, mut peer) = screen(&["--reject", "--calls", "2"]);
    for _ in 0..2 {
        peer.say(CALL_REQ);
        assert_eq!(peer.hear("call_reject")["reason"], "declined");
        device.says("ringing ");
        assert_eq!(device.says("rejected "), "reason=declined");
        peer.say(r#"{"name":"call_end"}"#);
    }
    device.succeeds();

    let (mut device, mut peer) = screen(&["--ignore", "--calls", "1"]);
    peer.say(CALL_REQ);
    device.says("ringing ");
    let end = json!({"reason": "answered_elsewhere"});
    peer.say(&of_call("call_end", "c0ffee", end));
    assert_eq!(device.says("ended "), "reason=answered_elsewhere");
    peer.hear_end();
    device.succeeds();
}

#[test]
fn a_screen_that_is_refused_replaced_or_alone_says_so() {
    let (mut device, mut peer) = joining_screen(&[]);
    peer.say(r#"{"name":"join_reject","values":{"reason":"unauthorised"}}"#);
    assert_eq!(device.until("refused "), "reason=unauthorised");
    device.fails("the box refused this screen: unauthorised");

    let replaced = r#"{"name":"join_reject","values":{"reason":"replaced"}}"#;
    let (mut device, mut peer) = screen(&[]);
    peer.say(replaced);
    assert_eq!(device.until("refused "), "reason=replaced");
    device.fails("the box refused this screen: replaced");

    let (mut device, mut peer) = screen(&[]);
    peer.say(CALL_REQ);
    device.until("answered");
    peer.say(replaced);
    assert_eq!(device.says("ended "), "reason=lost");
    assert_eq!(device.until("refused "), "reason=replaced");
    device.fails("the box refused this screen: replaced");

    let (mut device, peer) = screen(&[]);
    drop(peer);
    device.fails("the box is gone");
}

#[test]
fn a_screen_shows_alarms_also_during_a_call() {
    let (mut device, mut peer) = screen(&["--ignore"]);
    peer.say(r#"{"name":"emergency","values":{"port":3,"name":"smoke","message":""}}"#);
    assert_eq!(device.says("alarm "), "port=3 name=smoke message= alarm=");
    peer.say(CALL_REQ);
    device.says("ringing ");
    peer.say(
        r#"{"name":"seczone_emergency","values":
            {"alarm":"a1","port":"5","name":"gas\u001b[2J","message":"instant"}}"#,
    );
    let line = device.says("alarm ");
    assert_eq!(line, "port=5 name=gas\u{FFFD}[2J message=instant alarm=a1");
    peer.say(r#"{"name":"seczone_clear","values":{"alarm":"a1","port":"5","reason":"acked"}}"#);
    assert_eq!(device.says("alarm_cleared "), "port=5 reason=acked");
}

#[test]
fn a_screen_places_calls() {
    let arguments = ["--call", "2-1-1@127.0.0.9", "--seconds", "0"];
    let (mut device, mut peer) = screen(&arguments);
    let request = peer.hear("call_req");
    let dest = json!({"id": "2-1-1", "type": 3, "ip": "127.0.0.9", "port": 7895,
        "audio_stream_id": "", "video_stream_id": request["dest"]["video_stream_id"]});
    assert_eq!(request["dest"], dest);
    assert_random(&dest["video_stream_id"]);
    let src = &request["src"];
    assert_eq!((&src["id"], &src["type"]), (&json!("2-1-201"), &json!(2)));
    assert_random(&src["audio_stream_id"]);
    peer.say(r#"{"name":"call_accept"}"#);
    assert_eq!(peer.hear("call_end")["reason"], "hangup");
    device.until("ended reason=hangup");
    device.succeeds();

    let arguments = ["--call", "2-1-202", "--type", "1"];
    let (mut device, mut peer) = screen(&arguments);
    let request = peer.hear("call_req");
    let dest = &request["dest"];
    assert_eq!((&dest["ip"], &dest["port"]), (&json!(""), &json!(0)));
    for party in ["src", "dest"] {
        let url = request[party]["audio_stream_id"].as_str().unwrap();
        assert!(url.starts_with("http://127.0.0.1:7894/stream/"), "{url}");
    }
    assert!(request["src"]["audio_stream_id"] != dest["audio_stream_id"]);
    peer.say(r#"{"name":"call_reject","values":{"reason":"unreachable"}}"#);
    device.until("rejected reason=unreachable");
    device.fails("the call was rejected: unreachable");
}

#[test]
fn the_phone_of_the_property_takes_one_call_at_a_time() {
    let arguments = ["property", "--listen", "127.0.0.1:0", "--calls", "1"];
    let mut device = Device::sim(&arguments);
    let address = device.says("listening addr=");
    let mut peer = Peer::connect(&address);
    peer.say(CALL_REQ);
    assert_eq!(device.says("ringing "), "from=2-1-1 sid=c0ffee");
    assert_eq!(peer.hear("call_accept")["src"]["id"], "property");
    device.says("answered");
    let mut second = Peer::connect(&address);
    second.say(&CALL_REQ.replace("c0ffee", "decaf"));
    let reject = second.hear("call_reject");
    assert_eq!(
        (&reject["sid"], &reject["reason"]),
        (&json!("decaf"), &json!("line_busy"))
    );
    assert_eq!(device.says("busy "), "from=2-1-1 sid=decaf");
    second.hear_end();
    peer.say(&of_call("call_end", "c0ffee", json!({"reason": "hangup"})));
    assert_eq!(device.says("ended "), "reason=hangup");
    device.succeeds();
}

#[test]
fn the_phone_of_the_property_calls_a_home() {
    let (listener, address) = listen();
    let mut device = Device::sim(&[
        "property",
        "--call",
        &address,
        "--to",
        "2-1-201",
        "--seconds",
        "0",
    ]);
    let mut peer = Peer::accept(&listener);
    let request = peer.hear("call_req");
    let (src, dest) = (&request["src"], &request["dest"]);
    assert_eq!((&src["id"], &src["type"]), (&json!("property"), &json!(4)));
    assert_eq!((&dest["id"], &dest["type"]), (&json!("2-1-201"), &json!(1)));
    assert!(src["audio_stream_id"] != dest["audio_stream_id"]);
    let accept = json!({"src": {"id": "7c"}});
    peer.say(&of_call(
        "call_accept",
        request["sid"].as_str().unwrap(),
        accept,
    ));
    device.until("answered by=7c");
    assert_eq!(peer.hear("call_end")["reason"], "hangup");
    device.succeeds();
}

#[test]
fn a_door_talks_to_the_phone_of_the_property_which_opens_it() {
    let arguments = ["property", "--listen", "127.0.0.1:0", "--open-door"];
    let mut phone = Device::sim(&arguments);
    let address = phone.says("listening addr=");
    let mut door = Device::sim(&["door", "--box", &address, "--open-door-expected"]);
    door.until("answered by=property");
    assert_eq!(door.says("opened "), "door=0");
    phone.until("opened door=0");
    drop(phone);
    assert_eq!(door.says("ended "), "reason=lost");
    door.succeeds();
}

#[test]
fn errors_say_what_failed_and_why() {
    let program = env!("CARGO_BIN_EXE_callrec-sim");
    let (listener, address) = listen();
    drop(listener);
    let refused = [address.as_str(), "refused"];
    assert_fails(&run(program, &["door", "--box", &address]), 1, &refused);
    let arguments = ["screen", "--box", &address, "--id", "7c"];
    assert_fails(&run(program, &arguments), 1, &refused);
    let arguments = ["property", "--call", &address, "--to", "2-1-201"];
    assert_fails(&run(program, &arguments), 1, &refused);
    let folder = Folder::new();
    let empty = folder.file("empty", b"\n");
    for (file, reason) in [("/nowhere/token", "No such file"), (&*empty, "no token")] {
        let arguments = ["screen", "--box", &address, "--token-file", file];
        assert_fails(&run(program, &arguments), 1, &[file, reason]);
    }
    let arguments = ["property", "--listen", "192.0.2.1:7895"];
    let output = run(program, &arguments);
    assert_fails(&output, 1, &["cannot listen on 192.0.2.1:7895"]);
}

#[test]
fn wrong_arguments_are_usage_errors() {
    let program = env!("CARGO_BIN_EXE_callrec-sim");
    for (arguments, expected) in [
        ("door", "--box HOST:PORT"),
        (
            "door --box localhost",
            "HOST:PORT, a name or an IPv4 address, not 'localhost'",
        ),
        ("door --box a:1 --seconds x", "--seconds must be"),
        ("door --box a:1 b", "unexpected argument"),
        ("screen --box a:1", "--token-file FILE"),
        ("screen --id 7c", "--box HOST:PORT"),
        ("screen --box a:1 --id 7c --call @1.2.3.4", "ID[@IP[:PORT]]"),
        ("screen --box a:1 --id 7c --call x@host", "ID[@IP[:PORT]]"),
        ("screen --box a:1 --id 7c --type 5", "1, 2, 3 or 4"),
        ("screen --box a:1 --id 7c --calls 0", "--calls must be"),
        ("property", "--listen ADDR:PORT"),
        ("property --call a:1", "--to ID"),
        ("property --listen :1", "--listen must be"),
        ("property --listen 127.0.0.1:0 --to x", "either"),
    ] {
        let words: Vec<&str> = arguments.split(' ').collect();
        assert_fails(&run(program, &words), 2, &[expected]);
    }
}
