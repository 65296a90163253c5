//! The box's router in virtual time: both ends talk, and calls that a screen begins.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::output::BoxEvent;
use callrec::proto::intercom::home_box::rules::Rules;

/// A door (leg 3) talks to a panel (leg 1); a phone (leg 2) did not win.
fn talking(rules: Rules) -> Site {
    let mut site = Site::new(rules);
    site.screen("panel", 1);
    site.screen("phone", 2);
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    site.send(1, &accept("s1"));
    assert_eq!(site.state(), "talking");
    site.take();
    site.call_events();
    site
}

fn door_states(site: &mut Site) -> Vec<&'static str> {
    let events = std::mem::take(&mut site.events);
    let doors = events.into_iter().filter_map(|event| match event {
        BoxEvent::Door { state, .. } => Some(state),
        _ => None,
    });
    doors.collect()
}

#[test]
fn keep_alives_are_passed_on_and_sent_by_the_box() {
    let mut site = talking(rules());
    site.send(3, &keep("s1"));
    site.send(1, &keep(""));
    assert_eq!(site.take_all(), ["1 call_keep", "3 call_keep"]);
    site.pass(seconds(3));
    assert_eq!(site.take_all(), ["3 call_keep", "1 call_keep"]);
}

#[test]
fn a_silent_leg_is_lost_once_it_has_kept_itself_alive() {
    let mut site = talking(rules());
    site.pass(seconds(60));
    assert_eq!(
        (site.take(), site.state()),
        (vec![], "talking"),
        "it never sent a call_keep"
    );
    site.send(1, &keep("s1"));
    site.pass(seconds(9));
    // A message of another call refreshes nothing; one of this call does.
    site.send(1, &keep("other"));
    site.send(1, &open_door("s1"));
    site.pass(ms(9_999));
    assert_eq!(site.state(), "talking");
    site.take();
    site.pass(ms(1));
    assert_eq!(
        site.take(),
        ["3 call_end(lost)", "3 closed", "1 call_end(lost)"]
    );
    assert_eq!(site.logged(), "answered lost panel");
}

#[test]
fn another_home_is_no_door() {
    for home in [1, 2] {
        let mut site = Site::new(rules());
        site.screen("panel", 1);
        let message = call_req("s1", ("2-1-202", home), ("2-1-201", 1, "11.0.1.22"));
        let caller = site.outside();
        site.send(caller, &message);
        site.send(1, &accept("s1"));
        site.take();
        site.send(1, &open_door("s1"));
        assert_eq!(site.take(), [""; 0]);
        assert_eq!(door_states(&mut site), [""; 0]);
        site.send(1, &end("s1", ""));
        assert_eq!(site.log[0].opened, 0);
    }
}

#[test]
fn only_the_screen_that_has_answered_opens_the_door() {
    let mut site = talking(rules());
    for other in [2, 3] {
        site.send(other, &open_door("s1"));
    }
    assert_eq!(site.take(), [""; 0]);
    site.send(1, &open_door("s1"));
    assert_eq!(site.take(), ["3 open_door(0,true)"]);
    site.send(3, &opened("s1"));
    assert_eq!(site.take(), ["1 open_door_result(true,)"]);
    assert_eq!(door_states(&mut site), ["requested", "opened"]);
    // A door of the old kind does not reply.
    site.send(1, &open_door(""));
    site.pass(seconds(2));
    assert_eq!(
        site.take(),
        ["3 open_door(0,true)", "1 open_door_result(false,unknown)"]
    );
    assert_eq!(door_states(&mut site), ["requested", "unknown"]);
    site.send(3, &opened("s1"));
    assert_eq!(site.take(), [""; 0], "too late");
    site.send(3, &end("s1", "hangup"));
    assert_eq!(site.log.pop().unwrap().opened, 2);
}

#[test]
fn the_call_may_end_some_time_after_the_door_was_opened() {
    let mut site = talking(Rules {
        open_ends: seconds(5),
        ..rules()
    });
    site.send(1, &open_door("s1"));
    site.send(3, &opened("s1"));
    site.take();
    site.pass(ms(4_999));
    assert_eq!(site.state(), "talking");
    site.pass(ms(1));
    assert_eq!(
        site.take(),
        ["3 call_end(hangup)", "3 closed", "1 call_end(hangup)"]
    );
}

