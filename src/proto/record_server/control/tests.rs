use super::*;
use crate::base::limits::server::{ANSWER_BYTES, DEVICE_BYTES, MAX_CALLS};
use crate::base::limits::TEXT_BYTES;
use crate::base::time::Duration;
use crate::proto::media::leg_monitor::Heard;
use crate::wire::g711::Law;

fn ms(millis: u64) -> Instant {
    Instant::from_nanos(7) + Duration::from_millis(millis)
}

fn phone() -> ControlSession {
    ControlSession::new(ms(0), PeerKind::Phone, "\n")
}

/// What comes of these bytes at once, and the messages that are sent.
fn say(control: &mut ControlSession, now: Instant, text: &str) -> (Vec<ControlEvent>, String) {
    let mut bytes = text.as_bytes();
    let events = std::iter::from_fn(|| control.handle_bytes(now, &mut bytes)).collect();
    (events, sent(control))
}

fn sent(control: &mut ControlSession) -> String {
    let text = String::from_utf8(control.unsent().to_vec()).unwrap();
    control.handle_sent(text.len());
    text
}

/// A connection on which the recording with this id runs at slot 0.
fn recording(id: &str) -> ControlSession {
    let mut control = phone();
    let (events, _) = say(
        &mut control,
        ms(0),
        &format!("cmd=RecordStartRequest&id={id}&codec=PCMU\n"),
    );
    assert!(matches!(events[..], [ControlEvent::Start(0, _)]));
    assert_eq!(control.accept_start(0, "10.0.0.9", 40000), Ok(()));
    let answer = format!(
        "cmd=RecordStartResponse&id={id}&result=success&reason=&server=10.0.0.9&port=40000\n"
    );
    assert_eq!(sent(&mut control), answer);
    control
}

fn stop(slot: usize) -> ControlEvent {
    ControlEvent::Stop(slot, StopRequest::default())
}

#[test]
fn a_recording_from_start_to_stop() {
    let mut control = phone();
    let text =
        "cmd=RecordStartRequest&id=17&device=0c383e000001&remote_number=100&remote_name=Ann%26B&local_number=200\
                &local_name=&dir=in&codec=PCMA";
    assert_eq!(say(&mut control, ms(0), text).0, [], "it may go on");
    assert_eq!(control.handle_timeout(ms(199)), None);
    assert_eq!(control.next_deadline(), ms(200));
    let Some(ControlEvent::Start(0, start)) = control.handle_timeout(ms(200)) else {
        panic!()
    };
    assert_eq!(
        (&start.id[..], &start.device[..], start.law),
        (&b"17"[..], &b"0c383e000001"[..], Law::A)
    );
    assert_eq!(
        (&start.call.remote_name[..], start.call.incoming),
        (&b"Ann&B"[..], Some(true))
    );
    assert_eq!(control.accept_start(0, "10.0.0.9", 40000), Ok(()));
    assert!(sent(&mut control).contains("&server=10.0.0.9&port=40000"));
    let (events, answers) = say(
        &mut control,
        ms(900),
        "cmd=RecordStopRequest&id=17&reason=hangup&remote_name=Bob&heard=one\n",
    );
    let [ControlEvent::Stop(0, StopRequest { call, heard })] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (
            &call.stop_reason[..],
            &call.remote_name[..],
            answers.as_str()
        ),
        (&b"hangup"[..], &b"Bob"[..], "")
    );
    assert_eq!(*heard, Some(Heard::One));
    assert_eq!(control.complete_stop(ms(1000), 0), Ok(()));
    assert_eq!(
        sent(&mut control),
        "cmd=RecordStopResponse&id=17&result=success\n"
    );
    assert_eq!(control.handle_timeout(ms(10_999)), None);
    assert_eq!(
        control.handle_timeout(ms(11_000)),
        Some(ControlEvent::Close(CloseReason::Idle))
    );
}

#[test]
fn a_connection_without_a_recording_is_given_up_whatever_it_sends() {
    let mut control = phone();
    for at in (0..10_000).step_by(100) {
        assert_eq!(say(&mut control, ms(at), "x"), (vec![], String::new()));
        assert_eq!(control.handle_timeout(ms(at)), None);
    }
    assert_eq!(
        control.handle_timeout(ms(10_000)),
        Some(ControlEvent::Close(CloseReason::Idle))
    );
    let mut control = recording("5");
    assert_eq!(
        control.handle_timeout(ms(1_000_000)),
        None,
        "with one it stays"
    );
}

