//! Devices as the first users of the intercom run them, written in another language after the
//! protocol's description alone: with each other, and with the devices of `callrec-sim`.
#![cfg(feature = "sim")]

use crate::common::intercom::Device;

/// A naive box, and where it listens for screens and for callers.
struct NaiveBox {
    device: Device,
    family_port: String,
    call_port: String,
}

impl NaiveBox {
    fn new(arguments: &[&str]) -> Self {
        let mut device = Device::naive("old_box", arguments);
        let ports = device.says("ports ");
        let (family_port, call_port) = ports.split_once(' ').unwrap();
        Self {
            family_port: family_port.into(),
            call_port: call_port.into(),
            device,
        }
    }

    fn naive_door(&self, arguments: &[&str]) -> Device {
        let place = ["127.0.0.1", &self.call_port];
        Device::naive("old_door", &[&place, arguments].concat())
    }

    /// One that has joined.
    fn naive_screen(&mut self, arguments: &[&str]) -> Device {
        let place = ["127.0.0.1", &self.family_port];
        let mut screen = Device::naive("old_screen", &[&place, arguments].concat());
        screen.says("joined");
        self.device.until("joined");
        screen
    }

    fn sim_door(&self, arguments: &[&str]) -> Device {
        let address = format!("127.0.0.1:{}", self.call_port);
        Device::sim(&[&["door", "--box", &address], arguments].concat())
    }

    /// One that has joined.
    fn sim_screen(&mut self, arguments: &[&str]) -> Device {
        let address = format!("127.0.0.1:{}", self.family_port);
        let first = ["screen", "--box", &address, "--id", "7c"];
        let mut screen = Device::sim(&[&first, arguments].concat());
        screen.says("joined room=");
        self.device.until("joined");
        screen
    }
}

#[test]
#[ignore = "needs python3"]
fn naive_peers_understand_each_other() {
    for sid in ["empty", "missing", "1234"] {
        let mut home = NaiveBox::new(&["--calls", "1"]);
        let mut screen = home.naive_screen(&["--open-door", "--expect", "ended"]);
        let arguments = ["--sid", sid, "--expect", "opened"];
        let mut door = home.naive_door(&arguments);
        for (device, lines) in [
            (&mut door, &["calling", "answered", "opened"][..]),
            (&mut screen, &["ringing from 2-1-1-1", "answered"]),
            (&mut home.device, &["call_req to 1 screens", "answered"]),
        ] {
            for line in lines {
                assert_eq!(device.says(line), "");
            }
            device.succeeds();
        }
    }
}

#[test]
#[ignore = "needs python3"]
fn the_first_naive_screen_that_answers_has_the_call() {
    let mut home = NaiveBox::new(&[]);
    let mut other = home.naive_screen(&["--ignore", "--expect", "ended"]);
    let mut screen = home.naive_screen(&["--hang-up"]);
    let mut door = home.naive_door(&["--expect", "ended"]);
    for device in [&mut other, &mut screen, &mut door] {
        device.succeeds();
    }
}

#[test]
#[ignore = "needs python3"]
fn naive_peers_reject_with_numbers() {
    let mut home = NaiveBox::new(&[]);
    let mut door = home.naive_door(&["--expect", "rejected"]);
    door.until("rejected code 3");
    door.succeeds();
    home.device.until("ended by no screen");

    let mut other = home.naive_screen(&["--ignore", "--expect", "ended"]);
    let mut screen = home.naive_screen(&["--reject", "2", "--expect", "rejected"]);
    let mut door = home.naive_door(&["--expect", "rejected"]);
    door.until("rejected code 2");
    for device in [&mut other, &mut screen, &mut door] {
        device.succeeds();
    }

    let home = NaiveBox::new(&["--dnd"]);
    let mut door = home.naive_door(&["--expect", "rejected"]);
    door.until("rejected code 2");
    door.succeeds();
}

