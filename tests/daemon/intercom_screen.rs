//! `callrec run` as a screen: the test plays its box, and looks at calls through the control socket.

use crate::common::intercom_peer::{accept, call_req, joined, joined_with};
use serde_json::json;

#[test]
fn a_screen_is_called_talks_and_opens() {
    let (phone, _listener, mut home, mut events) = joined();
    phone.wait_until_asleep();
    home.say("call_req", call_req("9f3c61d2a07be845"));
    let incoming = events.until("CallEvent", "incoming");
    assert_eq!(
        (incoming.value("peer"), incoming.value("peer_type")),
        ("2-1-1".into(), "3".into())
    );
    assert_eq!(
        incoming.value("play_video"),
        "http://127.0.0.1:954/stream/b1f0c4"
    );
    assert_eq!(incoming.value("publish_audio"), "", "not before the answer");
    let accept = phone.ask("cmd=CallAcceptRequest&sid=9f3c61d2a07be845");
    assert_eq!(
        accept.value("publish_audio"),
        "http://127.0.0.1:954/stream/c7d2e9"
    );
    let accepted = home.expect("call_accept");
    assert_eq!(accepted["src"]["id"], "2-1-201");
    home.say("call_keep", json!({"sid": "9f3c61d2a07be845"}));
    events.until("CallEvent", "talking");

    let open = phone.ask("cmd=OpenDoorRequest&sid=9f3c61d2a07be845");
    assert!(open.success(), "{open:?}");
    let opened = home.expect("open_door");
    assert_eq!((&opened["door"], &opened["ack"]), (&json!(0), &json!(true)));
    home.say(
        "open_door_result",
        json!({"sid": "", "door": 0, "ok": true, "reason": ""}),
    );
    events.until("DoorEvent", "opened");
    // A second door.
    home.say("call_req", call_req("second"));
    assert_eq!(home.expect("call_reject")["reason"], "line_busy");
    assert_eq!(events.until("CallEvent", "waiting").value("sid"), "second");

    home.say("call_end", json!({"sid": "9f3c61d2a07be845"}));
    let ended = events.until("CallEvent", "ended");
    assert_eq!(ended.value("sid"), "9f3c61d2a07be845");
    phone.wait_until_asleep();
}

#[test]
fn a_screen_rings_is_silenced_and_misses() {
    let (phone, _listener, mut home, mut events) = joined();
    home.say("call_req", call_req("one"));
    events.until("CallEvent", "incoming");
    assert!(phone.ask("cmd=CallSilenceRequest&sid=one").success());
    home.say("call_end", json!({"sid": "one", "reason": "timeout"}));
    assert_eq!(
        events.until("CallEvent", "missed").value("reason"),
        "timeout"
    );

    home.say("call_req", call_req("two"));
    events.until("CallEvent", "incoming");
    assert!(phone.ask("cmd=CallRejectRequest&sid=two").success());
    let rejected = home.expect("call_reject");
    assert_eq!(
        (&rejected["sid"], &rejected["reason"]),
        (&json!("two"), &json!("declined"))
    );
    assert_eq!(
        events.until("CallEvent", "ended").value("reason"),
        "declined"
    );

    home.say("call_req", call_req("three"));
    events.until("CallEvent", "incoming");
    home.say(
        "call_end",
        json!({"sid": "three", "reason": "answered_elsewhere"}),
    );
    assert_eq!(
        events.until("CallEvent", "ended").value("reason"),
        "answered_elsewhere"
    );
    let log = phone.control().ask_lines("cmd=CallLogRequest&limit=2");
    let sids: Vec<String> = log.iter().map(|line| line.value("sid")).collect();
    assert_eq!(sids, ["three", "two", ""]);
}

#[test]
fn a_screen_calls_and_loses_its_box() {
    let (phone, listener, mut home, mut events) = joined();
    let call = phone.ask("cmd=CallRequest&to=2-1-1");
    assert!(call.success(), "{call:?}");
    let request = home.expect("call_req");
    assert_eq!(
        (&request["dest"]["type"], &request["dest"]["port"]),
        (&json!(3), &json!(7895))
    );
    home.close();
    assert_eq!(events.until("CallEvent", "ended").value("reason"), "lost");
    events.until("BoxEvent", "lost");
    assert_eq!(phone.ask("cmd=CallRequest&to=2-1-1").reason(), "no-box");
    // It joins again by itself.
    let mut home = accept(&listener);
    home.expect("join_family");
    home.say("join_reject", json!({"reason": "unauthorised"}));
    let refused = events.until("BoxEvent", "refused");
    assert_eq!(refused.value("reason"), "unauthorised");
    home.assert_closed();
}

#[test]
fn an_alarm_is_told_once_and_acknowledged() {
    let (phone, _listener, mut home, mut events) = joined();
    let alarm = json!({"alarm": "5b1e", "port": "3", "name": "smoke", "message": "kitchen & hall"});
    home.say("seczone_emergency", alarm.clone());
    home.say("seczone_emergency", alarm);
    let raised = events.until("AlarmEvent", "raised");
    assert_eq!(
        (raised.value("alarm"), raised.value("port")),
        ("5b1e".into(), "3".into())
    );
    assert_eq!(raised.value("message"), "kitchen & hall");
    assert_eq!(
        phone.ask("cmd=AlarmAckRequest&port=4").reason(),
        "unknown-id"
    );
    assert!(phone.ask("cmd=AlarmAckRequest&port=3").success());
    let ack = home.expect("seczone_ack");
    assert_eq!(
        (&ack["alarm"], &ack["by"]),
        (&json!("5b1e"), &json!("2-1-201"))
    );
    home.say(
        "seczone_clear",
        json!({"alarm": "5b1e", "port": "3", "reason": "acked"}),
    );
    let next = events.next().unwrap();
    assert_eq!(next.value("state"), "acked", "one event for both: {next:?}");
    assert_eq!(next.value("by"), "2-1-201");
}

