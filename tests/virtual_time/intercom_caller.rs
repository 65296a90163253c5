//! An intercom device that calls: each row of the caller's table (spec, section 7), in virtual time.

use crate::virtual_intercom::{line, seconds, settings, Device};
use callrec::proto::intercom::endpoint::settings::Role;
use callrec::wire::intercom::Message;

fn requested() -> Device {
    let mut door = Device::new(settings(Role::Door));
    door.check(&[
        (
            "dial",
            "connect 11.0.1.22:7892; CallEvent calling",
            "calling",
        ),
        ("connected", "> call_req", "calling"),
    ]);
    door
}

#[test]
fn a_call_is_answered_and_hung_up() {
    let mut door = requested();
    door.check(&[
        ("< call_keep", "CallEvent ringing", "ringing"),
        ("< call_keep", "", "ringing"),
        ("< call_accept", "CallEvent talking", "talking"),
        ("< call_keep", "", "talking"),
        ("+2999", "", "talking"),
        ("+1", "> call_keep", "talking"),
        (
            "hang-up",
            "> call_end hangup; close; CallEvent ended hangup",
            "",
        ),
        ("+100000", "", ""),
    ]);
    assert!(door.endpoint.is_idle());
}

#[test]
fn a_call_may_end_before_its_answer() {
    for (input, outputs) in [
        ("< call_reject declined", "close; CallEvent ended declined"),
        (
            "< call_reject line_busy sid=",
            "close; CallEvent ended line_busy",
        ),
        ("< call_reject", "close; CallEvent ended undefined"),
        ("< call_end", "close; CallEvent ended hangup"),
        (
            "hang-up",
            "> call_end cancelled; close; CallEvent ended cancelled",
        ),
        (
            "hang-up coffee",
            "> call_end coffee; close; CallEvent ended undefined",
        ),
        ("lost", "CallEvent ended lost"),
    ] {
        let mut door = requested();
        door.check(&[(input, outputs, "")]);
        let mut door = requested();
        door.check(&[
            ("< call_keep", "CallEvent ringing", "ringing"),
            (input, outputs, ""),
        ]);
    }
}

#[test]
fn nobody_answers() {
    let mut door = requested();
    let shown = door.put("+65000");
    let end = "> call_end timeout; close; CallEvent ended no_answer";
    assert!(shown.ends_with(end), "{shown}");
    assert_eq!(shown.matches("> call_keep").count(), 21);
}

#[test]
fn the_device_is_not_reached() {
    for (input, outputs) in [
        ("lost", "CallEvent ended unreachable"),
        ("+10000", "close; CallEvent ended unreachable"),
        ("hang-up", "close; CallEvent ended cancelled"),
    ] {
        let mut door = Device::new(settings(Role::Door));
        door.put("dial");
        door.check(&[(input, outputs, "")]);
    }
}

#[test]
fn a_peer_that_has_sent_call_keep_must_go_on() {
    let mut door = Device::in_call(Role::Door);
    // Deployed screens send none: their connection says whether they are there.
    let shown = door.put("+60000");
    assert!(!shown.contains("lost"), "{shown}");
    door.check(&[("< call_keep", "", "talking")]);
    let shown = door.put("+9999");
    assert!(!shown.contains("lost"), "{shown}");
    // Any message of the call counts, one of another call does not.
    door.check(&[
        ("< open_door", "DoorEvent requested", "talking"),
        ("< call_keep sid=other", "", "talking"),
    ]);
    let shown = door.put("+9999");
    assert!(!shown.contains("lost"), "{shown}");
    door.check(&[("+1", "> call_end lost; close; CallEvent ended lost", "")]);
    // Anew for each call.
    door.put("dial");
    door.put("connected");
    door.put("< call_accept");
    let shown = door.put("+60000");
    assert!(!shown.contains("lost"), "{shown}");
}

#[test]
fn a_call_with_a_door_is_limited() {
    let mut door = Device::in_call(Role::Door);
    let shown = door.put("+290000");
    assert!(shown.ends_with("CallEvent ending"), "{shown}");
    assert!(door.line("CallEvent").contains("&left_ms=10000&"));
    let shown = door.put("+10000");
    let end = "> call_end max_duration; close; CallEvent ended max_duration";
    assert!(shown.ends_with(end), "{shown}");
    assert!(door.line("CallEvent").ends_with("&duration_ms=300000"));

    let mut property = Device::in_call(Role::Property);
    let shown = property.put("+900000");
    assert!(!shown.contains("ending"), "no door takes part");
}

