//! The box in virtual time: the rows of its table (spec, section 7) that have several ways in, each
//! way as a trace of its own.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::rules::{RejectPolicy, Rules};
use callrec::wire::intercom::Message;

/// A panel (leg 1) and a phone (leg 2) have joined.
fn home() -> Site {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.screen("phone", 2);
    site
}

/// A door (leg 3) rings on both.
pub(crate) fn ringing_with(reject: RejectPolicy) -> Site {
    let mut site = Site::new(Rules { reject, ..rules() });
    site.screen("panel", 1);
    site.screen("phone", 2);
    site.outside();
    site.send(3, &door_calls("s1"));
    site.take();
    site
}

pub(crate) fn ringing() -> Site {
    ringing_with(RejectPolicy::Panel)
}

/// The panel dials a door, which is to be leg 3.
fn dialling() -> Site {
    let mut site = home();
    site.send(1, &screen_calls("s1", "11.0.11.1"));
    assert_eq!(site.take(), ["3 connect 11.0.11.1:7895"]);
    site
}

/// The door rings.
pub(crate) fn ringing_out() -> Site {
    let mut site = dialling();
    assert_eq!(site.connected(), 3);
    assert_eq!(site.take(), ["3 call_req"]);
    site
}

/// The door (leg 3) talks with the panel (leg 1), whoever has called.
fn talking() -> [Site; 2] {
    let (mut called, mut calls) = (ringing(), ringing_out());
    called.send(1, &accept("s1"));
    calls.send(3, &accept("s1"));
    for site in [&mut called, &mut calls] {
        site.take();
        assert_eq!(site.state(), "talking");
    }
    [called, calls]
}

/// What is sent and closed, whatever the order of the two ends.
fn sorted(site: &mut Site) -> Vec<String> {
    let mut lines = site.take();
    lines.sort();
    lines
}

#[test]
fn free_a_caller_has_five_seconds_to_call() {
    let mut site = home();
    let silent = site.outside();
    site.pass(ms(4_999));
    assert_eq!(site.take(), [""; 0]);
    site.pass(ms(1));
    assert_eq!(site.take(), [format!("{silent} closed")]);
    // One that goes without having called leaves nothing behind, either.
    let hasty = site.outside();
    site.close(hasty);
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    assert_eq!(site.take(), ["1 call_req", "2 call_req"]);
}

#[test]
fn dialling_the_screen_gives_up_or_is_lost() {
    for message in [end("s1", ""), end("", ""), reject("s1", "declined")] {
        let mut site = dialling();
        site.send(1, &message);
        assert_eq!(site.take(), ["3 closed"], "{message:?}");
        assert_eq!(site.logged(), "unanswered cancelled");
    }
    let mut site = dialling();
    site.close(1);
    assert_eq!(
        (site.take(), site.state()),
        (vec!["3 closed".into()], "free")
    );
    assert_eq!(site.logged(), "unanswered lost");
    // The connection was made meanwhile: it is not used any more.
    assert_eq!(site.connected(), 3);
    assert_eq!(
        (site.take(), site.state()),
        (vec!["3 closed".into()], "free")
    );
}

#[test]
fn ringing_out_the_screen_gives_up() {
    for message in [end("s1", ""), end("", "hangup"), reject("s1", "declined")] {
        let mut site = ringing_out();
        site.send(1, &message);
        assert_eq!(site.take(), ["3 call_end(cancelled)", "3 closed"]);
        assert_eq!(site.logged(), "unanswered cancelled");
    }
    let mut site = ringing_out();
    site.close(1);
    assert_eq!(site.take(), ["3 call_end(lost)", "3 closed"]);
    assert_eq!(site.logged(), "unanswered lost");
}

#[test]
fn ringing_out_the_called_device_is_lost() {
    let mut site = ringing_out();
    site.close(3);
    assert_eq!(site.take(), ["1 call_reject(lost)"]);
    assert_eq!(
        (site.logged(), site.state()),
        ("unanswered lost".into(), "free")
    );
}

