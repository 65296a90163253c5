//! The phone's side of the conversation with a recording server, step by step in virtual time: how
//! it ends.

use crate::conversation::*;
use callrec::base::time::Duration;
use callrec::proto::record_client::event::{ClientDone, ClientEvent, ClientInput, ClientOp};

#[test]
fn the_server_stops() {
    let mut trace = Trace::sending();
    trace
        .hears("cmd=RecordStopRequest&id=7&reason=disk full")
        .does(&[])
        .has(None);
    trace
        .at(200)
        .does(&[STOPPED, "close"])
        .has(Some(ClientEvent::Stopped))
        .is_over();
    assert_eq!(&trace.client.stop_reason()[..], b"disk full");
    // Before it has answered the start, too.
    let mut trace = Trace::asked();
    trace
        .hears("cmd=RecordStopRequest&id=7\n")
        .has(Some(ClientEvent::Stopped))
        .does(&[STOPPED, "close"])
        .is_over();
    assert_eq!(
        trace.client.failure_reason(),
        "server-refused: it has stopped: "
    );
}

#[test]
fn stops_that_cross_are_both_answered_and_told_once() {
    let mut trace = Trace::sending();
    trace.stops().does(&[STOP]);
    trace
        .hears("cmd=RecordStopRequest&id=7\n")
        .does(&[STOPPED])
        .has(Some(ClientEvent::Stopped));
    trace
        .hears(&format!("{STOPPED}\n"))
        .does(&["close"])
        .is_over();

    let mut trace = Trace::sending(); // the server first
    trace
        .hears("cmd=RecordStopRequest&id=7\n")
        .has(Some(ClientEvent::Stopped))
        .stops()
        .does(&[STOPPED, "close"])
        .is_over();
}

#[test]
fn a_stop_before_the_answer_cancels() {
    for begin in [
        Trace::new(server("record.example")),
        Trace::new(server("10.0.0.9")),
    ] {
        let mut trace = begin;
        trace
            .stops()
            .has(Some(ClientEvent::Stopped))
            .does(&["close"])
            .is_over();
        assert_eq!(
            trace.client.failure_reason(),
            "busy: it was stopped before the server had answered"
        );
    }
    let mut trace = Trace::asked();
    trace.stops().does(&[STOP]).has(None);
    trace
        .hears("cmd=RecordStartResponse&id=7&result=success&port=40000\n")
        .does(&[])
        .has(None);
    assert!(
        !trace.client.is_sending(),
        "no RTP for an answer that comes too late"
    );
    trace
        .hears(&format!("{STOPPED}\n"))
        .has(Some(ClientEvent::Stopped))
        .does(&["close"])
        .is_over();
}

#[test]
fn a_stop_that_is_not_answered() {
    let mut trace = Trace::sending();
    trace.at(10_000).stops().does(&[STOP]);
    trace.at(11_999).has(None);
    trace
        .at(12_000)
        .has(Some(ClientEvent::Unanswered))
        .does(&["close"])
        .is_over();
    assert_eq!(
        trace.client.failure_reason(),
        "server-lost: it has not confirmed the stop (10.0.0.9:10000)"
    );
    let mut trace = Trace::sending();
    trace
        .stops()
        .does(&[STOP])
        .gets(ClientInput::Lost(0))
        .has(Some(ClientEvent::Unanswered))
        .does(&["close"])
        .is_over();
    let mut trace = Trace::sending();
    trace
        .stops()
        .does(&[STOP])
        .client
        .set_deadline(ORIGIN + Duration::from_millis(800));
    trace
        .at(800)
        .has(Some(ClientEvent::Unanswered))
        .does(&["close"])
        .is_over();
}

#[test]
fn a_connection_that_is_lost() {
    for (lost, errno) in [
        (ClientInput::Lost(0), ""),
        (ClientInput::Lost(104), ": connection reset"),
        (ClientInput::Lost(110), ": no answer"),
    ] {
        for mut trace in [Trace::asked(), Trace::sending()] {
            let why = format!("server-lost: the connection has ended (10.0.0.9:10000{errno})");
            trace.gets(lost).fails(&why).does(&["close"]).is_over();
        }
    }
    // What came before the end still counts.
    let mut trace = Trace::asked();
    trace
        .hears("cmd=RecordStartResponse&id=7&result=failed&reason=full")
        .gets(ClientInput::Lost(0));
    trace
        .fails("server-refused: full")
        .does(&["close"])
        .is_over();
    let mut trace = Trace::sending();
    trace
        .hears("cmd=RecordStopRequest&id=7")
        .gets(ClientInput::Lost(0))
        .has(Some(ClientEvent::Stopped))
        .does(&["close"])
        .is_over();
}

#[test]
fn a_message_without_end_is_the_end() {
    for mut trace in [Trace::asked(), Trace::sending()] {
        for _ in 0..64 {
            trace.hears(&"x".repeat(1024));
        }
        trace
            .fails("server-lost: it sent a message without end (10.0.0.9:10000)")
            .does(&["close"])
            .is_over();
    }
}

#[test]
fn a_server_that_does_not_read_is_not_waited_for() {
    let mut trace = Trace::sending();
    trace.stops();
    assert_eq!(trace.client.op(), Some(ClientOp::Write(STOP.as_bytes())));
    trace
        .client
        .done(trace.now, Ok(ClientDone::Wrote(9)), &trace.setup);
    assert_eq!(
        trace.client.op(),
        Some(ClientOp::Write(&STOP.as_bytes()[9..]))
    );
    trace
        .client
        .done(trace.now, Ok(ClientDone::Blocked), &trace.setup);
    assert_eq!(trace.client.op(), None);
    trace.gets(ClientInput::Writable);
    assert!(trace.client.op().is_some());
    trace
        .client
        .done(trace.now, Ok(ClientDone::Blocked), &trace.setup);
    trace.at(2000).has(Some(ClientEvent::Unanswered));
    trace.at(4000).does(&["close"]).is_over();
    // Nor do its own stops, unread answers to which pile up, cost anything.
    let mut trace = Trace::asked();
    for id in 100..10_000 {
        trace.hears(&format!("cmd=RecordStopRequest&id={id}\n"));
    }
    trace
        .hears("cmd=RecordStopRequest&id=7\n")
        .has(Some(ClientEvent::Stopped));
}

#[test]
fn errors_of_udp_count_when_they_last() {
    let trouble = |trace: &mut Trace, errno| {
        let (now, setup) = (trace.now, trace.setup.clone());
        trace.client.frame_done(now, errno, &setup);
    };
    let mut trace = Trace::sending();
    for second in 0..100 {
        trouble(trace.at(second * 2500), Some(111)); // one ICMP error each 2.5 s
        trouble(trace.at(second * 2500 + 20), None);
        trace.has(None);
    }
    let mut trace = Trace::sending();
    for step in 0..30 {
        trouble(trace.at(step * 100), Some(111));
        trace.has(None);
    }
    trouble(trace.at(3000), Some(111));
    trace
        .fails("server-lost: RTP does not reach it (10.0.0.9:10000: connection refused)")
        .does(&[STOP]);
}