#[test]
#[ignore = "needs python3"]
fn a_naive_box_tells_alarms() {
    let arguments = ["--emergency", "3:\u{70df}\u{611f}", "--room", "2-1-201"];
    let mut home = NaiveBox::new(&arguments);
    let mut screen = home.naive_screen(&["--expect", "alarm"]);
    screen.succeeds();
    home.device.says("left");
    let mut screen = home.sim_screen(&[]);
    let line = screen.says("alarm ");
    assert!(line.starts_with("port=3 name=\u{70df}\u{611f} "), "{line}");
}

#[test]
#[ignore = "needs python3"]
fn our_door_calls_through_a_naive_box() {
    let mut home = NaiveBox::new(&[]);
    let mut door = home.sim_door(&[]);
    door.until("rejected reason=app_offline");
    door.fails("the call was rejected: app_offline");
    home.device.until("ended by no screen");

    let screen = home.naive_screen(&["--open-door"]);
    let mut door = home.sim_door(&["--open-door-expected", "--seconds", "600"]);
    door.until("answered by=");
    let mut second = home.sim_door(&[]);
    second.until("rejected reason=line_busy");
    second.fails("the call was rejected: line_busy");
    assert_eq!(door.says("opened "), "door=0");
    drop(screen);
    assert_eq!(door.says("ended "), "reason=undefined");
    door.succeeds();
    home.device.until("ended by a lost screen");

    let mut screen = home.naive_screen(&["--hang-up"]);
    let mut door = home.sim_door(&[]);
    door.until("ended reason=undefined");
    door.succeeds();
    screen.succeeds();
}

#[test]
#[ignore = "needs python3"]
fn a_naive_door_calls_our_screen_through_a_naive_box() {
    let mut home = NaiveBox::new(&[]);
    let mut screen = home.sim_screen(&["--open-door", "--calls", "1"]);
    let mut door = home.naive_door(&["--sid", "missing", "--seconds", "600"]);
    assert_eq!(screen.says("ringing "), "from=2-1-1-1 sid=");
    screen.says("answered");
    // The deployed door opens, and says nothing about it.
    assert_eq!(screen.says("not_opened "), "door=0 reason=unknown");
    door.until("opened");
    drop(door);
    assert_eq!(screen.says("ended "), "reason=undefined");
    screen.succeeds();
    home.device.until("left");

    let mut screen = home.sim_screen(&["--reject", "--calls", "1"]);
    let mut door = home.naive_door(&["--expect", "rejected"]);
    door.until("rejected code 0");
    door.succeeds();
    screen.until("rejected reason=declined");
    screen.succeeds();
}

#[test]
#[ignore = "needs python3"]
fn our_door_and_our_screen_talk_through_a_naive_box() {
    let mut home = NaiveBox::new(&["--calls", "1"]);
    let mut other = home.sim_screen(&["--ignore", "--calls", "1"]);
    let mut screen = home.sim_screen(&["--open-door", "--calls", "1"]);
    let mut door = home.sim_door(&["--open-door-expected", "--seconds", "5"]);
    let calling = door.says("calling to=2-1-201 ");
    assert_eq!(screen.says("ringing from=2-1-1 "), calling);
    other.until("ended reason=undefined");
    other.succeeds();
    door.until("opened door=0");
    door.succeeds();
    screen.until("ended reason=undefined");
    screen.succeeds();
    home.device.succeeds();
}

#[test]
#[ignore = "needs python3"]
fn our_screen_calls_the_phone_of_the_property_through_a_naive_box() {
    let mut home = NaiveBox::new(&["--calls", "1"]);
    let arguments = ["property", "--listen", "127.0.0.1:0", "--calls", "1"];
    let mut phone = Device::sim(&arguments);
    let called = format!("property@{}", phone.says("listening addr="));
    let arguments = ["--call", &called, "--type", "4", "--seconds", "0"];
    let mut screen = home.sim_screen(&arguments);
    phone.says("ringing from=7c sid=");
    screen.until("answered by=");
    screen.until("ended reason=hangup");
    screen.succeeds();
    phone.until("ended reason=");
    phone.succeeds();
    home.device.succeeds();
}
