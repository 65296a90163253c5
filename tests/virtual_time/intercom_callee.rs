//! An intercom device that is called: each row of the callee's table (spec, section 7), in virtual
//! time.

use crate::virtual_intercom::{settings, Device};
use callrec::proto::intercom::endpoint::settings::Role;
use callrec::wire::intercom::Message;

fn ringing() -> Device {
    let mut screen = Device::joined();
    screen.check(&[("< call_req", "CallEvent incoming", "incoming")]);
    screen
}

/// A door unit that is being viewed: it has a link for the call.
fn viewed() -> Device {
    let mut door = Device::new(settings(Role::Door));
    door.check(&[
        ("accepted", "", ""),
        ("< call_req type=2", "CallEvent incoming", "incoming"),
    ]);
    door
}

#[test]
fn a_call_is_answered_and_ended() {
    let mut screen = ringing();
    screen.check(&[
        ("< call_req", "", "incoming"),
        ("answer", "> call_accept", "talking"),
        ("answer", "refused bad-state", "talking"),
        ("+1000", "CallEvent talking", "talking"),
        ("< call_req", "", "talking"),
        ("< call_end", "CallEvent ended hangup", ""),
    ]);
    let ended = screen.line("CallEvent");
    assert!(
        ended.ends_with("&reason=hangup&duration_ms=1000"),
        "{ended}"
    );
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("< call_keep", "CallEvent talking", "talking"),
        ("hang-up", "> call_end hangup; CallEvent ended hangup", ""),
    ]);
}

#[test]
fn a_call_that_is_answered_elsewhere_is_not_missed() {
    let mut screen = ringing();
    let end = "CallEvent ended answered_elsewhere";
    screen.check(&[("< call_end answered_elsewhere", end, "")]);
    // Another screen was faster.
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("+500", "", "talking"),
        ("< call_end answered_elsewhere", end, ""),
    ]);
}

#[test]
fn a_call_is_missed() {
    for (input, outputs) in [
        ("< call_end", "CallEvent missed cancelled"),
        ("< call_end declined", "CallEvent missed declined"),
        ("< call_end timeout", "CallEvent missed timeout"),
        ("lost", "CallEvent missed lost; BoxEvent lost lost"),
    ] {
        let mut screen = ringing();
        screen.check(&[(input, outputs, "")]);
        // A silent bell is still a bell.
        let mut screen = ringing();
        screen.check(&[("silence", "", "incoming"), (input, outputs, "")]);
    }
    // Whoever has answered: the user has not heard this bell.
    for (input, outputs) in [
        (
            "< call_end answered_elsewhere",
            "CallEvent missed answered_elsewhere",
        ),
        (
            "< call_reject answered_elsewhere",
            "CallEvent missed answered_elsewhere",
        ),
        (
            "< join_reject replaced",
            "CallEvent missed lost; BoxEvent replaced replaced; close",
        ),
        ("+65000", "CallEvent missed timeout"),
    ] {
        let mut screen = ringing();
        screen.put("silence");
        let shown = screen.put(input);
        assert!(shown.ends_with(outputs), "{input}: {shown}");
    }
    let mut screen = ringing();
    screen.put("silence");
    screen.endpoint.handle_shutdown(screen.now);
    assert_eq!(screen.put("+0"), "CallEvent missed lost");
    let mut screen = ringing();
    let shown = screen.put("+64999");
    assert!(
        shown.ends_with("> call_keep") && !shown.contains("Event"),
        "{shown}"
    );
    screen.check(&[("+1", "CallEvent missed timeout", "")]);
    // A caller with a link of its own is told.
    let mut door = viewed();
    let shown = door.put("+65000");
    let end = "> call_reject no_answer; close; CallEvent missed timeout";
    assert!(shown.ends_with(end), "{shown}");
}

#[test]
fn a_call_is_rejected_or_silenced() {
    let rejected = "> call_reject declined; CallEvent ended declined";
    let mut screen = ringing();
    screen.check(&[
        ("reject", rejected, ""),
        ("reject", "refused unknown-id", ""),
    ]);
    let mut screen = ringing();
    screen.check(&[
        ("silence", "", "incoming"),
        ("silence", "", "incoming"),
        ("reject", rejected, ""),
    ]);
    // Who hangs up while it rings does not want the call.
    let mut screen = ringing();
    screen.check(&[("hang-up", rejected, "")]);
    let mut screen = ringing();
    screen.check(&[
        ("silence", "", "incoming"),
        ("answer", "> call_accept", "talking"),
        ("silence", "refused bad-state", "talking"),
        ("reject", "refused bad-state", "talking"),
    ]);
}

#[test]
fn requests_and_ends_that_cross() {
    // The caller gives up while the answer is on its way.
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("< call_end cancelled", "CallEvent ended cancelled", ""),
        ("hang-up", "refused unknown-id", ""),
    ]);
    // Accept and hang up at once.
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("hang-up", "> call_end hangup; CallEvent ended hangup", ""),
        ("< call_end hangup", "", ""),
        ("< call_keep", "", ""),
    ]);
    // The other one's reject with the own accept under way.
    let mut screen = ringing();
    screen.check(&[
        ("answer", "> call_accept", "talking"),
        ("< call_reject declined", "CallEvent ended declined", ""),
        ("+1000", "", ""),
    ]);
    // The caller's end, then the user's answer.
    let mut screen = ringing();
    screen.check(&[
        ("< call_end", "CallEvent missed cancelled", ""),
        ("answer", "refused unknown-id", ""),
    ]);
}

