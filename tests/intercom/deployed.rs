//! `callrec run` with devices that others have written: those of the intercom's first users
//! (`tests/intercom`), and the property's phone of `callrec-sim`.
#![cfg(all(feature = "intercom", feature = "sim"))]

use crate::common::intercom::Device;
use crate::common::intercom_peer::{device, door};
use crate::common::{Control, Phone};

/// A naive box, and where it listens for screens and for callers.
fn naive_box(arguments: &[&str]) -> (Device, String, String) {
    let mut home = Device::naive("old_box", arguments);
    let ports = home.says("ports ");
    let (family_port, call_port) = ports.split_once(' ').unwrap();
    (home, family_port.into(), call_port.into())
}

/// A screen that has joined.
fn screen(home: &mut Device, family_port: &str) -> (Phone, Control) {
    let screen = device(&format!(
        "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = 127.0.0.1\nboxPort = {family_port}\n\
         boxTokenFile = /nonexistent"
    ));
    home.until("joined");
    let events = screen.watch();
    (screen, events)
}

fn call(door: &Phone, keys: &str) -> String {
    let call = door.ask(&format!("cmd=CallRequest&ip=127.0.0.1{keys}"));
    assert!(call.success(), "{call:?}");
    call.value("sid")
}

#[test]
#[ignore = "needs python3"]
fn a_deployed_door_calls_our_screen_through_a_deployed_box() {
    for sid in ["empty", "missing", "1234"] {
        let (mut home, family_port, call_port) = naive_box(&[]);
        let (screen, mut events) = screen(&mut home, &family_port);
        let place = ["127.0.0.1", &call_port, "--sid", sid, "--seconds", "600"];
        let mut door = Device::naive("old_door", &place);
        let incoming = events.until("CallEvent", "incoming");
        assert_eq!(incoming.value("peer"), "2-1-1-1");
        assert_eq!(
            incoming.value("play_video"),
            "http://127.0.0.1:954/stream/5678"
        );
        let sid = incoming.value("sid");
        assert!(!sid.is_empty());
        let accept = screen.ask(&format!("cmd=CallAcceptRequest&sid={sid}"));
        assert_eq!(
            accept.value("publish_audio"),
            "http://127.0.0.1:954/stream/5679"
        );
        events.until("CallEvent", "talking");
        door.until("answered");
        assert!(screen
            .ask(&format!("cmd=OpenDoorRequest&sid={sid}"))
            .success());
        door.until("opened");
        // It says nothing about it.
        events.until("DoorEvent", "unknown");
        assert!(screen
            .ask(&format!("cmd=CallEndRequest&sid={sid}"))
            .success());
        events.until("CallEvent", "ended");
        home.until("ended by a screen");
    }
}

#[test]
#[ignore = "needs python3"]
fn a_deployed_box_tells_alarms() {
    let (mut home, family_port, _) = naive_box(&["--emergency", "3:smoke", "--room", "2-1-201"]);
    let screen = device(&format!(
        "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = 127.0.0.1\nboxPort = {family_port}\n\
         boxTokenFile = /nonexistent"
    ));
    home.until("joined");
    crate::common::wait_for("the alarm", || {
        screen.ask("cmd=AlarmAckRequest&port=3").success()
    });
    assert!(screen.log().contains("alarm: "), "the event is in the log");
}

#[test]
#[ignore = "needs python3"]
fn our_door_calls_a_deployed_screen_through_a_deployed_box() {
    let (_home, family_port, call_port) = naive_box(&[]);
    let (door, _) = door();
    let mut events = door.watch();
    let keys = format!("&to=2-1-201&port={call_port}");
    call(&door, &keys);
    assert_eq!(
        events.until("CallEvent", "ended").value("reason"),
        "app_offline"
    );

    let place = ["127.0.0.1", &family_port, "--open-door"];
    let mut screen = Device::naive("old_screen", &place);
    screen.says("joined");
    let sid = call(&door, &keys);
    events.until("CallEvent", "talking");
    let asked = events.until("DoorEvent", "requested");
    assert_eq!(asked.value("sid"), sid);
    assert!(door
        .ask(&format!("cmd=OpenDoorResult&sid={sid}&ok=1"))
        .success());
    assert!(door.ask(&format!("cmd=CallEndRequest&sid={sid}")).success());
    screen.until("ended");
}

#[test]
fn our_door_calls_the_phone_of_the_property_and_is_called_by_it() {
    let (door, port) = door();
    let mut events = door.watch();
    let mut phone = Device::sim(&["property", "--listen", "127.0.0.1:0", "--open-door"]);
    let address = phone.says("listening addr=");
    let phone_port = address.rsplit(':').next().unwrap();
    let sid = call(&door, &format!("&to=property&type=4&port={phone_port}"));
    events.until("CallEvent", "talking");
    events.until("DoorEvent", "requested");
    assert!(door
        .ask(&format!("cmd=OpenDoorResult&sid={sid}&ok=1"))
        .success());
    phone.until("opened door=0");
    drop(phone);
    assert_eq!(events.until("CallEvent", "ended").value("reason"), "lost");

    let address = format!("127.0.0.1:{port}");
    let arguments = [
        "property",
        "--call",
        &address,
        "--to",
        "2-1-1",
        "--seconds",
        "0",
    ];
    let mut phone = Device::sim(&arguments);
    let sid = events.until("CallEvent", "incoming").value("sid");
    assert!(door
        .ask(&format!("cmd=CallAcceptRequest&sid={sid}"))
        .success());
    phone.until("answered by=2-1-1");
    phone.succeeds();
    assert_eq!(events.until("CallEvent", "ended").value("reason"), "hangup");
}