#[test]
fn the_log_is_kept_over_a_restart_and_sent_at_the_clients_pace() {
    let (mut phone, _listener, mut home, mut events) = joined();
    home.say("call_req", call_req("last"));
    events.until("CallEvent", "incoming");
    home.say("call_end", json!({}));
    events.until("CallEvent", "missed");
    drop(home);
    assert_eq!(phone.end(), Some(0));
    // As many calls before it as a year brings; each is longer than most.
    let file = phone.path("state/calls");
    let last = std::fs::read_to_string(&file).unwrap();
    let line = |number: u32| last.replace("sid=last", &format!("sid={number:0>64}"));
    let before: String = (0..210).map(line).collect();
    std::fs::write(&file, before + &last).unwrap();
    phone.start();
    let log = phone
        .control()
        .ask_lines("cmd=CallLogRequest&limit=1000&colour=red");
    assert_eq!(log.len(), 201);
    assert_eq!(log[0].value("sid"), "last");
    assert_eq!(log[199].value("sid"), format!("{:0>64}", 11));
    let time = log[0].value("time");
    assert!(time.starts_with("20") && time.ends_with("+00:00"), "{time}");
    let last = &log[200];
    assert_eq!(
        (last.value("count"), last.value("ignored")),
        ("200".into(), "colour".into())
    );
}

#[test]
fn who_subscribes_hears_what_is() {
    let (phone, _listener, mut home, mut events) = joined_with("intercomRecord = 0");
    let present = |lines: &[(&str, &str)]| {
        let mut control = phone.control();
        assert!(control.ask("cmd=SubscribeRequest").success());
        // What is told comes before the response to the next line.
        control.send(b"cmd=CallStatusRequest&sid=none\n");
        let next = || {
            control
                .next()
                .filter(|line| line.value("result").is_empty())
        };
        let events: Vec<_> = std::iter::from_fn(next).collect();
        let of_intercom = events.iter().filter(|it| it.value("cmd") != "StickEvent");
        let shown: Vec<_> = of_intercom
            .map(|event| {
                assert_eq!(event.value("now"), "1", "{event:?}");
                (event.value("cmd"), event.value("state"))
            })
            .collect();
        let expected = lines
            .iter()
            .map(|(cmd, state)| ((*cmd).into(), (*state).into()));
        assert_eq!(shown, expected.collect::<Vec<(String, String)>>());
        events
    };
    present(&[("BoxEvent", "joined")]);
    let alarm = json!({"alarm": "5b1e", "port": "3", "name": "smoke"});
    home.say("seczone_emergency", alarm);
    events.until("AlarmEvent", "raised");
    home.say("call_req", call_req("one"));
    let incoming = events.until("CallEvent", "incoming");
    let now = present(&[
        ("CallEvent", "incoming"),
        ("BoxEvent", "joined"),
        ("AlarmEvent", "raised"),
    ]);
    let told = now.iter().find(|event| event.value("cmd") == "CallEvent");
    assert_eq!(told.unwrap().0, format!("{}&now=1", incoming.0));
    assert!(phone.ask("cmd=CallAcceptRequest&sid=one").success());
    present(&[
        ("CallEvent", "talking"),
        ("BoxEvent", "joined"),
        ("AlarmEvent", "raised"),
    ]);
    home.say("call_end", json!({"sid": "one"}));
    events.until("CallEvent", "ended");
    home.say("seczone_clear", json!({"alarm": "5b1e", "port": "3"}));
    events.until("AlarmEvent", "cleared");
    home.close();
    events.until("BoxEvent", "lost");
    present(&[("BoxEvent", "lost")]);
}

#[test]
fn a_silenced_call_is_missed_whoever_has_answered_it() {
    let (phone, _listener, mut home, mut events) = joined();
    for reason in ["answered_elsewhere", "timeout", "cancelled", "hangup"] {
        home.say("call_req", call_req(reason));
        events.until("CallEvent", "incoming");
        let silence = phone.ask(&format!("cmd=CallSilenceRequest&sid={reason}"));
        assert!(silence.success(), "{silence:?}");
        let status = phone.control().ask_lines("cmd=CallStatusRequest");
        assert_eq!(status[0].value("state"), "incoming");
        home.say("call_end", json!({"sid": reason, "reason": reason}));
        assert_eq!(events.until("CallEvent", "missed").value("reason"), reason);
        let log = phone.control().ask_lines("cmd=CallLogRequest&limit=1");
        assert_eq!(log[0].value("state"), "missed");
    }
}

#[test]
fn another_screen_is_asked_for_no_door() {
    let (phone, _listener, mut home, mut events) = joined();
    let mut call = call_req("one");
    call["src"]["type"] = json!(2);
    home.say("call_req", call);
    events.until("CallEvent", "incoming");
    assert!(phone.ask("cmd=CallAcceptRequest&sid=one").success());
    let refused = phone.ask("cmd=OpenDoorRequest&sid=one");
    assert_eq!(refused.reason(), "bad-state");
    home.expect("call_accept");
    phone.ask("cmd=CallEndRequest&sid=one");
    home.expect("call_end");
}