#[test]
fn ringing_out_a_silent_end_is_lost() {
    for silent in [1, 3] {
        let mut site = ringing_out();
        site.send(silent, &keep("s1"));
        let other = 4 - silent;
        assert_eq!(site.take_all(), [format!("{other} call_keep")]);
        site.pass(ms(9_999));
        assert_eq!((site.take(), site.state()), (vec![], "dialling"));
        site.pass(ms(1));
        assert_eq!(
            site.take(),
            ["1 call_reject(lost)", "3 call_end(lost)", "3 closed"],
            "{silent}"
        );
        assert_eq!(site.logged(), "unanswered lost");
    }
}

#[test]
fn ringing_in_a_silent_screen_is_lost() {
    let mut site = ringing_with(RejectPolicy::Device);
    for screen in [1, 2] {
        site.send(screen, &keep("s1"));
    }
    site.pass(seconds(5));
    site.send(1, &keep(""));
    site.pass(seconds(5));
    assert_eq!(site.take(), ["2 call_end(lost)"], "the other one rings on");
    site.pass(seconds(5));
    assert_eq!(
        site.take(),
        ["1 call_end(lost)", "3 call_reject(app_offline)", "3 closed"]
    );
}

#[test]
fn talking_each_end_hangs_up() {
    let says: [fn(&str, &str) -> Message; 2] = [end, reject];
    for (message, sid, reason, told) in [
        (says[0], "s1", "", "hangup"),
        (says[0], "", "coffee", "coffee"),
        (says[1], "s1", "", "hangup"),
        (says[1], "s1", "declined", "declined"),
    ] {
        for mut site in talking() {
            site.send(3, &message(sid, reason));
            let ends = [format!("1 call_end({told})"), "3 closed".into()];
            assert_eq!(sorted(&mut site), ends);
            assert_eq!(site.state(), "free");
        }
        for mut site in talking() {
            site.send(1, &message(sid, reason));
            assert_eq!(
                site.take(),
                [format!("3 call_end({told})"), "3 closed".into()]
            );
            assert_eq!(site.state(), "free");
        }
    }
}

#[test]
fn talking_a_silent_end_is_lost() {
    for silent in [1, 3] {
        for mut site in talking() {
            site.send(silent, &keep("s1"));
            site.pass(ms(9_999));
            assert_eq!((site.take(), site.state()), (vec![], "talking"));
            site.pass(ms(1));
            let ends = ["1 call_end(lost)", "3 call_end(lost)", "3 closed"];
            assert_eq!(sorted(&mut site), ends);
            assert_eq!(site.logged().split(' ').take(2).last(), Some("lost"));
        }
    }
}

#[test]
fn talking_each_connection_may_end() {
    for mut site in talking() {
        site.close(3);
        assert_eq!(site.take(), ["1 call_end(lost)"]);
    }
    for mut site in talking() {
        site.close(1);
        assert_eq!(site.take(), ["3 call_end(lost)", "3 closed"]);
    }
}

#[test]
fn not_free_others_hear_that_the_line_is_busy() {
    let states: [fn() -> Site; 3] = [ringing, dialling, ringing_out];
    for (begin, state) in states.iter().zip(["ringing", "dialling", "dialling"]) {
        let mut site = begin();
        let second = site.outside();
        site.send(second, &door_calls("s2"));
        assert_eq!(
            site.take(),
            [
                format!("{second} call_reject(line_busy)"),
                format!("{second} closed")
            ]
        );
        assert_eq!(site.logged(), "busy line_busy");
        site.send(2, &screen_calls("s3", "11.0.11.1"));
        assert_eq!(site.take(), ["2 call_reject(line_busy)"]);
        assert_eq!(site.state(), state, "the call goes on");
    }
}

#[test]
fn ringing_a_repeated_call_request_changes_nothing() {
    let mut site = ringing();
    site.send(3, &door_calls("s1"));
    assert_eq!((site.take(), site.state()), (vec![], "ringing"));
    let mut site = ringing_out();
    site.send(1, &screen_calls("s1", "11.0.11.1"));
    assert_eq!((site.take(), site.state()), (vec![], "dialling"));
}
