//! The phone's side of the conversation with a recording server, step by step in virtual time: how
//! it begins.

use crate::conversation::*;
use callrec::base::stats::Counter;
use callrec::proto::record_client::event::{ClientEvent, ClientInput, ClientOp};
use callrec::proto::recording::setup::ServerSettings;

#[test]
fn a_recording_as_it_should_be() {
    let mut trace = Trace::new(server("10.0.0.9"));
    trace.does(&["connect 10.0.0.9:10000"]).has(None);
    trace.at(40).connects().does(&[START]);
    trace.at(80).hears(
        "cmd=RecordStartResponse&id=7&result=success&reason=&server=10.0.0.8&port =40000\r\n",
    );
    trace
        .does(&["media 10.0.0.8:40000"])
        .has(Some(ClientEvent::Accepted));
    assert!(
        trace.client.is_sending() && trace.client.next_deadline().is_none(),
        "no timer while it runs"
    );
    trace.at(3_600_000).does(&[]).has(None);
    trace.stops().does(&[STOP]).has(None);
    assert!(!trace.client.is_sending());
    trace.at(3_600_100).hears(STOPPED).does(&[]).has(None); // no end yet
    trace.at(3_600_299).has(None);
    trace
        .at(3_600_300)
        .has(Some(ClientEvent::Stopped))
        .does(&["close"])
        .is_over();
}

#[test]
fn the_start_says_all_that_is_known_and_the_stop_what_has_changed() {
    let mut trace = Trace::new(ServerSettings {
        message_end: b"\r\n",
        ..server("10.0.0.9")
    });
    let text = |text: &str| heapless::Vec::from_slice(text.as_bytes()).unwrap();
    let call = &mut trace.setup.call;
    call.remote_number = text("100");
    call.remote_name = text("A&cmd=x=%\n漢");
    call.local_number = text("2");
    call.incoming = Some(false);
    trace.setup.law = callrec::wire::g711::Law::A;
    trace.does(&["connect 10.0.0.9:10000"]).connects().does(&[concat!(
        "cmd=RecordStartRequest&id=7&device=0c383e000001&remote_number=100&remote_name=A%26cmd%3Dx%3D%25%0A漢",
        "&local_number=2&local_name=&dir=out&codec=PCMA\r\n"
    )]);
    let mut stop = callrec::proto::recording::setup::Call {
        remote_number: text("100"),
        ..Default::default()
    };
    stop.local_name = text("Ann");
    stop.stop_reason = text("hangup");
    trace.setup.call.update(stop);
    trace
        .stops()
        .does(&["cmd=RecordStopRequest&id=7&local_name=Ann&reason=hangup\r\n"]);
}

#[test]
fn an_address_that_is_none_is_that_of_the_connection() {
    for (keys, media) in [
        ("&port=40000", "media 10.0.0.9:40000"),
        ("&server=&port=40000", "media 10.0.0.9:40000"),
        ("&server=0.0.0.0&port=40000", "media 10.0.0.9:40000"),
        ("&server=::&port=40000", "media 10.0.0.9:40000"),
        ("&port = 1 & server = 10.0.0.8 ", "media 10.0.0.8:1"),
        ("&server=fd00::8&port=65535", "media [fd00::8]:65535"),
    ] {
        let mut trace = Trace::asked();
        trace.hears(&format!(
            "cmd=RecordStartResponse&id=7&result=success{keys}\n"
        ));
        trace.does(&[media]).has(Some(ClientEvent::Accepted));
    }
}

#[test]
fn names_are_looked_up_here_and_in_the_answer() {
    let mut trace = Trace::new(server("record.example"));
    trace.does(&["find record.example:10000"]).has(None);
    trace
        .at(2000)
        .gets(ClientInput::Resolved(Some(
            "10.0.0.9:10000".parse().unwrap(),
        )))
        .does(&["connect 10.0.0.9:10000"]);
    trace.connects().does(&[START]);
    trace.hears("cmd=RecordStartResponse&id=7&result=success&server=media.example&port=40000\n");
    trace.does(&["find media.example:40000"]).has(None);
    trace.gets(ClientInput::Resolved(Some(
        "10.0.0.8:40000".parse().unwrap(),
    )));
    trace
        .does(&["media 10.0.0.8:40000"])
        .has(Some(ClientEvent::Accepted));

    let mut trace = Trace::new(server("record.example"));
    trace
        .does(&["find record.example:10000"])
        .gets(ClientInput::Resolved(None));
    trace
        .fails("no-server: its name is not known (record.example:10000)")
        .does(&["close"])
        .is_over();

    let mut trace = Trace::asked();
    trace.hears("cmd=RecordStartResponse&id=7&result=success&server=media.example&port=40000\n");
    trace
        .does(&["find media.example:40000"])
        .gets(ClientInput::Resolved(None));
    trace
        .fails("server-refused: the media host cannot be resolved (10.0.0.9:10000)")
        .does(&[STOP]);
}

