//! The box's router in virtual time: calls from the community until they are answered or not, each
//! row of the table.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::rules::{DoorPolicy, RejectPolicy, Rules};

/// A door (leg 3) rings on a panel (leg 1) and a phone (leg 2).
fn ringing(rules: Rules) -> Site {
    let mut site = Site::new(rules);
    let panel = site.screen("panel", 1);
    let phone = site.screen("phone", 2);
    let door = site.outside();
    assert_eq!((panel, phone, door), (1, 2, 3));
    site.send(door, &door_calls("s1"));
    assert_eq!(site.take(), ["1 call_req", "2 call_req"]);
    assert_eq!(site.state(), "ringing");
    assert_eq!(site.call_events(), ["ringing"]);
    site
}

#[test]
fn the_first_accept_wins() {
    let mut site = ringing(rules());
    site.send(2, &accept("s1"));
    assert_eq!(
        site.take(),
        ["1 call_end(answered_elsewhere)", "3 call_accept(phone)"]
    );
    assert_eq!(
        (site.state(), site.call_events()),
        ("talking", vec!["talking".into()])
    );
    // A late accept, also one in the same read.
    site.send(1, &accept("s1"));
    assert_eq!(site.take(), ["1 call_end(answered_elsewhere)"]);
    site.pass(ms(1500));
    site.send(2, &end("s1", ""));
    assert_eq!(site.take(), ["3 call_end(hangup)", "3 closed"]);
    assert_eq!(site.logged(), "answered hangup phone");
    assert_eq!(
        (site.state(), site.call_events()),
        ("free", vec!["ended hangup".into()])
    );
}

#[test]
fn a_screen_of_the_old_kind_answers_without_a_key() {
    let mut site = ringing(rules());
    site.send(1, &accept(""));
    assert_eq!(
        site.take(),
        ["2 call_end(answered_elsewhere)", "3 call_accept(panel)"]
    );
}

#[test]
fn an_accept_after_the_caller_has_gone_is_told_that_it_ended() {
    let mut site = ringing(rules());
    site.close(3);
    assert_eq!(site.take(), ["1 call_end(lost)", "2 call_end(lost)"]);
    assert_eq!(site.logged(), "missed lost");
    site.send(1, &accept("s1"));
    assert_eq!((site.take(), site.state()), (vec![], "free"));
    assert_eq!(site.home_box.counts().ignored_messages, 1);
}

#[test]
fn the_callers_end_and_its_silence_end_the_ring() {
    let mut site = ringing(rules());
    site.send(3, &end("s1", ""));
    let ends = ["1 call_end(cancelled)", "2 call_end(cancelled)", "3 closed"];
    assert_eq!(site.take(), [ends[2], ends[0], ends[1]]);
    assert_eq!(site.logged(), "missed cancelled");

    let mut site = ringing(rules());
    site.send(3, &keep("s1"));
    assert_eq!(site.take_all(), ["1 call_keep", "2 call_keep"]);
    site.pass(ms(9_999));
    assert_eq!((site.take(), site.state()), (vec![], "ringing"));
    site.pass(ms(1));
    assert_eq!(
        site.take(),
        [
            "3 call_end(lost)",
            "3 closed",
            "1 call_end(lost)",
            "2 call_end(lost)"
        ]
    );
}

#[test]
fn nobody_answers() {
    let mut site = ringing(rules());
    site.pass(ms(59_999));
    assert_eq!(
        (site.take(), site.state()),
        (vec![], "ringing"),
        "deployed screens send no keep-alives"
    );
    site.pass(ms(1));
    assert_eq!(
        site.take(),
        [
            "3 call_reject(no_answer)",
            "3 closed",
            "1 call_end(timeout)",
            "2 call_end(timeout)"
        ]
    );
    assert_eq!(site.logged(), "missed no_answer");
    assert_eq!(site.call_events(), ["missed no_answer"]);
}

#[test]
fn a_panels_reject_ends_the_ring_and_a_phones_only_its_own() {
    let mut site = ringing(rules());
    site.send(2, &reject("s1", "declined"));
    assert_eq!((site.take(), site.state()), (vec![], "ringing"));
    site.send(1, &reject("s1", "declined"));
    assert_eq!(site.take(), ["3 call_reject(declined)", "3 closed"]);
    assert_eq!(site.logged(), "rejected declined panel");

    let mut site = ringing(rules());
    site.send(1, &end("s1", ""));
    assert_eq!(
        site.take(),
        [
            "3 call_reject(declined)",
            "3 closed",
            "2 call_end(declined)"
        ],
        "call_end of a ringing screen is its reject"
    );
}