#[test]
fn a_second_call_gets_line_busy_with_its_sid() {
    for prelude in [&["silence"][..], &["answer"], &["answer", "+1000"]] {
        let mut screen = ringing();
        for input in prelude {
            screen.put(input);
        }
        let state = screen.state();
        // Who talks is told who else calls.
        let shown = match prelude {
            ["answer", ..] => "> call_reject line_busy; CallEvent waiting",
            _ => "> call_reject line_busy; CallEvent ended line_busy",
        };
        screen.check(&[("< call_req sid=second", shown, &state)]);
        let Message::CallReject { sid, .. } = screen.sent() else {
            panic!()
        };
        assert_eq!(&sid[..], b"second");
        screen.check(&[("dial", "refused busy", &state)]);
    }
}

#[test]
fn a_call_without_a_sid_gets_one() {
    let mut screen = Device::joined();
    screen.check(&[("< call_req sid=", "CallEvent incoming", "incoming")]);
    let status = screen.endpoint.status(screen.now).unwrap();
    assert_eq!(status.info.sid.len(), 16);
    screen.sid = status.info.sid;
    screen.check(&[
        ("< call_req sid=", "", "incoming"),
        ("answer", "> call_accept", "talking"),
    ]);
    let Message::CallAccept { sid, .. } = screen.sent() else {
        panic!()
    };
    assert_eq!(&sid[..], b"", "the peer knows no sid");
    screen.check(&[
        ("< call_keep sid=", "CallEvent talking", "talking"),
        ("< call_end sid=other", "", "talking"),
        ("< call_end sid=", "CallEvent ended hangup", ""),
    ]);
}

#[test]
fn a_screen_opens_the_door() {
    let mut screen = ringing();
    screen.put("answer");
    screen.check(&[
        ("open", "> open_door", "talking"),
        ("< open_door_result ok", "DoorEvent opened", "talking"),
        ("< open_door_result ok", "", "talking"),
        ("open", "> open_door", "talking"),
        (
            "< open_door_result no_app",
            "DoorEvent refused no_app",
            "talking",
        ),
        ("open", "> open_door", "talking"),
    ]);
    let shown = screen.put("+2000");
    assert!(shown.ends_with("DoorEvent unknown"), "{shown}");
    screen.put("open");
    screen.check(&[
        ("< open_door", "", "talking"),
        (
            "< call_end",
            "DoorEvent unknown; CallEvent ended hangup",
            "",
        ),
        ("open", "refused unknown-id", ""),
    ]);
    // The box judges whether a ringing screen may.
    let mut screen = ringing();
    screen.check(&[("open", "> open_door", "incoming")]);
}

#[test]
fn a_screen_calls_through_its_box() {
    let mut screen = Device::joined();
    screen.check(&[
        ("dial to=2-1-1", "CallEvent calling; > call_req", "calling"),
        ("open", "refused bad-state", "calling"),
        (
            "< call_req sid=glare",
            "> call_reject line_busy; CallEvent ended line_busy",
            "calling",
        ),
        ("< call_keep", "CallEvent ringing", "ringing"),
        ("< call_accept", "CallEvent talking", "talking"),
        ("open", "> open_door", "talking"),
        (
            "< call_end",
            "DoorEvent unknown; CallEvent ended hangup",
            "",
        ),
    ]);
    screen.check(&[
        ("dial", "CallEvent calling; > call_req", "calling"),
        ("lost", "CallEvent ended lost; BoxEvent lost lost", ""),
        ("dial", "refused no-box", ""),
    ]);
}

#[test]
fn the_urls_of_a_screen() {
    let mut screen = Device::joined();
    screen.put("< call_req");
    let incoming = screen.line("CallEvent");
    assert!(
        incoming.ends_with("&play_video=http://192.168.1.22:954/stream/v1"),
        "{incoming}"
    );
    let urls = screen.endpoint.handle_accept(screen.now, b"s1").unwrap();
    assert_eq!(urls.publish_audio, b"http://192.168.1.22:954/stream/a2");
    assert_eq!(
        (&urls.play_audio[..], &urls.publish_video[..]),
        (&b""[..], &b""[..])
    );

    // Another home's streams are at the community's server.
    let mut screen = Device::joined();
    screen.put("dial to=3-1-101 type=1");
    screen.put("< call_accept");
    let talking = screen.line("CallEvent");
    assert_eq!(
        talking.matches("=http://192.168.1.22:7894/stream/").count(),
        2,
        "{talking}"
    );
    // Those of a call within the home are at the box.
    let mut screen = Device::joined();
    screen.put("dial to=2-1-201 type=1");
    screen.put("< call_accept");
    let talking = screen.line("CallEvent");
    assert_eq!(
        talking.matches("=http://192.168.1.22:954/stream/").count(),
        2,
        "{talking}"
    );
    // Without a picture, a door's stream is played for its sound.
    let mut screen = Device::joined();
    screen.put("dial to=2-1-1 video=0");
    screen.put("< call_accept");
    let talking = screen.line("CallEvent");
    assert!(
        talking.contains("&play_audio=") && !talking.contains("&play_video="),
        "{talking}"
    );
}

#[test]
fn a_bad_request_is_rejected() {
    let mut screen = Device::joined();
    let rejected = "> call_reject bad_request";
    screen.check(&[("< call_req type=4 audio=a2", rejected, "")]);
    let mut door = Device::new(settings(Role::Door));
    door.put("accepted");
    door.check(&[(
        "< call_req type=4 audio=a2",
        "> call_reject bad_request; close",
        "",
    )]);
}

#[test]
fn a_door_that_is_viewed_shows_its_picture() {
    let mut door = viewed();
    door.check(&[
        ("< open_door", "", "incoming"),
        ("answer", "> call_accept", "talking"),
        ("< open_door", "DoorEvent requested", "talking"),
        ("lost", "CallEvent ended lost", ""),
    ]);
}
