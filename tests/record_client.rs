//! The phone's side of the conversation with a recording server, step by step in virtual time. Each test reads as
//! a trace: what happens at which millisecond, and all that the phone does then.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use callrec::base::stats::{Counter, Stats};
use callrec::base::time::{Duration, Instant};
use callrec::proto::record_client::event::{ClientEvent, Done, Input, Op};
use callrec::proto::record_client::RecordClient;
use callrec::proto::recording::setup::{Host, Server, Setup};

struct Trace {
    client: RecordClient,
    setup: Setup,
    stats: Stats,
    now: Instant,
}

const ORIGIN: Instant = Instant::from_nanos(1_000_000_000_000);

fn server(host: &str) -> Server {
    Server {
        host: Host::try_from(host).unwrap(),
        port: 10_000,
        message_end: b"",
        device: "0c383e000001".try_into().unwrap(),
        fallback: false,
    }
}

impl Trace {
    fn new(server: Server) -> Self {
        let setup = Setup {
            id: 7,
            server: Some(server),
            ..Setup::default()
        };
        let mut trace = Self {
            client: RecordClient::new(),
            setup,
            stats: Stats::default(),
            now: ORIGIN,
        };
        trace.client.start(trace.now, &trace.setup);
        trace
    }

    /// One that has sent its start request.
    fn asked() -> Self {
        let mut trace = Self::new(server("10.0.0.9"));
        trace.does(&["connect 10.0.0.9:10000"]);
        trace.connects();
        trace.does(&[START]);
        trace
    }

    /// One whose frames may be sent.
    fn sending() -> Self {
        let mut trace = Self::asked();
        trace.hears("cmd=RecordStartResponse&id=7&result=success&server=10.0.0.8&port=40000\n");
        trace.does(&["media 10.0.0.8:40000"]);
        trace.has(Some(ClientEvent::Accepted));
        trace
    }

    fn at(&mut self, ms: u64) -> &mut Self {
        self.now = ORIGIN + Duration::from_millis(ms);
        self.gets(Input::Tick)
    }

    fn gets(&mut self, input: Input) -> &mut Self {
        self.client
            .handle(self.now, input, &self.setup, &mut self.stats);
        self
    }

    fn hears(&mut self, text: &str) -> &mut Self {
        self.gets(Input::Bytes(text.as_bytes()))
    }

    fn connects(&mut self) -> &mut Self {
        self.gets(Input::Connected("10.0.0.9:10000".parse().unwrap()))
    }

    fn stops(&mut self) -> &mut Self {
        self.client.stop(self.now, &self.setup);
        self
    }

    /// All that is to be done now, done by a network that does everything it is asked for.
    fn does(&mut self, expected: &[&str]) -> &mut Self {
        let mut done = vec![];
        while let Some(op) = self.client.op() {
            let (text, outcome) = match op {
                Op::Find(name, port) => (format!("find {name}:{port}"), Done::Yes),
                Op::Connect(to) => (format!("connect {to}"), Done::Yes),
                Op::Media(to) => (format!("media {to}"), Done::Yes),
                Op::Write(bytes) => (
                    String::from_utf8(bytes.to_vec()).unwrap(),
                    Done::Wrote(bytes.len()),
                ),
                Op::Frame(_) => panic!("frames come from the recording"),
                Op::Close => ("close".into(), Done::Yes),
            };
            done.push(text);
            self.client.done(self.now, Ok(outcome), &self.setup);
        }
        assert_eq!(done, expected);
        self
    }

    fn has(&mut self, news: Option<ClientEvent>) -> &mut Self {
        assert_eq!(self.client.take_event(), news, "{}", self.client.why());
        self
    }

    fn fails(&mut self, why: &str) -> &mut Self {
        self.has(Some(ClientEvent::Failed));
        assert_eq!(self.client.why(), why);
        self
    }

    /// Nothing is left: both sockets are closed, no timer runs.
    fn is_over(&mut self) {
        assert!(self.client.is_idle() && self.client.next_deadline().is_none());
        self.does(&[]).has(None);
    }
}

const START: &str =
    "cmd=RecordStartRequest&id=7&device=0c383e000001&remote_number=&remote_name=&local_number=\
                     &local_name=&dir=&codec=PCMU";
