//! What the vendor's documents leave open: busy, glare, refusals, answers out of order.

use super::*;
use crate::base::limits::cloud::CHANNEL_BYTES;

#[test]
fn a_second_caller_gets_busy() {
    let mut phone = Phone::answered(false);
    phone.message(
        8,
        &call_message("aaaabbbbccccdddd", 8, "http://relay/stream/x"),
    );
    assert_eq!(phone.take(), ["waiting", "post busy"]);
    let mut phone = Phone::calling();
    phone.message(
        8,
        &call_message("aaaabbbbccccdddd", 8, "http://relay/stream/x"),
    );
    assert_eq!(phone.take(), ["Busy line_busy", "post busy"]);
    let mut phone = Phone::new(false);
    phone.machine.set_line_busy(true);
    phone.ring(9);
    assert_eq!(phone.take(), ["Busy line_busy", "post busy"]);
    assert!(phone.machine.handle_call(phone.now, 9).is_err());
}

#[test]
fn when_both_call_each_other_the_lower_cid_wins() {
    let mut phone = Phone::calling();
    phone.message(
        9,
        &call_message("aaaabbbbccccdddd", 9, "http://relay/stream/x"),
    );
    assert_eq!(phone.take(), [""; 0], "this phone is the lower one");
    let mut phone = Phone::new(false);
    phone.machine.handle_call(phone.now, 3).unwrap();
    phone.run();
    phone.take();
    phone.message(
        3,
        &call_message("aaaabbbbccccdddd", 3, "http://relay/stream/x"),
    );
    assert_eq!(
        phone.take(),
        ["Unanswered glare", "post ringing", "incoming"]
    );
}

#[test]
fn a_refused_call_ends_with_the_reason() {
    for (outcome, body, expected) in [
        (
            PostOutcome::Answered(424),
            r#"{"reason":"callee-offline"}"#,
            "Unanswered callee-offline",
        ),
        (
            PostOutcome::Answered(409),
            r#"{"reason":"busy"}"#,
            "Busy busy",
        ),
        (PostOutcome::Answered(302), "", "Unanswered cloud-error"),
    ] {
        let mut phone = Phone::new(false);
        phone.machine.handle_call(phone.now, 9).unwrap();
        assert!(phone.machine.poll_post(phone.now).is_some());
        phone
            .machine
            .handle_outcome(phone.now, outcome, body.as_bytes());
        phone.run();
        assert_eq!(phone.take(), ["calling", expected]);
    }
    let mut phone = Phone::new(false);
    phone.machine.handle_call(phone.now, 9).unwrap();
    assert!(phone.machine.poll_post(phone.now).is_some());
    phone
        .machine
        .handle_outcome(phone.now, PostOutcome::TimedOut, b"");
    phone.run();
    assert_eq!(
        phone.take(),
        ["calling", "Unanswered cloud-timeout", "post cancel"]
    );
}

#[test]
fn an_answer_may_be_faster_than_the_application_server() {
    let mut phone = Phone::new(false);
    phone.machine.handle_call(phone.now, 9).unwrap();
    assert!(phone.machine.poll_post(phone.now).is_some());
    phone.peer("accept", 9);
    assert_eq!(phone.take(), ["calling"]);
    phone.machine.handle_outcome(
        phone.now,
        PostOutcome::Answered(201),
        br#"{"url":"http://relay/stream/x"}"#,
    );
    phone.run();
    assert_eq!(phone.take()[1], "talking");
}

#[test]
fn an_answer_that_is_not_taken_ends_the_call() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    phone.take();
    phone
        .machine
        .handle_accept(phone.now, SID.as_bytes())
        .unwrap();
    phone.drain();
    assert!(phone.machine.poll_post(phone.now).is_some());
    phone
        .machine
        .handle_outcome(phone.now, PostOutcome::Answered(409), b"{}");
    phone.run();
    assert_eq!(phone.take()[1..], ["talking", "Answered cancelled"]);
}

#[test]
fn a_cancel_of_somebody_else_keeps_no_call_away() {
    let mut phone = Phone::new(false);
    phone.message(8, &format!(r#"{{"t":"cancel","sid":"{SID}","from":8}}"#));
    phone.ring(9);
    assert_eq!(phone.take(), ["post ringing", "incoming"]);
}

#[test]
fn as_many_messages_as_come_at_once_find_room() {
    let mut phone = Phone::new(false);
    let mut bytes = String::new();
    for id in 100..200 {
        let message = format!(r#"{{"t":"cancel","sid":"{id:016}","from":9}}"#);
        let mut text = String::new();
        base64::emit(&mut text, message.as_bytes());
        bytes += &format!(
            "id:{id}\ndata:{{\"Name\":\"PopMessage\",\"Message\":\"{text}\",\"Flag\":2}}\n\n"
        );
    }
    // As the connection gives them: outputs are taken in between when there is no room.
    for chunk in bytes.as_bytes().chunks(CHANNEL_BYTES) {
        if !phone.machine.has_room() {
            phone.drain();
        }
        phone.machine.handle_channel_bytes(phone.now, chunk);
    }
    phone.drain();
    assert_eq!(phone.take(), vec!["ack"; 100]);
    assert_eq!(phone.machine.counts().bugs, 0);
}
