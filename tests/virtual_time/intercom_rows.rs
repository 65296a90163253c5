//! An intercom device in virtual time: the rows of the caller's and the callee's tables (spec,
//! section 7) that have several ways in, each way as a trace of its own.

use crate::virtual_intercom::{settings, Device};
use callrec::base::time::Duration;
use callrec::proto::intercom::endpoint::settings::Role;

/// A door unit whose `call_req` is on its way.
fn requested() -> Device {
    let mut door = Device::new(settings(Role::Door));
    door.put("dial");
    door.put("connected");
    door
}

/// A door unit that talks, having called.
fn caller_talks() -> Device {
    Device::in_call(Role::Door)
}

/// A screen that rings, and one that talks.
fn ringing() -> Device {
    let mut screen = Device::joined();
    screen.check(&[("< call_req", "CallEvent incoming", "incoming")]);
    screen
}

fn callee_talks() -> Device {
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("+1000", "CallEvent talking", "talking"),
    ]);
    screen
}

/// A door unit that is being viewed: its call has a link of its own.
fn viewed(inputs: &[&str]) -> Device {
    let mut door = Device::new(settings(Role::Door));
    for input in [&["accepted", "< call_req type=2"], inputs].concat() {
        door.put(input);
    }
    door
}

/// What it does after these inputs, keep-alives left out.
fn after(device: &mut Device, input: &str) -> String {
    let shown = device.put(input);
    let words = shown.split("; ").filter(|word| *word != "> call_keep");
    words.collect::<Vec<_>>().join("; ")
}

#[test]
fn caller_requested_a_keep_alive_without_a_key_means_that_it_rings() {
    requested().check(&[
        ("< call_keep sid=", "CallEvent ringing", "ringing"),
        ("< call_keep sid=", "", "ringing"),
    ]);
    requested().check(&[
        ("< call_keep sid=other", "", "calling"),
        ("< call_keep", "CallEvent ringing", "ringing"),
    ]);
}

#[test]
fn caller_requested_a_peer_that_falls_silent_is_lost() {
    let mut door = requested();
    door.put("< call_keep");
    assert_eq!(after(&mut door, "+9999"), "");
    let lost = "> call_end lost; close; CallEvent ended lost";
    assert_eq!(after(&mut door, "+1"), lost);
    // One that has sent none may ring as long as it may ring.
    let mut door = requested();
    assert_eq!(after(&mut door, "+60000"), "");
    assert_eq!(door.state(), "calling");
}

#[test]
fn caller_talking_the_peer_ends() {
    for (input, outputs) in [
        ("< call_end", "close; CallEvent ended hangup"),
        ("< call_end coffee", "close; CallEvent ended undefined"),
        ("< call_reject", "close; CallEvent ended hangup"),
        (
            "< call_reject declined sid=",
            "close; CallEvent ended declined",
        ),
        ("lost", "CallEvent ended lost"),
    ] {
        caller_talks().check(&[(input, outputs, ""), ("< call_keep", "", "")]);
    }
}

#[test]
fn callee_ringing_a_caller_that_falls_silent_is_missed() {
    let mut screen = ringing();
    screen.put("< call_keep");
    assert_eq!(after(&mut screen, "+9999"), "");
    assert_eq!(after(&mut screen, "+1"), "CallEvent missed lost");
    assert!(screen.endpoint.is_idle());
    let mut door = viewed(&["< call_keep"]);
    assert_eq!(after(&mut door, "+10000"), "close; CallEvent missed lost");
}

#[test]
fn callee_talking_a_caller_that_falls_silent_is_lost() {
    let mut screen = callee_talks();
    screen.put("< call_keep");
    assert_eq!(after(&mut screen, "+9999"), "");
    let lost = "> call_end lost; CallEvent ended lost";
    assert_eq!(after(&mut screen, "+1"), lost);
    let mut door = viewed(&["answer", "< call_keep"]);
    let lost = "> call_end lost; close; CallEvent ended lost";
    assert_eq!(after(&mut door, "+10000"), lost);
}

#[test]
fn callee_talking_the_call_ends() {
    for (input, outputs) in [
        ("< call_end", "CallEvent ended hangup"),
        ("< call_end max_duration", "CallEvent ended max_duration"),
        ("< call_reject", "CallEvent ended hangup"),
        ("lost", "CallEvent ended lost; BoxEvent lost lost"),
        ("hang-up", "> call_end hangup; CallEvent ended hangup"),
    ] {
        let mut screen = callee_talks();
        screen.check(&[(input, outputs, "")]);
    }
    let mut door = viewed(&["answer", "< call_keep"]);
    let end = "> call_end hangup; close; CallEvent ended hangup";
    door.check(&[("hang-up", end, "")]);
}

#[test]
fn callee_talking_with_a_door_the_call_is_limited() {
    let mut screen = callee_talks();
    // From the answer on, which was a second ago.
    assert_eq!(after(&mut screen, "+288999"), "");
    assert_eq!(after(&mut screen, "+1"), "CallEvent ending");
    let ending = screen.line("CallEvent");
    assert!(ending.contains("&left_ms=10000&"), "{ending}");
    assert_eq!(after(&mut screen, "+9999"), "");
    let end = "> call_end max_duration; CallEvent ended max_duration";
    assert_eq!(after(&mut screen, "+1"), end);
}

#[test]
fn a_limit_that_is_noticed_late_is_announced_in_whole_seconds() {
    for (late, left_ms) in [(0, 10_000), (7, 10_000), (1_300, 9_000)] {
        let mut screen = callee_talks();
        after(&mut screen, "+288999");
        screen.now = screen.now + Duration::from_millis(1 + late);
        assert_eq!(after(&mut screen, "+0"), "CallEvent ending");
        let ending = screen.line("CallEvent");
        assert!(ending.contains(&format!("&left_ms={left_ms}&")), "{ending}");
    }
}

#[test]
fn callee_ringing_or_talking_other_calls_hear_that_the_line_is_busy() {
    for (inputs, ends) in [
        (&[][..], "missed cancelled"),
        (&["answer"], "ended answered_elsewhere"),
        (&["answer", "+1000"], "ended hangup"),
    ] {
        let mut door = viewed(inputs);
        let (link, state) = (door.link, door.state());
        // The same call again, on its link.
        door.check(&[("< call_req type=2", "", &state)]);
        door.put("accepted");
        let shown = door.put("< call_req type=2 sid=second");
        let busy = "> call_reject line_busy; close; CallEvent";
        assert!(shown.starts_with(busy), "{shown}");
        assert_eq!(door.state(), state, "the call goes on");
        door.link = link;
        let ended = format!("close; CallEvent {ends}");
        door.check(&[("< call_end", &ended, "")]);
    }
}