#[test]
fn the_longest_call_with_a_door_is_announced_and_ended() {
    let mut site = talking(rules());
    site.pass(seconds(289));
    assert_eq!(site.call_events(), [""; 0]);
    site.pass(seconds(1));
    assert_eq!(site.call_events(), ["ending"]);
    site.take();
    site.pass(seconds(10));
    assert_eq!(
        site.take(),
        [
            "3 call_end(max_duration)",
            "3 closed",
            "1 call_end(max_duration)"
        ]
    );
    assert_eq!(site.log.pop().unwrap().duration_ms, 300_000);
}

#[test]
fn each_end_of_the_call_may_be_lost() {
    for (lost, told) in [(3, "1 call_end(lost)"), (1, "3 call_end(lost)")] {
        let mut site = talking(rules());
        site.close(lost);
        assert_eq!(site.take()[0], told);
        assert_eq!(site.state(), "free");
    }
    // The device comes back on another connection.
    let mut site = talking(rules());
    let again = site.screen("panel", 1);
    assert_eq!(
        site.take(),
        [
            "1 join_reject(replaced)",
            "1 closed",
            "3 call_end(lost)",
            "3 closed"
        ]
    );
    assert!(again > 3);
}

#[test]
fn who_has_not_won_cannot_end_the_call() {
    let mut site = talking(rules());
    for message in [end("s1", ""), reject("", ""), keep("s1"), open_door("")] {
        site.send(2, &message);
    }
    assert_eq!((site.take(), site.state()), (vec![], "talking"));
    assert_eq!(site.home_box.counts().ignored_messages, 4);
}

#[test]
fn another_caller_hears_that_the_line_is_busy() {
    let mut site = talking(rules());
    let second = site.outside();
    site.send(second, &door_calls("s2"));
    assert_eq!(
        site.take(),
        [
            "1 call_req".into(),
            format!("{second} call_reject(line_busy)"),
            format!("{second} closed")
        ],
        "the screen that talks hears who is there"
    );
    site.send(1, &reject("s2", "line_busy"));
    assert_eq!((site.take(), site.state()), (vec![], "talking"));
    assert_eq!(site.logged(), "busy line_busy");
    let silent = site.outside();
    site.pass(ms(1000));
    assert_eq!(
        site.take(),
        [
            format!("{silent} call_reject(line_busy)"),
            format!("{silent} closed")
        ]
    );
    site.send(2, &screen_calls("s3", "11.0.11.1"));
    assert_eq!(site.take(), ["2 call_reject(line_busy)"]);
}

#[test]
fn a_screen_calls_a_door() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.send(1, &screen_calls("s1", "11.0.11.1"));
    assert_eq!(site.take(), ["2 connect 11.0.11.1:7895"]);
    assert_eq!(site.state(), "dialling");
    let door = site.connected();
    assert_eq!(site.take(), ["2 call_req"]);
    let (_, src, dest) = site.requests.pop().unwrap();
    assert_eq!(utf8(&src.ip), "11.0.1.22");
    assert_eq!(utf8(&dest.audio), "http://11.0.1.22:954/stream/a1");
    site.send(door, &accept("s1"));
    assert_eq!(site.take(), ["1 call_accept(2-1-1)"]);
    // The screen opens the door that it has called; the door opens nothing.
    site.send(door, &open_door("s1"));
    site.send(1, &open_door("s1"));
    assert_eq!(site.take(), ["2 open_door(0,true)"]);
    site.send(1, &end("s1", "hangup"));
    // The door has not said what came of it.
    assert_eq!(
        site.take(),
        [
            "1 open_door_result(false,unknown)",
            "2 call_end(hangup)",
            "2 closed"
        ]
    );
    let record = site.log.pop().unwrap();
    assert_eq!((record.state, record.direction), ("answered", "out"));
}

#[test]
fn what_a_called_door_says_reaches_the_screen() {
    for (message, told, log) in [
        (
            reject("s1", "line_busy"),
            "1 call_reject(line_busy)",
            "busy line_busy",
        ),
        (
            reject("", ""),
            "1 call_reject(declined)",
            "rejected declined",
        ),
        (
            end("s1", "hangup"),
            "1 call_reject(hangup)",
            "rejected hangup",
        ),
    ] {
        let mut site = Site::new(rules());
        site.screen("panel", 1);
        site.send(1, &screen_calls("s1", "11.0.11.1"));
        let door = site.connected();
        site.take();
        site.send(door, &message);
        assert_eq!(site.take(), [told, "2 closed"]);
        assert_eq!(site.logged(), log);
    }
}