#[test]
fn our_stop_is_answered_or_not() {
    for (answer, at) in [
        ("cmd=RecordStopResponse&id=5&result=success\n", 100),
        ("", 2100),
    ] {
        let mut control = recording("5");
        assert_eq!(control.request_stop(ms(100), 0, "disk-full"), Ok(()));
        assert_eq!(
            sent(&mut control),
            "cmd=RecordStopRequest&id=5&reason=disk-full\n"
        );
        let (mut events, _) = say(&mut control, ms(100), answer);
        assert_eq!(control.handle_timeout(ms(2099)), None);
        events.extend(control.handle_timeout(ms(at)));
        assert_eq!(events, [stop(0)]);
        assert_eq!(
            say(&mut control, ms(2200), "cmd=RecordStopResponse&id=5\n").0,
            [],
            "a second answer"
        );
        assert_eq!(control.request_stop(ms(2200), 0, "again"), Ok(()));
        assert_eq!(control.complete_stop(ms(2200), 0), Ok(()));
        assert_eq!(sent(&mut control), "");
    }
}

#[test]
fn crossing_stops_are_one_stop_and_both_are_answered() {
    let mut control = recording("5");
    assert_eq!(control.request_stop(ms(100), 0, "shutdown"), Ok(()));
    let (events, answers) = say(&mut control, ms(101), "cmd=RecordStopRequest&id=5\n");
    assert_eq!(
        (events, answers.as_str()),
        (
            vec![stop(0)],
            "cmd=RecordStopRequest&id=5&reason=shutdown\n"
        )
    );
    let (events, _) = say(
        &mut control,
        ms(102),
        "cmd=RecordStopResponse&id=5\ncmd=RecordStopRequest&id=5\n",
    );
    assert_eq!((events, control.handle_timeout(ms(9000))), (vec![], None));
    assert_eq!(control.complete_stop(ms(200), 0), Ok(()));
    assert_eq!(
        sent(&mut control),
        "cmd=RecordStopResponse&id=5&result=success\n"
    );
}

#[test]
fn a_stop_for_an_unknown_id_succeeds() {
    let mut control = recording("5");
    let (events, answers) = say(&mut control, ms(1), "cmd=RecordStopRequest&id=6\n");
    assert_eq!(
        (events, answers.as_str()),
        (vec![], "cmd=RecordStopResponse&id=6&result=success\n")
    );
}

#[test]
fn one_connection_carries_several_and_refuses_doubles_and_too_many() {
    let mut control = recording("0");
    for slot in 1..MAX_CALLS {
        let (events, _) = say(
            &mut control,
            ms(1),
            &format!("cmd=RecordStartRequest&id={slot}\n"),
        );
        assert!(matches!(events[..], [ControlEvent::Start(at, _)] if at == slot));
        assert_eq!(control.accept_start(slot, "s", 1), Ok(()));
    }
    sent(&mut control);
    for (id, why) in [
        ("3", StartRefusal::DuplicateId),
        ("99", StartRefusal::TooManyCalls),
    ] {
        let (events, answer) = say(
            &mut control,
            ms(2),
            &format!("cmd=RecordStartRequest&id={id}\n"),
        );
        assert_eq!(events, [ControlEvent::Refused(why)]);
        assert!(
            answer.starts_with(&format!(
                "cmd=RecordStartResponse&id={id}&result=failed&reason=b"
            )),
            "{answer}"
        );
    }
    assert_eq!(
        say(&mut control, ms(3), "cmd=RecordStopRequest&id=3\n").0,
        [stop(3)]
    );
    assert_eq!(control.complete_stop(ms(3), 3), Ok(()));
    let (events, _) = say(&mut control, ms(4), "cmd=RecordStartRequest&id=99\n");
    assert!(matches!(events[..], [ControlEvent::Start(3, _)]));
    assert_eq!(control.refuse_start(ms(4), 3, "disk-full: no room"), Ok(()));
    assert!(sent(&mut control)
        .ends_with("id=99&result=failed&reason=disk-full: no room&server=&port=\n"));
    assert_eq!(
        say(
            &mut control,
            ms(5),
            "cmd=RecordStartRequest&id=x&codec=G729\n"
        )
        .0,
        [ControlEvent::Refused(StartRefusal::Codec)]
    );
}