#[test]
fn messages_of_another_call_are_ignored_and_counted() {
    let mut door = requested();
    for message in [
        "call_accept",
        "call_reject",
        "call_end",
        "call_keep",
        "open_door",
    ] {
        let input = format!("< {message} sid=other");
        door.check(&[(&input, "", "calling")]);
    }
    assert_eq!(door.endpoint.counts().ignored, 5);
    door.check(&[
        ("< unknown", "", "calling"),
        ("< call_accept sid=", "CallEvent talking", "talking"),
    ]);
}

#[test]
fn a_door_that_is_only_heard_publishes_from_the_answer_on() {
    let mut door = Device::new(settings(Role::Door));
    for (key, is_early) in [("video=1", true), ("video=0", false)] {
        door.put(&format!("dial {key}"));
        for input in ["+0", "connected", "< call_keep"] {
            let shown = door.put(input);
            if shown.contains("CallEvent") {
                let line = door.line("CallEvent");
                assert_eq!(line.contains("publish_video"), is_early, "{key}: {line}");
            }
        }
        let early = line(&door.endpoint.present(0).unwrap());
        assert_eq!(early.contains("publish_video"), is_early, "{key}: {early}");
        door.put("< call_accept");
        assert!(door.line("CallEvent").contains("&publish_video=http"));
        door.put("hang-up");
    }
}

#[test]
fn only_a_door_is_asked_to_open() {
    for (device, outputs) in [
        (1, "refused bad-state"),
        (2, "refused bad-state"),
        (4, "refused bad-state"),
        (3, "> open_door"),
    ] {
        let mut screen = Device::joined();
        screen.put(&format!("dial type={device}"));
        screen.put("< call_accept");
        assert_eq!(screen.put("open"), outputs, "{device}");
        let mut screen = Device::joined();
        screen.put(&format!("< call_req type={device}"));
        screen.put("answer");
        assert_eq!(screen.put("open"), outputs, "{device}");
    }
}

#[test]
fn what_is_now_is_told_to_a_program_that_subscribes() {
    let mut screen = Device::joined();
    let present = |screen: &Device| {
        let events = (0..).map_while(|number| screen.endpoint.present(number));
        events.map(|event| line(&event)).collect::<Vec<String>>()
    };
    let joined = "cmd=BoxEvent&state=joined&room_id=2-1-201";
    assert_eq!(present(&screen), [joined]);
    screen.put("< alarm id=a");
    screen.put("dial");
    let now = present(&screen);
    assert!(now[0].starts_with("cmd=CallEvent&"), "{now:?}");
    assert!(now[0].contains("&state=calling&direction=out&peer=2-1-201"));
    let raised = "cmd=AlarmEvent&alarm=a&state=raised&port=3&name=smoke";
    assert_eq!(now[1..], [joined, raised]);
    screen.put("< call_accept");
    assert!(present(&screen)[0].contains("&state=talking&"));
    screen.put("hang-up");
    screen.put("< clear id=a cleared");
    screen.put("lost");
    assert_eq!(present(&screen), ["cmd=BoxEvent&state=lost&reason=lost"]);
}

#[test]
fn the_door_is_opened_from_the_answer_on() {
    let mut door = requested();
    door.check(&[
        ("< open_door", "", "calling"),
        (
            "< open_door ack",
            "> open_door_result false unauthorised",
            "calling",
        ),
        ("result ok", "refused bad-state", "calling"),
        ("< call_accept", "CallEvent talking", "talking"),
        ("< open_door ack", "DoorEvent requested", "talking"),
    ]);
    assert!(door.line("DoorEvent").ends_with("&door=0&by=pad-2"));
    door.check(&[
        ("result ok", "> open_door_result true", "talking"),
        ("result ok", "refused bad-state", "talking"),
        ("< open_door", "DoorEvent requested", "talking"),
        ("result no_app", "", "talking"),
        ("< open_door ack", "DoorEvent requested", "talking"),
        (
            "result no_app",
            "> open_door_result false no_app",
            "talking",
        ),
        ("open", "refused bad-state", "talking"),
        ("< call_end", "close; CallEvent ended hangup", ""),
        ("< open_door", "", ""),
    ]);

    let mut early = settings(Role::Door);
    early.open_early = true;
    let mut door = Device::new(early);
    door.put("dial");
    door.put("connected");
    door.check(&[("< open_door", "DoorEvent requested", "calling")]);
}

