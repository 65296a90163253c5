//! Calls between a door unit and the property's phone, both `callrec run`: the caller's own stream
//! server has all streams, and both recordings both voices (rows 6 and 7 of the streams' table).

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::engine::{voice, Engine};
use crate::common::intercom_peer::{call_req, device, free_port, Peer};
use crate::common::{file, wait_for, Control, Phone, PATIENCE};

/// A door unit or the property's phone; where it takes calls, and where its streams are.
struct Device {
    phone: Phone,
    events: Control,
    port: u16,
    stream_port: u16,
}

fn start(role: &str, id: &str, stream_port: u16) -> Device {
    let port = free_port();
    let phone = device(&format!(
        "intercomRole = {role}\nintercomId = {id}\nintercomAddr = 127.0.0.1\n\
         intercomPort = {port}\nstreamPort = {stream_port}"
    ));
    let events = phone.watch();
    Device {
        phone,
        events,
        port,
        stream_port,
    }
}

/// The caller and who is called. A called device finds the streams by their URLs, so that it needs
/// no server: its port is the caller's, on the same address here.
fn pair(caller: &str, called: &str) -> (Device, Device) {
    let stream_port = free_port();
    let caller = start(caller, "2-1-1", stream_port);
    let called = start(called, "property", stream_port);
    (caller, called)
}

fn call(caller: &mut Device, called: &mut Device, to_type: &str, rtp: [&Engine; 2]) -> [u16; 2] {
    let line = format!(
        "cmd=CallRequest&to=property&ip=127.0.0.1&port={}&type={to_type}&rtp={}&codec=PCMU",
        called.port,
        rtp[0].address()
    );
    let placed = caller.phone.ask(&line);
    assert!(placed.success(), "{placed:?}");
    let incoming = called.events.until("CallEvent", "incoming");
    let line = format!(
        "cmd=CallAcceptRequest&sid={}&rtp={}&codec=PCMU",
        incoming.value("sid"),
        rtp[1].address()
    );
    let accepted = called.phone.ask(&line);
    assert!(accepted.success(), "{accepted:?}");
    caller.events.until("CallEvent", "talking");
    [&placed, &accepted].map(|answer| answer.value("leg_port").parse().unwrap())
}

/// Somebody else calls this device, and is refused.
fn refused_caller(device: &Device) {
    let stream = TcpStream::connect(("127.0.0.1", device.port)).unwrap();
    let mut stranger = Peer::of(stream);
    stranger.say("call_req", call_req("other"));
    assert_eq!(stranger.expect("call_reject")["reason"], "line_busy");
    // The device has told it, too.
    device.phone.control().ask_lines("cmd=CallStatusRequest");
}

fn recorded(device: &mut Device) -> file::Recording {
    let mut ended = device.events.until("CallEvent", "ended");
    if ended.value("reason") == "line_busy" {
        ended = device.events.until("CallEvent", "ended");
    }
    device.events.until("RecordEvent", "stopped");
    let path = device.phone.stick().join(ended.value("recording"));
    wait_for("the sidecar", || path.with_extension("json").exists());
    file::read(&path)
}

/// A request to the own stream server; the first line of the response.
fn request(device: &Device, text: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", device.stream_port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut response = [0; 12];
    stream.read_exact(&mut response).unwrap();
    String::from_utf8(response.to_vec()).unwrap()
}

#[test]
fn both_voices_are_in_both_recordings_whoever_calls() {
    for (caller, called, to_type) in [("door", "property", "4"), ("property", "door", "3")] {
        let (mut caller, mut called) = pair(caller, called);
        let (one, other) = (Engine::new(), Engine::new());
        let legs = call(&mut caller, &mut called, to_type, [&one, &other]);
        let (first, second) = (voice(60, 0), voice(60, 5));
        let quiet = |count| vec![vec![0xFF; 160]; count];
        // The streams are there when silence has come from the other side.
        one.wait_for_sound();
        other.wait_for_sound();
        let said = [first.clone(), quiet(120)].concat();
        let answered = [quiet(80), second.clone(), quiet(40)].concat();
        let (heard_here, heard_there) = std::thread::scope(|scope| {
            let talk = scope.spawn(|| one.talk(legs[0], &said));
            let heard_there = other.talk(legs[1], &answered);
            (talk.join().unwrap(), heard_there)
        });
        assert!(
            heard_there.holds_most(&first),
            "{caller:?}",
            caller = caller.port
        );
        assert!(heard_here.holds_most(&second));
        let id = caller.phone.control().ask_lines("cmd=CallStatusRequest")[0].value("sid");
        // A caller to whom the line was busy has not ended the call: its media go on.
        refused_caller(&called);
        one.wait_for_sound();
        other.wait_for_sound();
        assert!(caller
            .phone
            .ask(&format!("cmd=CallEndRequest&sid={id}"))
            .success());
        let recordings = [recorded(&mut caller), recorded(&mut called)];
        for (side, recording) in ["caller", "called"].into_iter().zip(recordings) {
            for (name, voice) in [("first", &first), ("second", &second)] {
                let expected = voice.len() * 160;
                assert_eq!(recording.longest(voice), expected, "{name} at the {side}");
            }
        }
    }
}

#[test]
fn streams_are_there_with_the_call_alone() {
    let (mut caller, mut called) = pair("door", "property");
    let get = |id: &str| format!("GET /stream/{id} HTTP/1.1\r\nHost: door\r\n\r\n");
    assert_eq!(request(&caller, &get("b1f0c4")), "HTTP/1.1 403");
    let (one, other) = (Engine::new(), Engine::new());
    call(&mut caller, &mut called, "4", [&one, &other]);
    other.wait_for_sound();
    assert_eq!(request(&caller, &get("b1f0c4")), "HTTP/1.1 403");
    caller.phone.end();
    called.events.until("CallEvent", "ended");
}