#[test]
fn what_is_no_message_of_ours_is_ignored_and_what_has_no_end_closes() {
    let mut control = recording("5");
    let long = format!("cmd=RecordStartRequest&id={}\n", "9".repeat(65));
    for text in [
        "hello\n",
        "cmd=RecordStartRequest\n",
        "id=5\n",
        "cmd=Other&id=5\n",
        &long,
    ] {
        assert_eq!(
            say(&mut control, ms(1), text),
            (vec![ControlEvent::Ignored], String::new()),
            "{text}"
        );
    }
    let cut = format!(
        "cmd=RecordStartRequest&id=6&remote_name={}&device={0}\n",
        "n".repeat(300)
    );
    let (events, _) = say(&mut control, ms(1), &cut);
    let [ControlEvent::Start(1, start)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!(
        (start.call.remote_name.len(), start.device.len()),
        (TEXT_BYTES, DEVICE_BYTES)
    );
    let (events, _) = say(&mut control, ms(1), &"x".repeat(65_536));
    assert_eq!(events[0], ControlEvent::Close(CloseReason::MessageTooLong));
}

#[test]
fn a_phone_that_never_reads_is_cut_off() {
    let mut control = recording("5");
    let mut events = vec![];
    for _ in 0..1000 {
        events.extend(control.handle_bytes(ms(1), &mut &b"cmd=RecordStopRequest&id=6\n"[..]));
    }
    assert_eq!(events[0], ControlEvent::Close(CloseReason::SlowReader));
    assert!(control.unsent().len() <= ANSWER_BYTES);
}

#[test]
fn a_proxy_says_first_whom_it_speaks_for() {
    let mut control = ControlSession::new(ms(0), PeerKind::Proxy, "");
    let text = "PROXY TCP4 192.0.2.7 192.0.2.1 5000 10000\r\ncmd=RecordStartRequest&id=1\n";
    let (events, _) = say(&mut control, ms(0), text);
    assert_eq!(
        events[0],
        ControlEvent::Peer("192.0.2.7:5000".parse().unwrap())
    );
    assert!(matches!(events[1..], [ControlEvent::Start(0, _)]));
    let mut control = ControlSession::new(ms(0), PeerKind::Proxy, "");
    assert_eq!(
        say(&mut control, ms(0), "cmd=RecordStartRequest&id=1\n").0,
        [ControlEvent::Close(CloseReason::NoProxyLine)]
    );
    assert_eq!(
        say(
            &mut phone(),
            ms(0),
            "PROXY TCP4 192.0.2.7 192.0.2.1 5000 10000\r\n"
        )
        .0,
        [ControlEvent::Ignored]
    );
}

#[test]
fn a_proxy_that_speaks_for_itself_hears_of_our_health_and_records_nothing() {
    let mut control = ControlSession::new(ms(0), PeerKind::Proxy, "\n");
    let id: Id = b"7".as_slice().try_into().unwrap();
    let asked = say(
        &mut control,
        ms(0),
        "PROXY UNKNOWN\r\ncmd=HealthRequest&id=7\n",
    );
    assert_eq!(asked.0, [ControlEvent::Health(id.clone())]);
    assert_eq!(control.report_health(&id, None), Ok(()));
    assert_eq!(
        sent(&mut control),
        "cmd=HealthResponse&id=7&reason=&result=success\n"
    );
    assert_eq!(control.report_health(&id, Some("disk full")), Ok(()));
    assert_eq!(
        sent(&mut control),
        "cmd=HealthResponse&id=7&reason=disk full&result=failed\n"
    );
    for text in [
        "cmd=RecordStartRequest&id=1\n",
        "cmd=RecordStopRequest&id=1\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n",
    ] {
        assert_eq!(
            say(&mut control, ms(0), text),
            (vec![ControlEvent::Ignored], String::new()),
            "{text}"
        );
    }
    // Phones are told nothing.
    assert_eq!(
        say(&mut phone(), ms(0), "cmd=HealthRequest&id=7\n"),
        (vec![ControlEvent::Ignored], String::new())
    );
}