#[test]
fn the_other_policies_of_rejects() {
    let with = |reject| Rules { reject, ..rules() };
    let mut site = ringing(with(RejectPolicy::Household));
    site.send(2, &reject("s1", "call_denied"));
    assert_eq!(
        site.take(),
        [
            "3 call_reject(call_denied)",
            "3 closed",
            "1 call_end(declined)"
        ]
    );
    let mut site = ringing(with(RejectPolicy::Device));
    site.send(1, &reject("s1", ""));
    assert_eq!((site.take(), site.state()), (vec![], "ringing"));
    site.send(2, &reject("s1", "call_denied"));
    assert_eq!(
        site.take(),
        ["3 call_reject(declined)", "3 closed"],
        "all have rejected"
    );
}

#[test]
fn screens_that_are_lost_while_it_rings() {
    let mut site = ringing(rules());
    site.close(1);
    site.close(2);
    assert_eq!(
        (site.take(), site.state()),
        (vec![], "ringing"),
        "one may come back"
    );
    let back = site.screen("phone", 2);
    assert_eq!(site.take(), [format!("{back} call_req")]);
    site.send(back, &accept("s1"));
    assert_eq!(site.take(), ["3 call_accept(phone)"]);

    let policy = Rules {
        reject: RejectPolicy::Device,
        ..rules()
    };
    let mut site = ringing(policy);
    site.close(1);
    site.close(2);
    assert_eq!(site.take(), ["3 call_reject(app_offline)", "3 closed"]);
}

#[test]
fn a_screen_that_joins_late_rings_unless_its_device_has_rejected() {
    let mut site = ringing(rules());
    let late = site.screen("kitchen", 1);
    assert_eq!(site.take(), [format!("{late} call_req")]);
    site.send(2, &reject("s1", ""));
    let again = site.accept(
        callrec::proto::intercom::home_box::Side::Home,
        [192, 168, 1, 9],
    );
    site.join(again.unwrap(), "phone", 2);
    assert_eq!(
        site.take(),
        [
            format!("{} join_accept", again.unwrap()),
            "2 join_reject(replaced)".into(),
            "2 closed".into()
        ]
    );
    assert_eq!(site.state(), "ringing");
}

#[test]
fn a_ringing_screen_opens_the_door_where_that_is_allowed() {
    let mut site = ringing(rules());
    site.send(1, &open_door("s1"));
    assert_eq!(
        (site.take(), site.state()),
        (vec![], "ringing"),
        "not by default"
    );

    let mut site = ringing(Rules {
        door: DoorPolicy::Ringing,
        ..rules()
    });
    site.send(1, &open_door("s1"));
    assert_eq!(
        site.take(),
        ["2 call_end(answered_elsewhere)", "3 open_door(0,true)"]
    );
    site.pass(ms(300));
    site.send(3, &opened("s1"));
    assert_eq!(site.take(), ["1 open_door_result(true,)"]);
    site.pass(ms(700));
    assert_eq!(
        site.take(),
        ["3 call_end(hangup)", "3 closed", "1 call_end(hangup)"]
    );
    let record = site.log.pop().unwrap();
    let (state, by) = (record.state, utf8(&record.by));
    assert_eq!(
        (state, &by[..], record.opened, record.duration_ms),
        ("answered", "panel", 1, 0)
    );
}

#[test]
fn calls_that_are_refused() {
    let refused = |rules: Rules, screens: usize, message| {
        let mut site = Site::new(rules);
        for screen in 0..screens {
            site.screen(&format!("screen{screen}"), 1);
        }
        let door = site.outside();
        site.send(door, &message);
        let lines = site.take();
        assert_eq!(lines[1..], [format!("{door} closed")]);
        assert_eq!(site.state(), "free");
        (lines[0].clone(), site.logged())
    };
    let (line, log) = refused(rules(), 0, door_calls("s1"));
    assert_eq!(
        (&line[..], &log[..]),
        ("1 call_reject(app_offline)", "missed app_offline")
    );
    let mut equal = door_calls("s1");
    if let callrec::wire::intercom::Message::CallReq { src, dest, .. } = &mut equal {
        src.audio = dest.audio.clone();
    }
    let (line, log) = refused(rules(), 1, equal);
    assert_eq!(
        (&line[..], &log[..]),
        ("2 call_reject(bad_request)", "rejected bad_request")
    );
}

#[test]
fn do_not_disturb_refuses_doors_but_not_the_property() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.home_box
        .set_do_not_disturb(Some(site.now + seconds(60)));
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    assert_eq!(site.take(), ["2 call_reject(call_denied)", "2 closed"]);
    let property = site.outside();
    site.send(property, &call_req("s2", ("guard", 4), ("2-1-201", 1, "")));
    assert_eq!(site.take(), ["1 call_req"]);
    site.send(property, &end("s2", ""));
    site.take();
    site.pass(seconds(60));
    let door = site.outside();
    site.send(door, &door_calls("s3"));
    assert_eq!(site.take(), ["1 call_req"]);
}