const STOP: &str = "cmd=RecordStopRequest&id=7";
const STOPPED: &str = "cmd=RecordStopResponse&id=7&result=success";

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
    let mut trace = Trace::new(Server {
        message_end: b"\r\n",
        ..server("10.0.0.9")
    });
    let text = |text: &str| heapless::Vec::from_slice(text.as_bytes()).unwrap();
    let call = &mut trace.setup.call;
    (call.remote_number, call.remote_name, call.local_number) =
        (text("100"), text("A&cmd=x=%\n漢"), text("2"));
    (call.incoming, trace.setup.law) = (Some(false), callrec::wire::g711::Law::A);
    trace.does(&["connect 10.0.0.9:10000"]).connects().does(&[concat!(
        "cmd=RecordStartRequest&id=7&device=0c383e000001&remote_number=100&remote_name=A%26cmd%3Dx%3D%25%0A漢",
        "&local_number=2&local_name=&dir=out&codec=PCMA\r\n"
    )]);
    let mut stop = callrec::proto::recording::setup::Call {
        remote_number: text("100"),
        ..Default::default()
    };
    (stop.local_name, stop.stop_reason) = (text("Ann"), text("hangup"));
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
        .gets(Input::Resolved(Some("10.0.0.9:10000".parse().unwrap())))
        .does(&["connect 10.0.0.9:10000"]);
    trace.connects().does(&[START]);
    trace.hears("cmd=RecordStartResponse&id=7&result=success&server=media.example&port=40000\n");
    trace.does(&["find media.example:40000"]).has(None);
    trace.gets(Input::Resolved(Some("10.0.0.8:40000".parse().unwrap())));
    trace
        .does(&["media 10.0.0.8:40000"])
        .has(Some(ClientEvent::Accepted));

    let mut trace = Trace::new(server("record.example"));
    trace
        .does(&["find record.example:10000"])
        .gets(Input::Resolved(None));
    trace
        .fails("no-server: its name is not known (record.example:10000)")
        .does(&["close"])
        .is_over();

    let mut trace = Trace::asked();
    trace.hears("cmd=RecordStartResponse&id=7&result=success&server=media.example&port=40000\n");
    trace
        .does(&["find media.example:40000"])
        .gets(Input::Resolved(None));
    trace
        .fails("server-refused: the media host cannot be resolved (10.0.0.9:10000)")
        .does(&[STOP]);
}

#[test]
fn a_server_that_cannot_be_reached() {
    let mut trace = Trace::new(server("10.0.0.9"));
    trace
        .does(&["connect 10.0.0.9:10000"])
        .gets(Input::Lost(111));
    trace
        .fails("no-server: no connection (10.0.0.9:10000, errno 111)")
        .does(&["close"])
        .is_over();

    let mut trace = Trace::new(server("record.example")); // the name's time and the connection's are one
    trace.does(&["find record.example:10000"]);
    trace
        .at(2900)
        .gets(Input::Resolved(Some("10.0.0.9:10000".parse().unwrap())))
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
    trace.gets(Input::Bytes(
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
            .why()
            .starts_with("server-refused: no more no more"),
        "{}",
        trace.client.why()
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
        Some(Op::Media("10.0.0.9:40000".parse().unwrap()))
    );
    trace.client.done(trace.now, Err(101), &trace.setup);
    trace
        .fails("server-lost: cannot open an RTP socket (10.0.0.9:10000, errno 101)")
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
    assert_eq!(trace.client.why(), "server-refused: it has stopped: ");
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
            trace.client.why(),
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
        trace.client.why(),
        "server-lost: it has not confirmed the stop (10.0.0.9:10000)"
    );
    let mut trace = Trace::sending();
    trace
        .stops()
        .does(&[STOP])
        .gets(Input::Lost(0))
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
        (Input::Lost(0), ""),
        (Input::Lost(104), ", errno 104"),
        (Input::Lost(110), ", errno 110"),
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
        .gets(Input::Lost(0));
    trace
        .fails("server-refused: full")
        .does(&["close"])
        .is_over();
    let mut trace = Trace::sending();
    trace
        .hears("cmd=RecordStopRequest&id=7")
        .gets(Input::Lost(0))
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
    assert_eq!(trace.client.op(), Some(Op::Write(STOP.as_bytes())));
    trace
        .client
        .done(trace.now, Ok(Done::Wrote(9)), &trace.setup);
    assert_eq!(trace.client.op(), Some(Op::Write(&STOP.as_bytes()[9..])));
    trace
        .client
        .done(trace.now, Ok(Done::Blocked), &trace.setup);
    assert_eq!(trace.client.op(), None);
    trace.gets(Input::Writable);
    assert!(trace.client.op().is_some());
    trace
        .client
        .done(trace.now, Ok(Done::Blocked), &trace.setup);
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
        .fails("server-lost: RTP does not reach it (10.0.0.9:10000, errno 111)")
        .does(&[STOP]);
}
