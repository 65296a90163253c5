//! The box in virtual time: screens that join, alarms, strangers.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::rules::JoinVerdict;
use callrec::proto::intercom::home_box::Side;
use callrec::wire::intercom::{text, Message};

const HOME: [u8; 4] = [192, 168, 1, 50];

#[test]
fn a_screen_joins_within_five_seconds_or_is_closed() {
    let mut site = Site::new(rules());
    let leg = site.accept(Side::Home, HOME).unwrap();
    site.send(leg, &accept("s1"));
    site.send(leg, &door_calls("s1"));
    assert_eq!(site.take(), [""; 0], "nothing counts before it has joined");
    assert_eq!(site.home_box.counts().ignored_messages, 2);
    site.pass(ms(4_999));
    assert_eq!(site.take(), [""; 0]);
    site.pass(ms(1));
    assert_eq!(site.take(), ["1 closed"]);
}

#[test]
fn a_refused_screen_hears_why() {
    let mut site = Site::new(rules());
    let leg = site.accept(Side::Home, HOME).unwrap();
    let verdict = JoinVerdict::Refused(text("unauthorised"));
    site.home_box.handle_join(site.now, leg, verdict);
    site.pass(ms(0));
    site.lines.clear();
    while let Some(output) = site.home_box.poll_output() {
        site.lines.push(format!("{output:?}"));
    }
    assert!(
        site.lines.iter().any(|line| line.contains("JoinReject")),
        "{:?}",
        site.lines
    );
    assert_eq!(site.home_box.counts().refused_joins, 1);
}

#[test]
fn sixteen_screens_and_no_more() {
    let mut site = Site::new(rules());
    for n in 0..16 {
        site.screen(&format!("screen{n}"), 2);
    }
    let leg = site.accept(Side::Home, HOME).unwrap();
    site.join(leg, "one more", 2);
    assert_eq!(site.take(), ["17 join_reject(call_denied)", "17 closed"]);
    // A device that is there may come back.
    let leg = site.accept(Side::Home, HOME).unwrap();
    site.join(leg, "screen3", 2);
    assert_eq!(
        site.take(),
        ["18 join_accept", "4 join_reject(replaced)", "4 closed"]
    );
}

#[test]
fn screens_without_a_name_are_all_different() {
    let mut site = Site::new(rules());
    site.screen("", 0);
    site.screen("", 0);
    assert_eq!(site.home_box.devices().count(), 2);
}

#[test]
fn a_device_whose_token_was_revoked_is_put_out() {
    let mut site = Site::new(rules());
    site.screen("phone", 2);
    site.home_box.put_out_device(site.now, b"phone", "revoked");
    site.pass(ms(0));
    assert_eq!(site.home_box.devices().count(), 0);
}

#[test]
fn strangers_wait_in_a_small_room() {
    let mut site = Site::new(rules());
    for _ in 0..4 {
        site.outside_of([11, 9, 9, 9]);
    }
    assert_eq!(
        site.accept(Side::Community, [11, 9, 9, 9]),
        None,
        "four of one address"
    );
    for _ in 0..4 {
        site.outside();
    }
    assert_eq!(site.take(), [""; 0]);
    let ninth = site.outside();
    assert_eq!(site.take(), ["1 closed"], "the oldest silent one gives way");
    site.screen("panel", 1);
    site.send(ninth, &door_calls("s1"));
    assert_eq!(site.state(), "ringing", "and the call works");
    site.take();
    site.pass(ms(1000));
    assert_eq!(
        site.take()
            .iter()
            .filter(|line| line.contains("line_busy"))
            .count(),
        7
    );
}

#[test]
fn callers_that_speak_are_not_given_up_for_new_ones() {
    let mut site = Site::new(rules());
    for _ in 0..8 {
        let leg = site.outside();
        site.send(leg, &keep(""));
    }
    assert_eq!(site.accept(Side::Community, [11, 1, 1, 1]), None);
    site.pass(seconds(5));
    assert_eq!(site.take().len(), 8, "but they have five seconds to call");
}

