//! The table of a call, from its beginning to its end.

use super::*;

#[test]
fn a_call_is_made_answered_and_ended_by_the_other_side() {
    let mut phone = Phone::calling();
    phone.peer("ringing", 9);
    let sid = phone.sid();
    phone.peer("accept", 9);
    let streams =
        format!("streams http://relay:80/stream/{sid}-9 http://relay:80/stream/{sid}-5 at 1");
    assert_eq!(phone.take(), ["ringing", &streams, "talking"]);
    phone.wait(7000);
    phone.peer("end", 9);
    assert_eq!(phone.take(), ["Answered hangup"]);
    assert!(phone.machine.is_idle());
}

#[test]
fn a_call_rings_is_answered_and_ended_here() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    assert_eq!(phone.take(), ["post ringing", "incoming"]);
    let urls = phone
        .machine
        .handle_accept(phone.now, SID.as_bytes())
        .unwrap();
    assert_eq!(
        &urls.play_audio[..],
        format!("http://relay:80/stream/{SID}-9").as_bytes()
    );
    phone.run();
    let streams =
        format!("streams http://relay:80/stream/{SID}-9 http://relay:80/stream/{SID}-5 at 1");
    assert_eq!(phone.take(), [&streams, "talking", "post accept"]);
    phone.wait(3000);
    let duration = phone
        .machine
        .handle_end(phone.now, SID.as_bytes(), Reason::new());
    assert_eq!(duration, Ok(3000));
    phone.run();
    assert_eq!(phone.take(), ["Answered hangup", "post end"]);
}

#[test]
fn a_call_ends_before_the_answer_in_every_way() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    phone.take();
    phone
        .machine
        .handle_reject(
            phone.now,
            SID.as_bytes(),
            Reason::from_slice(b"declined").unwrap(),
        )
        .unwrap();
    phone.run();
    assert_eq!(phone.take(), ["Rejected declined", "post decline"]);

    for (message, more, expected) in [
        ("cancel", "", "Missed cancelled"),
        (
            "cancel",
            r#","reason":"answered_elsewhere""#,
            "Missed answered_elsewhere",
        ),
        ("end", "", "Missed hangup"),
    ] {
        let mut phone = Phone::new(false);
        phone.ring(9);
        phone.take();
        phone.peer_with(message, 9, more);
        assert_eq!(phone.take(), [expected]);
    }
    for (message, more, expected) in [
        ("decline", "", "Rejected declined"),
        ("busy", "", "Busy line_busy"),
        ("cancel", r#","reason":"glare""#, "Unanswered glare"),
        (
            "end",
            r#","reason":"max_duration""#,
            "Unanswered max_duration",
        ),
    ] {
        let mut phone = Phone::calling();
        phone.peer_with(message, 9, more);
        assert_eq!(phone.take(), [expected]);
    }
    let mut phone = Phone::calling();
    let sid = phone.sid();
    phone
        .machine
        .handle_end(phone.now, sid.as_bytes(), Reason::new())
        .unwrap();
    phone.run();
    assert_eq!(phone.take(), ["Unanswered cancelled", "post cancel"]);
}

#[test]
fn ring_time_outs_are_the_callees_first() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    phone.take();
    phone.wait(44_999);
    let call_words = |phone: &mut Phone| {
        let mut words = phone.take();
        words.retain(|word| !word.contains("channel") && !word.starts_with("cloud"));
        words
    };
    assert_eq!(call_words(&mut phone), [""; 0]);
    phone.wait(1);
    assert_eq!(call_words(&mut phone), ["Missed timeout"]);
    let mut phone = Phone::calling();
    phone.wait(59_999);
    assert_eq!(call_words(&mut phone), [""; 0]);
    phone.wait(1);
    assert_eq!(
        call_words(&mut phone),
        ["Unanswered no_answer", "post cancel"]
    );
}

#[test]
fn a_call_rings_once_and_not_after_its_end() {
    let mut phone = Phone::new(false);
    phone.ring(9);
    phone.ring(9);
    assert_eq!(phone.take(), ["post ringing", "incoming"]);
    phone.peer("cancel", 9);
    phone.ring(9);
    assert_eq!(phone.take(), ["Missed cancelled"]);
    // A `cancel` that comes before its call.
    let other = "aaaabbbbccccdddd";
    phone.message(9, &format!(r#"{{"t":"cancel","sid":"{other}","from":9}}"#));
    phone.message(9, &call_message(other, 9, "http://relay/stream/x"));
    assert_eq!(phone.take(), [""; 0]);
    for _ in 0..3 {
        phone.wait(20_000);
        phone
            .machine
            .handle_channel_bytes(phone.now, b": a comment\n");
    }
    phone.take();
    let late = call_message(other, 9, "http://relay/stream/x").replace("1000000", "1000060");
    phone.message(9, &late);
    assert_eq!(
        phone.take(),
        ["post ringing", "incoming"],
        "a minute later it is another one"
    );
}

#[test]
fn a_call_that_comes_too_late_does_not_ring() {
    let mut phone = Phone::new(false);
    phone.wait(30_000);
    phone.take();
    let at =
        |at: u64| call_message(SID, 9, "http://relay/stream/x").replace("1000000", &at.to_string());
    phone.message(9, &at(1_000_030 - 46));
    assert_eq!(phone.take(), [""; 0]);
    phone.message(9, &at(1_000_030 - 45));
    assert_eq!(phone.take(), ["post ringing", "incoming"]);
}

#[test]
fn what_is_not_from_whom_it_says_is_ignored() {
    let mut phone = Phone::new(false);
    phone.message(8, &call_message(SID, 9, "http://relay/stream/x"));
    phone.message(OWN, &call_message(SID, OWN, "http://relay/stream/x"));
    phone.message(9, "{}");
    phone.message(9, &call_message(SID, 9, "http://elsewhere/stream/x"));
    assert_eq!(phone.take(), [""; 0]);
    let counts = phone.machine.counts();
    assert_eq!((counts.ignored, counts.refused_urls), (3, 1));
    phone.message(0, &call_message(SID, 9, "http://relay/stream/x"));
    phone.peer("end", 8);
    assert_eq!(phone.take(), ["post ringing", "incoming"], "8 is no party");
}

#[test]
fn a_call_that_the_application_server_does_not_know_does_not_ring() {
    for (status, expected) in [(404, 0), (403, 0), (409, 0), (200, 1)] {
        let mut phone = Phone::new(false);
        let url = "http://relay/stream/x";
        let mut text = String::new();
        base64::emit(&mut text, call_message(SID, 9, url).as_bytes());
        let event = format!(
            "data: {{\"Name\":\"PopMessage\",\"Message\":\"{text}\",\"SrcID\":9,\"Flag\":3}}\n\n"
        );
        phone
            .machine
            .handle_channel_bytes(phone.now, event.as_bytes());
        assert_eq!(
            phone.machine.poll_post(phone.now).unwrap().kind,
            Kind::Ringing
        );
        assert_eq!(phone.machine.status(phone.now), None);
        phone
            .machine
            .handle_outcome(phone.now, PostOutcome::Answered(status), b"{}");
        phone.drain();
        assert_eq!(phone.take().len(), expected, "{status}");
        assert_eq!(phone.machine.is_idle(), status != 200);
    }
}
