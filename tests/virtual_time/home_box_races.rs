//! The box in virtual time: events that meet, in either order.
#![cfg(feature = "box")]

use crate::home_box_rows::{ringing, ringing_out, ringing_with};
use crate::virtual_box::*;
use callrec::proto::intercom::home_box::rules::RejectPolicy;
use callrec::proto::intercom::home_box::LegId;
use callrec::wire::intercom::Message;

/// Events that come in one read, in this order.
fn together(site: &mut Site, messages: &[(LegId, Message)]) -> Vec<String> {
    for (leg, message) in messages {
        site.send(*leg, message);
    }
    site.take()
}

#[test]
fn two_accepts_in_one_read() {
    for (first, second, winner) in [(1, 2, "panel"), (2, 1, "phone")] {
        let mut site = ringing();
        let lines = together(&mut site, &[(first, accept("s1")), (second, accept("s1"))]);
        let elsewhere = format!("{second} call_end(answered_elsewhere)");
        let accepted = format!("3 call_accept({winner})");
        // It hears it once as one that rang, and once as one that has accepted late.
        assert_eq!(lines, [elsewhere.clone(), accepted, elsewhere]);
        site.send(first, &end("s1", ""));
        assert_eq!(site.take(), ["3 call_end(hangup)", "3 closed"]);
    }
}

#[test]
fn an_accept_and_an_end_meet() {
    // The caller gives up first: the accept is of no call.
    let mut site = ringing();
    let lines = together(&mut site, &[(3, end("s1", "")), (1, accept("s1"))]);
    let cancelled = ["3 closed", "1 call_end(cancelled)", "2 call_end(cancelled)"];
    assert_eq!(
        (lines, site.state()),
        (cancelled.map(str::to_owned).to_vec(), "free")
    );
    assert_eq!(site.logged(), "missed cancelled");
    // The accept first: both were talking, if only for a moment.
    let mut site = ringing();
    let lines = together(&mut site, &[(1, accept("s1")), (3, end("s1", ""))]);
    let answered = ["2 call_end(answered_elsewhere)", "3 call_accept(panel)"];
    assert_eq!(lines[..2], answered);
    assert_eq!(lines[2..], ["3 closed", "1 call_end(hangup)"]);
    assert_eq!(site.logged(), "answered hangup panel");
    // The screen itself accepts and hangs up.
    let mut site = ringing();
    let lines = together(&mut site, &[(1, accept("s1")), (1, end("s1", ""))]);
    assert_eq!(lines[..2], answered);
    assert_eq!(lines[2..], ["3 call_end(hangup)", "3 closed"]);
    // A called door accepts when the screen has given up, and the other way round.
    let mut site = ringing_out();
    let lines = together(&mut site, &[(1, end("s1", "")), (3, accept("s1"))]);
    assert_eq!(lines, ["3 call_end(cancelled)", "3 closed"]);
    let mut site = ringing_out();
    let lines = together(&mut site, &[(3, accept("s1")), (1, end("s1", ""))]);
    assert_eq!(
        lines,
        ["1 call_accept(2-1-1)", "3 call_end(hangup)", "3 closed"]
    );
}

#[test]
fn the_outside_leg_dies_with_an_accept_on_its_way() {
    let mut site = ringing();
    site.close(3);
    site.send(1, &accept("s1"));
    assert_eq!(site.take(), ["1 call_end(lost)", "2 call_end(lost)"]);
    assert_eq!(
        (site.logged(), site.state()),
        ("missed lost".into(), "free")
    );
    let mut site = ringing();
    site.send(1, &accept("s1"));
    site.close(3);
    assert_eq!(
        site.take(),
        [
            "2 call_end(answered_elsewhere)",
            "3 call_accept(panel)",
            "1 call_end(lost)"
        ]
    );
    assert_eq!(site.logged(), "answered lost panel");
}

#[test]
fn a_screen_joins_while_another_accepts() {
    let mut site = ringing();
    let late = site.screen("kitchen", 1);
    site.send(1, &accept("s1"));
    assert_eq!(
        site.take(),
        [
            format!("{late} call_req"),
            "2 call_end(answered_elsewhere)".into(),
            format!("{late} call_end(answered_elsewhere)"),
            "3 call_accept(panel)".into()
        ]
    );
    let mut site = ringing();
    site.send(1, &accept("s1"));
    site.take();
    let late = site.screen("kitchen", 1);
    site.send(late, &accept("s1"));
    let told = format!("{late} call_end(answered_elsewhere)");
    assert_eq!(site.take(), [told], "it did not ring, and has not won");
    // One that joins while it rings may win.
    let mut site = ringing();
    let late = site.screen("kitchen", 1);
    site.take();
    site.send(late, &accept("s1"));
    assert!(site.take().contains(&"3 call_accept(kitchen)".into()));
}

#[test]
fn the_last_screen_rejects_while_another_joins() {
    // A panel's reject ends the ring; a phone's, or any under the policy `device`, is its own.
    for (policy, last, ends) in [
        (RejectPolicy::Panel, 1, true),
        (RejectPolicy::Panel, 2, false),
        (RejectPolicy::Household, 2, true),
        (RejectPolicy::Device, 1, false),
    ] {
        let other = 3 - last;
        let alone = || {
            let mut site = ringing_with(policy);
            // One screen is left, as the other one's connection has gone.
            site.close(other);
            assert_eq!((site.take(), site.state()), (vec![], "ringing"));
            site
        };
        // It rejects first: all have, and who joins then has no call.
        let mut site = alone();
        site.send(last, &reject("s1", "declined"));
        assert_eq!(site.take(), ["3 call_reject(declined)", "3 closed"]);
        site.screen("kitchen", 1);
        assert_eq!((site.take(), site.state()), (vec![], "free"));
        // The other one joins first: it rings on there, if the reject does not end it for all.
        let mut site = alone();
        let late = site.screen("kitchen", 1);
        assert_eq!(site.take(), [format!("{late} call_req")]);
        site.send(last, &reject("s1", "declined"));
        if ends {
            let lines = site.take();
            assert_eq!(lines[..2], ["3 call_reject(declined)", "3 closed"]);
            assert_eq!(lines[2..], [format!("{late} call_end(declined)")]);
        } else {
            assert_eq!((site.take(), site.state()), (vec![], "ringing"));
            site.send(late, &accept("s1"));
            assert_eq!(site.take(), ["3 call_accept(kitchen)"]);
        }
    }
}