#[test]
fn calls_of_screens_that_fail() {
    let fails = |run: &dyn Fn(&mut Site)| {
        let mut site = Site::new(rules());
        site.screen("panel", 1);
        site.send(1, &screen_calls("s1", "11.0.11.1"));
        site.take();
        run(&mut site);
        (site.take(), site.logged())
    };
    let (lines, log) = fails(&|site| site.unreachable());
    assert_eq!(
        (&lines[..], &log[..]),
        (
            &[
                "1 call_reject(unreachable)".to_owned(),
                "2 closed".to_owned()
            ][..],
            "unanswered unreachable"
        )
    );
    let (lines, _) = fails(&|site| site.pass(seconds(10)));
    assert_eq!(lines, ["1 call_reject(unreachable)", "2 closed"]);
    let (lines, log) = fails(&|site| site.send(1, &end("s1", "")));
    assert_eq!(
        (&lines[..], &log[..]),
        (&["2 closed".to_owned()][..], "unanswered cancelled")
    );
    let (lines, _) = fails(&|site| {
        site.connected();
        site.take();
        site.pass(seconds(60));
    });
    assert_eq!(
        lines,
        [
            "1 call_reject(no_answer)",
            "2 call_end(timeout)",
            "2 closed"
        ]
    );
    let (lines, _) = fails(&|site| {
        site.connected();
        site.take();
        site.close(1);
    });
    assert_eq!(lines, ["2 call_end(lost)", "2 closed"]);
}

#[test]
fn where_a_screen_may_call_to() {
    for (to, answer) in [
        (("2-1-1", 3, "11.0.1.22"), "1 call_reject(unauthorised)"),
        (("2-1-1", 3, "192.168.1.22"), "1 call_reject(unauthorised)"),
        (("2-1-1", 3, "10.0.0.1"), "1 call_reject(unauthorised)"),
        (("2-1-1", 3, "door.example"), "1 call_reject(bad_request)"),
        (("2-1-9", 3, ""), "1 call_reject(unreachable)"),
        (("guard", 4, ""), "2 connect 172.16.0.9:7895"),
        (("guard", 4, "172.16.0.9"), "2 connect 172.16.0.9:7895"),
        (("2-1-301", 1, "11.0.1.31"), "2 connect 11.0.1.31:7892"),
    ] {
        let mut site = Site::new(rules());
        site.screen("panel", 1);
        site.send(1, &call_req("s1", ("2-1-201", 2), to));
        assert_eq!(site.take(), [answer], "{to:?}");
    }
}

#[test]
fn a_neighbour_is_told_the_address_at_which_it_was_found() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.send(1, &call_req("s1", ("2-1-201", 2), ("guard", 4, "")));
    site.connected();
    let (_, _, dest) = site.requests.pop().unwrap();
    assert_eq!((utf8(&dest.ip), dest.port), ("172.16.0.9".into(), 7895));
}

#[test]
fn from_room_to_room_the_other_screens_ring() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.screen("kitchen", 1);
    site.screen("phone", 2);
    site.send(1, &call_req("s1", ("2-1-201", 2), ("2-1-201", 2, "")));
    assert_eq!(site.take(), ["2 call_req", "3 call_req"]);
    site.send(3, &accept("s1"));
    assert_eq!(
        site.take(),
        ["2 call_end(answered_elsewhere)", "1 call_accept(phone)"]
    );
    site.send(1, &end("s1", ""));
    assert_eq!(site.take(), ["3 call_end(hangup)"]);
}

#[test]
fn a_door_that_nobody_answers_is_passed_on() {
    let mut site = Site::new(Rules {
        no_answer_to: callrec::wire::intercom::text("guard"),
        ..rules()
    });
    site.screen("panel", 1);
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    site.take();
    site.pass(seconds(60));
    assert_eq!(
        site.take(),
        ["1 call_end(timeout)", "3 connect 172.16.0.9:7895"]
    );
    let guard = site.connected();
    assert_eq!(site.take(), ["3 call_req"]);
    site.screen("kitchen", 1);
    assert_eq!(site.take(), [""; 0], "who joins meanwhile does not ring");
    site.send(guard, &accept("s1"));
    assert_eq!(site.take(), ["2 call_accept(guard)"]);
    site.send(guard, &open_door("s1"));
    assert_eq!(site.take(), ["2 open_door(0,true)"]);
    site.send(door, &opened("s1"));
    assert_eq!(site.take(), ["3 open_door_result(true,)"]);
    site.send(guard, &end("s1", ""));
    assert_eq!(site.take(), ["2 call_end(hangup)", "2 closed", "3 closed"]);
    assert_eq!(site.logged(), "missed hangup guard");
}
