//! What a running `callrec-box` keeps and tells of its calls: the log's order, pictures of doors that
//! nobody answered, a power cut, and what is now for who subscribes.
#![cfg(feature = "box")]

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, Peer, CALL_REQ};
use crate::common::{assert_fails, command, wait_for, Answer};
use serde_json::json;

/// The streams of `CALL_REQ`.
const VIDEO: &str = "b1f0c4";

fn log(home: &HomeBox) -> Vec<Answer> {
    let mut lines = home.control().ask_lines("cmd=CallLogRequest");
    lines.pop();
    lines
}

fn waits_for_log(home: &HomeBox, calls: usize) -> Vec<Answer> {
    wait_for("the call in the log", || log(home).len() == calls);
    log(home)
}

/// A door that calls, with this key.
fn door(home: &HomeBox, sid: &str) -> Peer {
    let mut door = Peer::connect(&home.call());
    door.say(&CALL_REQ.replace("c0ffee", sid));
    door
}

/// Publishes this film as the door's picture.
fn publish(home: &HomeBox, film: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(home.streams_outside()).unwrap();
    let head = format!("POST /stream/{VIDEO} HTTP/1.0\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(film).unwrap();
    wait_for("the stream", || {
        home.ask("cmd=StatusRequest").value("streams") == "1"
    });
    stream
}

/// One key frame, as no codec has it, and one more picture.
fn made_up_film() -> Vec<u8> {
    let tag = |body: &[u8]| {
        let len = u8::try_from(body.len()).unwrap();
        let head = [9, 0, 0, len, 0, 0, 0, 0, 0, 0, 0];
        [&head[..], body, &[0, 0, 0, len + 11]].concat()
    };
    let header = b"FLV\x01\x05\0\0\0\x09\0\0\0\0";
    [&header[..], &tag(&[0x12, 1, 2]), &tag(&[0x22, 3])].concat()
}

fn pictures(home: &HomeBox) -> Vec<String> {
    let entries = fs::read_dir(home.path("state/pictures")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn the_log_has_the_order_in_which_calls_began() {
    let mut home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut first = door(&home, "first");
    panel.hear("call_req");
    panel.say(&of_call("call_accept", "first", json!({})));
    first.hear("call_accept");
    for sid in ["second", "third"] {
        assert_eq!(door(&home, sid).hear("call_reject")["reason"], "line_busy");
    }
    first.say(&of_call("call_end", "first", json!({})));
    let sids =
        |lines: &[Answer]| -> Vec<String> { lines.iter().map(|line| line.value("sid")).collect() };
    let expected = ["third", "second", "first"];
    assert_eq!(sids(&waits_for_log(&home, 3)), expected);
    assert_eq!(home.end(), Some(0));
    home.start();
    assert_eq!(sids(&log(&home)), expected);
    // A power cut has torn the last line that was written.
    home.end();
    let path = home.path("state/calls");
    let whole = fs::read(&path).unwrap();
    for cut in [1, 2, 20, 60] {
        fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        home.start();
        assert_eq!(sids(&log(&home)), expected[1..], "{cut}");
        assert_eq!(
            door(&home, "later").hear("call_reject")["reason"],
            "app_offline"
        );
        let lines = waits_for_log(&home, 3);
        assert_eq!(sids(&lines), ["later", "second", "first"], "{cut}");
        home.end();
    }
}

#[test]
fn a_door_that_nobody_answered_leaves_its_picture() {
    let home = HomeBox::new("ringTimeout = 1");
    let mut panel = home.screen("panel", "1");
    for (number, sid) in ["../../x", "c0ffee"].into_iter().enumerate() {
        let mut caller = door(&home, sid);
        panel.hear("call_req");
        let stream = publish(&home, &made_up_film());
        // It may have gone before the ring is over.
        drop(stream);
        assert_eq!(caller.hear("call_reject")["reason"], "no_answer");
        panel.hear("call_end");
        let call = &waits_for_log(&home, number + 1)[0];
        assert_eq!(call.value("state"), "missed");
        let file = fs::read(home.path("state/pictures") + "/" + &call.value("picture")).unwrap();
        let key_frame = &made_up_film()[13..13 + 18];
        let expected = [&b"FLV\x01\x01\0\0\0\x09\0\0\0\0"[..], key_frame].concat();
        assert_eq!(file, expected);
    }
    assert_eq!(pictures(&home), ["%2E%2E%2F%2E%2E%2Fx.flv", "c0ffee.flv"]);
    // One that is answered leaves none, nor does one without a picture.
    let mut caller = door(&home, "answered");
    panel.hear("call_req");
    let stream = publish(&home, &made_up_film());
    panel.say(&of_call("call_accept", "answered", json!({})));
    caller.hear("call_accept");
    drop(stream);
    drop(caller);
    panel.hear("call_end");
    let caller = door(&home, "dark");
    panel.hear("call_req");
    drop(caller);
    panel.hear("call_end");
    for line in &waits_for_log(&home, 4)[..2] {
        assert_eq!(line.value("picture"), "", "{line:?}");
    }
    assert_eq!(pictures(&home).len(), 2);
}

#[test]
#[ignore = "needs ffmpeg"]
fn a_player_shows_the_picture_that_is_left() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let path = home.path("film.flv");
    let source = [
        "-f",
        "lavfi",
        "-i",
        "testsrc=size=320x240:rate=25",
        "-t",
        "3",
    ];
    let codec = [
        "-c:v", "libx264", "-g", "25", "-pix_fmt", "yuv420p", "-f", "flv", &path,
    ];
    let mut made = Command::new("ffmpeg");
    made.args(["-loglevel", "error"]).args(source).args(codec);
    assert!(made.status().unwrap().success());
    let caller = door(&home, "c0ffee");
    panel.hear("call_req");
    let stream = publish(&home, &fs::read(path).unwrap());
    // All of it was read once the box has closed the stream.
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    wait_for("its end", || {
        home.ask("cmd=StatusRequest").value("streams") == "0"
    });
    drop(caller);
    panel.hear("call_end");
    let picture = waits_for_log(&home, 1)[0].value("picture");
    let path = home.path("state/pictures/") + &picture;
    let shown = Command::new("ffmpeg")
        .args(["-loglevel", "warning", "-i", &path, "-f", "framecrc", "-"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stderr), "");
    let frames = String::from_utf8(shown.stdout).unwrap();
    let frames = frames.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(frames, 1);
}

#[test]
fn who_subscribes_hears_what_is() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let alarm = home.ask("cmd=AlarmRequest&port=3&name=smoke&message=kitchen");
    panel.hear("seczone_emergency");
    let mut caller = door(&home, "c0ffee");
    panel.hear("call_req");
    let _stream = publish(&home, &made_up_film());
    let mut watch = home.control();
    assert!(watch.ask("cmd=SubscribeRequest").success());
    let mut now = |words: &[(&str, &str)]| {
        let event = watch.next().unwrap();
        for (key, value) in words {
            assert_eq!(event.value(key), *value, "{key} of {event:?}");
        }
        assert_eq!(event.value("now"), "1", "{event:?}");
    };
    now(&[
        ("cmd", "JoinEvent"),
        ("state", "joined"),
        ("device", "panel"),
        ("type", "1"),
    ]);
    now(&[
        ("cmd", "CallEvent"),
        ("state", "ringing"),
        ("sid", "c0ffee"),
        ("peer", "2-1-1"),
    ]);
    let id = alarm.value("alarm");
    now(&[
        ("cmd", "AlarmEvent"),
        ("state", "raised"),
        ("alarm", &id),
        ("port", "3"),
    ]);
    now(&[
        ("cmd", "StreamEvent"),
        ("state", "published"),
        ("id", VIDEO),
    ]);
    // Then what happens.
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    caller.hear("call_accept");
    let talking = watch.next().unwrap();
    assert_eq!(
        (talking.value("state"), talking.value("now")),
        ("talking".into(), "".into())
    );
    let mut late = home.control();
    late.ask("cmd=SubscribeRequest");
    assert_eq!(late.until("CallEvent", "talking").value("now"), "1");
}

#[test]
fn a_second_box_with_the_same_state_is_refused() {
    let mut home = HomeBox::new("");
    let text = fs::read_to_string(home.path("box.conf")).unwrap();
    let other = text
        .replace(".1\n", ".3\n")
        .replace(".2\n", ".4\n")
        .replace("box.sock", "other.sock");
    let path = home.path("other.conf");
    fs::write(&path, other).unwrap();
    let mut second = command(env!("CARGO_BIN_EXE_callrec-box"));
    second.args(["run", "-c", &path]).stderr(Stdio::piped());
    let mut second = second.spawn().unwrap();
    wait_for("its end", || second.try_wait().unwrap().is_some());
    let second = second.wait_with_output().unwrap();
    let state = home.path("state");
    assert_fails(&second, 1, &[&state, "another callrec-box uses it"]);
    // Its tokens may be changed meanwhile, and a box that was killed leaves no lock.
    home.token("panel", "1");
    home.kill();
    home.start();
}