#[test]
fn a_server_that_cannot_be_reached() {
    let mut trace = Trace::new(server("10.0.0.9"));
    trace
        .does(&["connect 10.0.0.9:10000"])
        .gets(ClientInput::Lost(111));
    trace
        .fails("no-server: no connection (10.0.0.9:10000: connection refused)")
        .does(&["close"])
        .is_over();

    let mut trace = Trace::new(server("record.example")); // the name's time and the connection's are one
    trace.does(&["find record.example:10000"]);
    trace
        .at(2900)
        .gets(ClientInput::Resolved(Some(
            "10.0.0.9:10000".parse().unwrap(),
        )))
        .does(&["connect 10.0.0.9:10000"]);
    trace.at(2999).has(None);
    trace
        .at(3000)
        .fails("server-timeout: no connection in time (record.example:10000)")
        .does(&["close"])
        .is_over();
}

#[test]
fn a_server_that_does_not_answer() {
    let mut trace = Trace::new(server("10.0.0.9"));
    trace
        .does(&["connect 10.0.0.9:10000"])
        .at(1000)
        .connects()
        .does(&[START]);
    trace.at(5999).has(None);
    trace
        .at(6000)
        .fails("server-timeout: no answer in time (10.0.0.9:10000)")
        .does(&["close"])
        .is_over();
}

#[test]
fn a_server_that_refuses() {
    for (keys, why) in [
        (
            "&result=failed&reason=no%20license 许可",
            "server-refused: no license 许可",
        ),
        ("&result=failed", "server-refused: it gives no reason"),
    ] {
        let mut trace = Trace::asked();
        trace
            .hears(&format!("cmd=RecordStartResponse&id=7{keys}\0"))
            .fails(why)
            .does(&["close"])
            .is_over();
    }
    let mut trace = Trace::asked();
    trace.gets(ClientInput::Bytes(
        b"cmd=RecordStartResponse&id=7&result=failed&reason=\xB0\xA1&x=1\n",
    ));
    trace.fails("server-refused: ??");
    let mut trace = Trace::asked();
    trace.hears(&format!(
        "cmd=RecordStartResponse&id=7&result=failed&reason={}\0",
        "no more ".repeat(40)
    ));
    assert!(
        trace
            .client
            .failure_reason()
            .starts_with("server-refused: no more no more"),
        "{}",
        trace.client.failure_reason()
    );
}

#[test]
fn an_answer_that_cannot_be_used_is_refused_and_the_server_told() {
    for keys in [
        "&result=success",
        "&result=success&port=0",
        "&result=success&port=65536",
        "&result=success&port=-1",
    ] {
        let mut trace = Trace::asked();
        trace.hears(&format!("cmd=RecordStartResponse&id=7{keys}\n"));
        trace
            .fails("server-refused: its answer has no port (10.0.0.9:10000)")
            .does(&[STOP]);
        trace
            .at(1000)
            .hears(&format!("{STOPPED}\n"))
            .has(None)
            .does(&["close"])
            .is_over();
    }
    for keys in ["&result=maybe&port=40000", "", "&result=SUCCESS&port=40000"] {
        let mut trace = Trace::asked();
        trace.hears(&format!("cmd=RecordStartResponse&id=7{keys}\n"));
        trace
            .fails("server-refused: its answer is not clear (10.0.0.9:10000)")
            .does(&[STOP]);
        trace.at(1999).does(&[]);
        trace.at(2000).has(None).does(&["close"]).is_over();
    }
    let mut trace = Trace::asked();
    trace.hears("cmd=RecordStartResponse&id=7&result=success&port=40000\n");
    assert_eq!(
        trace.client.op(),
        Some(ClientOp::Media("10.0.0.9:40000".parse().unwrap()))
    );
    trace.client.done(trace.now, Err(101), &trace.setup);
    trace
        .fails("server-lost: cannot open an RTP socket (10.0.0.9:10000: no route)")
        .does(&[STOP]);
}

#[test]
fn what_is_not_for_this_recording_changes_nothing() {
    let mut trace = Trace::asked();
    trace
        .hears("cmd=RecordStartResponse&id=8&result=success&port=40000\n")
        .does(&[])
        .has(None);
    trace.hears(
        "cmd=RecordStartResponse&id=77&result=failed\ncmd=RecordStopResponse&id=7&result=success\n",
    );
    trace
        .hears("cmd=Hello&id=7\nid=7\ncmd=RecordStartResponse\nnonsense\n")
        .does(&[])
        .has(None);
    assert_eq!(
        trace.stats.of(Counter::BadMessage),
        3,
        "without a command, or without an id"
    );
    trace
        .hears("cmd=RecordStopRequest&id=x%26y\n")
        .does(&["cmd=RecordStopResponse&id=x%26y&result=success"])
        .has(None);
    trace
        .hears(&format!("cmd=RecordStopRequest&id={}\n", "9".repeat(65)))
        .does(&[])
        .has(None);
    trace
        .hears("cmd=RecordStartResponse&id=007&result=success&port=40000\n")
        .does(&["media 10.0.0.9:40000"]);
    trace.has(Some(ClientEvent::Accepted));
    trace
        .hears("cmd=RecordStartResponse&id=7&result=failed\n")
        .does(&[])
        .has(None);
    assert!(trace.client.is_sending());
}