#[test]
fn silent_connections_at_home_give_way_to_a_screen() {
    let mut site = Site::new(rules());
    for _ in 0..16 {
        site.accept(Side::Home, HOME).unwrap();
    }
    let leg = site.accept(Side::Home, HOME).unwrap();
    assert_eq!(
        site.take(),
        ["1 closed"],
        "the oldest that has said nothing"
    );
    site.join(leg, "panel", 1);
    assert_eq!(site.take(), ["17 join_accept"]);
}

#[test]
fn a_call_of_nobody_is_refused() {
    let mut site = Site::new(rules());
    let panel = site.screen("panel", 1);
    let door = site.outside();
    let nobody = Message::BadCallReq { sid: text("s1") };
    site.send(door, &nobody);
    assert_eq!(site.take(), ["2 call_reject(bad_request)", "2 closed"]);
    site.send(panel, &nobody);
    assert_eq!(site.take(), ["1 call_reject(bad_request)"]);
}

#[test]
fn the_streams_of_a_call_are_known_by_their_ids() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    let door = site.outside();
    let mut request = door_calls("s1");
    if let Message::CallReq { src, .. } = &mut request {
        src.video = text("http://11.0.1.22:954/stream/v7.flv");
    }
    assert!(site.home_box.stream_use().ids.is_empty(), "no call");
    site.send(door, &request);
    let rings = site.home_box.stream_use();
    assert_eq!(rings.ids, [b"v7".to_vec(), b"a1".to_vec()]);
    assert!(!rings.is_answered && rings.talking.is_empty());
    site.send(1, &accept("s1"));
    let talks = site.home_box.stream_use();
    assert!(talks.is_answered);
    assert_eq!(talks.talking.len(), 2);
}

#[test]
fn a_caller_without_a_key_gets_messages_without_one() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    let door = site.outside();
    site.send(door, &door_calls(""));
    let Some((_, sid)) = Some(site.home_box.call_status()) else {
        unreachable!()
    };
    let sid = utf8(sid);
    assert_eq!(sid.len(), 16);
    site.home_box.handle_message(site.now, 1, &accept(&sid));
    let mut to_door = None;
    while let Some(output) = site.home_box.poll_output() {
        if let callrec::proto::intercom::home_box::output::Output::Send { leg, message } = output {
            if leg == door {
                to_door = Some(message);
            }
        }
    }
    assert_eq!(
        to_door,
        Some(Message::CallAccept {
            sid: text(""),
            by: text("panel")
        })
    );
}

#[test]
fn alarms_are_repeated_until_they_are_acknowledged() {
    let mut site = Site::new(rules());
    let id = site
        .home_box
        .raise_alarm(site.now, 3, text("smoke"), text(""))
        .unwrap();
    site.pass(seconds(100));
    assert_eq!(site.take(), [""; 0], "nobody is there");
    site.screen("panel", 1);
    assert_eq!(site.take(), ["1 emergency(3)"]);
    site.pass(seconds(25));
    assert_eq!(site.take(), ["1 emergency(3)", "1 emergency(3)"]);
    site.screen("phone", 2);
    assert_eq!(site.take(), ["2 emergency(3)"]);
    let ack = Message::SeczoneAck {
        alarm: id,
        by: text("phone"),
    };
    site.send(2, &ack);
    assert_eq!(site.take(), ["1 clear(3,acked)", "2 clear(3,acked)"]);
    site.pass(seconds(60));
    assert_eq!((site.take(), site.home_box.alarm_count()), (vec![], 0));
}

#[test]
fn an_alarm_is_repeated_for_three_minutes() {
    let mut site = Site::new(rules());
    site.screen("panel", 1);
    site.home_box
        .raise_alarm(site.now, 7, text("door"), text(""))
        .unwrap();
    site.pass(seconds(1000));
    assert_eq!(site.take().len(), 19);
    assert_eq!(site.home_box.clear_alarms(7), 1);
    site.pass(ms(0));
    assert_eq!(site.home_box.alarm_count(), 0);
}

#[test]
fn an_idle_box_has_nothing_to_wait_for() {
    let mut site = Site::new(rules());
    for n in 0..16 {
        site.screen(&format!("screen{n}"), 1);
    }
    assert_eq!(
        site.home_box.next_deadline(),
        callrec::base::time::Instant::NEVER
    );
}
