//! The box's router in virtual time: the owners' phones, which ring through the cloud with the
//! screens.
#![cfg(feature = "box")]

use crate::virtual_box::*;
use callrec::proto::intercom::home_box::rules::{DoorPolicy, RejectPolicy, Rules};
use callrec::wire::intercom::text;

const ANN: u32 = 1_000_001;

/// A door (leg 3) rings on the phones (leg 1) and on a panel (leg 2).
fn ringing(rules: Rules) -> Site {
    let mut site = Site::new(rules);
    assert_eq!(site.cloud(), 1);
    assert_eq!(site.screen("panel", 1), 2);
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    assert_eq!(site.take(), ["2 call_req", "1 call_req"]);
    site
}

#[test]
fn a_phone_answers_opens_the_door_and_hangs_up() {
    let mut site = ringing(rules());
    site.phone_says(ANN, &accept("s1"));
    assert_eq!(
        site.take(),
        [
            "2 call_end(answered_elsewhere)",
            "3 call_accept(cloud:1000001)"
        ]
    );
    site.phone_says(ANN, &open_door("s1"));
    assert_eq!(site.take(), ["3 open_door(0,true)"]);
    site.send(3, &opened("s1"));
    assert_eq!(site.take(), ["1 open_door_result(true,)"]);
    // A second caller is none of the phone's business, and a phone that is silent is not lost.
    let other = site.outside();
    site.send(other, &door_calls("s2"));
    assert_eq!(site.take(), ["4 call_reject(line_busy)", "4 closed"]);
    site.phone_says(ANN, &keep("s1"));
    assert!(site.take_all().contains(&"3 call_keep".to_owned()));
    site.pass(seconds(60));
    assert_eq!((site.state(), site.take()), ("talking", vec![]));
    site.log.clear();
    site.phone_says(ANN, &end("s1", ""));
    assert_eq!(site.take(), ["3 call_end(hangup)", "3 closed"]);
    let record = site.log.last().unwrap();
    assert_eq!(record.opened, 1);
    assert_eq!(site.logged(), "answered hangup cloud:1000001");
}

#[test]
fn a_screen_answers() {
    let mut site = ringing(rules());
    site.send(2, &accept("s1"));
    assert_eq!(
        site.take(),
        ["1 call_end(answered_elsewhere)", "3 call_accept(panel)"]
    );
    site.phone_says(ANN, &accept("s1"));
    assert_eq!(site.take(), ["1 call_end(answered_elsewhere)"]);
    site.phone_says(ANN, &open_door("s1"));
    site.phone_says(ANN, &end("s1", ""));
    site.no_phone();
    assert_eq!((site.state(), site.take()), ("talking", vec![]));
}

#[test]
fn the_policies_take_the_phones_for_one_phone() {
    let mut site = ringing(rules());
    site.phone_says(ANN, &reject("s1", "declined"));
    assert_eq!((site.state(), site.take()), ("ringing", vec![]));
    site.send(2, &reject("s1", ""));
    assert_eq!(site.take(), ["3 call_reject(declined)", "3 closed"]);

    let mut household = rules();
    household.reject = RejectPolicy::Household;
    let mut site = ringing(household);
    site.phone_says(ANN, &reject("s1", "declined"));
    assert_eq!(
        site.take(),
        [
            "3 call_reject(declined)",
            "3 closed",
            "2 call_end(declined)"
        ]
    );
    assert_eq!(site.logged(), "rejected declined cloud:1000001");

    let mut device = rules();
    device.reject = RejectPolicy::Device;
    device.door = DoorPolicy::Ringing;
    let mut site = ringing(device);
    site.send(2, &reject("s1", ""));
    assert_eq!((site.state(), site.take()), ("ringing", vec![]));
    site.phone_says(ANN, &open_door("s1"));
    assert_eq!(site.take(), ["3 open_door(0,true)"]);
    site.pass(seconds(1));
    assert_eq!(
        site.take(),
        [
            "1 open_door_result(false,unknown)",
            "3 call_end(hangup)",
            "3 closed",
            "1 call_end(hangup)"
        ]
    );
}

#[test]
fn a_home_without_screens_rings_its_phones() {
    let mut site = Site::new(rules());
    site.cloud();
    let door = site.outside();
    site.send(door, &door_calls("s1"));
    assert_eq!(site.take(), ["1 call_req"]);
    // A screen that joins meanwhile rings, too.
    site.screen("panel", 1);
    assert_eq!(site.take(), ["3 call_req"]);
    site.no_phone();
    assert_eq!((site.state(), site.take()), ("ringing", vec![]));
    site.send(3, &reject("s1", ""));
    assert_eq!(site.take(), ["2 call_reject(declined)", "2 closed"]);

    site.close(3);
    site.log.clear();
    let door = site.outside();
    site.send(door, &door_calls("s2"));
    site.no_phone();
    assert_eq!(
        site.take(),
        ["1 call_req", "4 call_reject(app_offline)", "4 closed"]
    );
    assert_eq!(site.logged(), "missed app_offline");

    // Nobody but a door rings them, nor does anybody while the cloud is away.
    let home = site.outside();
    site.send(
        home,
        &call_req("s3", ("2-1-202", 1), ("2-1-201", 1, "11.0.1.22")),
    );
    site.home_box.set_cloud_online(false);
    let door = site.outside();
    site.send(door, &door_calls("s4"));
    assert_eq!(
        site.take(),
        [
            "5 call_reject(app_offline)",
            "5 closed",
            "6 call_reject(app_offline)",
            "6 closed"
        ]
    );
}

#[test]
fn nobody_answers_and_the_call_goes_on_to_the_guard() {
    let mut guarded = rules();
    guarded.no_answer_to = text("guard");
    let mut site = ringing(guarded);
    site.pass(seconds(60));
    assert_eq!(
        site.take(),
        [
            "2 call_end(timeout)",
            "1 call_end(timeout)",
            "4 connect 172.16.0.9:7895"
        ]
    );
    site.phone_says(ANN, &accept("s1"));
    assert_eq!(site.take(), Vec::<String>::new());
}