#[test]
fn a_program_that_does_not_say_what_came_of_an_opening_is_not_waited_for() {
    let mut door = requested();
    door.check(&[
        ("< call_accept", "CallEvent talking", "talking"),
        ("< open_door ack", "DoorEvent requested", "talking"),
    ]);
    let shown = door.put("+9999");
    assert!(!shown.contains("open_door_result"), "{shown}");
    let shown = door.put("+1");
    assert!(
        shown.contains("> open_door_result false unknown; DoorEvent unknown"),
        "{shown}"
    );
    door.check(&[("result ok", "refused bad-state", "talking")]);
}

#[test]
fn a_second_call_is_refused_here_and_on_the_wire() {
    let mut door = requested();
    let link = door.link;
    door.check(&[
        ("dial", "refused busy", "calling"),
        ("accepted", "", "calling"),
        (
            "< call_req sid=other",
            "> call_reject line_busy; close; CallEvent ended line_busy",
            "calling",
        ),
    ]);
    let Message::CallReject { sid, .. } = door.sent() else {
        panic!()
    };
    assert_eq!(&sid[..], b"other");
    // One that says nothing is told after a second.
    door.check(&[
        ("accepted", "", "calling"),
        ("+1000", "> call_reject line_busy; close", "calling"),
    ]);
    door.link = link;
    door.check(&[
        (
            "< call_req sid=other",
            "> call_reject line_busy; CallEvent ended line_busy",
            "calling",
        ),
        ("< call_req", "", "calling"),
        ("< call_accept", "CallEvent talking", "talking"),
    ]);
}

#[test]
fn a_silent_caller_is_closed_after_5_s() {
    let mut door = Device::new(settings(Role::Door));
    door.check(&[
        ("accepted", "", ""),
        ("< call_keep sid=", "", ""),
        ("+4999", "", ""),
        ("+1", "close", ""),
    ]);
    assert_eq!(
        door.endpoint.next_deadline(),
        callrec::base::time::Instant::NEVER
    );
}

#[test]
fn a_door_names_its_picture_and_a_home_its_sound() {
    let mut door = Device::new(settings(Role::Door));
    door.put("dial");
    let calling = door.line("CallEvent");
    assert!(
        calling.contains("&publish_video=http://11.0.1.22:954/stream/"),
        "{calling}"
    );
    assert!(
        !calling.contains("audio"),
        "no sound before the answer: {calling}"
    );
    door.put("connected");
    let Message::CallReq { src, dest, .. } = door.sent() else {
        panic!()
    };
    assert_eq!((src.peer_type, dest.peer_type), (3, 1));
    assert_eq!(
        (&src.ip[..], &dest.ip[..]),
        (&b"11.0.11.1"[..], &b"11.0.1.22"[..])
    );
    assert_eq!((src.port, dest.port), (7895, 7892));
    assert_eq!((src.audio.len(), src.video.len()), (0, 16));
    assert_eq!((dest.audio.len(), dest.video.len()), (16, 0));
    door.put("< call_accept");
    let talking = door.line("CallEvent");
    let audio = String::from_utf8(dest.audio.to_vec()).unwrap();
    assert!(talking.contains(&format!("&play_audio=http://11.0.1.22:954/stream/{audio}&")));
    assert!(talking.contains("&publish_video="), "{talking}");

    let mut late = settings(Role::Door);
    late.early_video = false;
    let mut door = Device::new(late);
    door.put("dial");
    assert!(!door.line("CallEvent").contains("video"));
}

#[test]
fn devices_without_a_box_use_the_callers_streams() {
    let mut door = Device::new(settings(Role::Door));
    door.put("dial type=4");
    let calling = door.line("CallEvent");
    assert!(
        calling.contains("&publish_video=http://127.0.0.1:954/stream/"),
        "{calling}"
    );
    door.put("connected");
    let Message::CallReq { src, dest, .. } = door.sent() else {
        panic!()
    };
    let base = b"http://11.0.11.1:954/stream/";
    for stream in [&src.video, &dest.audio, &dest.video] {
        assert!(stream.starts_with(base), "{stream:?}");
    }
    assert_eq!(dest.port, 7895);
}

#[test]
fn a_limit_of_zero_is_none() {
    let mut free = settings(Role::Door);
    free.max_call = seconds(0);
    let mut door = Device::new(free);
    door.put("dial");
    door.put("connected");
    door.put("< call_accept");
    let shown = door.put("+4000000");
    assert!(!shown.contains("ending") && door.state() == "talking");
}
