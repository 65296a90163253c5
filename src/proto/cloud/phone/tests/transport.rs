//! The helper with the vendor's transport, doors, and what programs see.

use super::*;
use crate::proto::intercom::endpoint::lines::write_event;
use crate::proto::intercom::endpoint::output::CloudState;

const TOPVDN: &str =
    "topvdn://203.0.113.1:80?protocolType=1&token=9_0_2000000_0123456789abcdef0123456789abcdef";

#[test]
fn without_a_helper_the_vendors_urls_fail_when_they_are_to_be_opened() {
    let mut phone = Phone::new(false);
    phone.message(9, &call_message(SID, 9, TOPVDN));
    assert_eq!(phone.take(), ["post ringing", "incoming"]);
    phone
        .machine
        .handle_accept(phone.now, SID.as_bytes())
        .unwrap();
    phone.run();
    assert_eq!(
        phone.take(),
        ["stop", "Failed transport-not-available", "post decline"]
    );
}

#[test]
fn a_helper_opens_the_vendors_urls() {
    let opening = || {
        let mut phone = Phone::new(true);
        phone.message(9, &call_message(SID, 9, TOPVDN));
        phone.take();
        phone
            .machine
            .handle_accept(phone.now, SID.as_bytes())
            .unwrap();
        phone.run();
        assert_eq!(phone.take(), ["start Open", "post accept"]);
        phone
    };
    let mut phone = opening();
    phone
        .machine
        .handle_transport(phone.now, TransportEvent::Accepted);
    phone
        .machine
        .handle_transport(phone.now, TransportEvent::Accepted);
    phone.run();
    assert_eq!(phone.take(), ["talking"]);
    phone
        .machine
        .handle_transport(phone.now, TransportEvent::Closed);
    phone
        .machine
        .handle_transport(phone.now, TransportEvent::Ended);
    phone.run();
    assert_eq!(phone.take(), ["stop", "Answered hangup", "post end"]);
    let mut phone = opening();
    phone
        .machine
        .handle_transport(phone.now, TransportEvent::Ended);
    phone.run();
    assert_eq!(
        phone.take(),
        ["stop", "Failed transport-failed", "post end"]
    );
}

#[test]
fn a_door_is_opened_and_says_so() {
    let mut phone = Phone::answered(false);
    let open = |phone: &mut Phone| {
        phone
            .machine
            .handle_open_door(phone.now, SID.as_bytes(), 0)
            .unwrap();
        phone.run();
        assert_eq!(phone.take(), ["post open_door"]);
    };
    open(&mut phone);
    phone.peer("open_door_result", 9);
    assert_eq!(phone.take(), ["door Opened"]);
    open(&mut phone);
    phone.peer_with("open_door_result", 9, r#","reason":"no_app""#);
    assert_eq!(phone.take(), ["door Refused"]);
    open(&mut phone);
    phone.wait(2000);
    assert_eq!(phone.take(), ["door Unknown"]);
    phone.peer("end", 9);
    let closed = phone.take();
    assert_eq!(closed, ["Answered hangup"]);
}

#[test]
fn events_say_that_they_come_through_the_cloud() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    let event = phone.machine.present(0).unwrap();
    let mut buffer = [0; 1024];
    let len = write_event(&event, b"", &mut buffer).unwrap();
    let expected =
        format!("cmd=CallEvent&sid={SID}&state=incoming&direction=in&peer=cloud:9&via=cloud");
    assert_eq!(String::from_utf8_lossy(&buffer[..len]), expected);
    assert_eq!(
        phone.machine.present(1),
        Some(Event::Cloud(CloudState::Online))
    );
    assert_eq!(phone.machine.present(2), None);
}

#[test]
fn a_result_that_nobody_asked_for_is_ignored() {
    let mut phone = Phone::answered(false);
    phone.peer("open_door_result", 9);
    assert_eq!(phone.take(), [""; 0]);
    phone.peer("end", 9);
    assert_eq!(phone.take(), ["Answered hangup"]);
}

#[test]
fn a_helper_that_never_says_that_it_is_there_is_given_up() {
    let mut phone = Phone::new(true);
    phone.message(9, &call_message(SID, 9, TOPVDN));
    phone
        .machine
        .handle_accept(phone.now, SID.as_bytes())
        .unwrap();
    phone.run();
    phone.take();
    phone.wait(20_000);
    let expected = ["stop", "Failed transport-failed", "post end"];
    assert_eq!(phone.take(), expected);
}

#[test]
fn a_call_that_the_application_server_has_forgotten_is_over() {
    let mut phone = Phone::answered(false);
    phone
        .machine
        .handle_open_door(phone.now, SID.as_bytes(), 0)
        .unwrap();
    assert!(phone.machine.poll_post(phone.now).is_some());
    phone
        .machine
        .handle_outcome(phone.now, PostOutcome::Answered(404), b"{}");
    phone.run();
    assert_eq!(phone.take(), ["door Unknown", "Answered lost"]);
}
