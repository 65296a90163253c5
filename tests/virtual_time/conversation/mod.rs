//! The conversation with a recording server as a trace: what happens at which millisecond, and what
//! the phone does then.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use callrec::base::stats::Stats;
use callrec::base::time::{Duration, Instant};
use callrec::proto::record_client::event::{ClientDone, ClientEvent, ClientInput, ClientOp};
use callrec::proto::record_client::RecordClient;
use callrec::proto::recording::setup::{Host, ServerSettings, Setup};

pub struct Trace {
    pub client: RecordClient,
    pub setup: Setup,
    pub stats: Stats,
    pub now: Instant,
}

pub const ORIGIN: Instant = Instant::from_nanos(1_000_000_000_000);

pub fn server(host: &str) -> ServerSettings {
    ServerSettings {
        host: Host::try_from(host).unwrap(),
        port: 10_000,
        message_end: b"",
        fallback: false,
    }
}

impl Trace {
    pub fn new(server: ServerSettings) -> Self {
        let setup = Setup {
            id: 7,
            device: "0c383e000001".try_into().unwrap(),
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
    pub fn asked() -> Self {
        let mut trace = Self::new(server("10.0.0.9"));
        trace.does(&["connect 10.0.0.9:10000"]);
        trace.connects();
        trace.does(&[START]);
        trace
    }

    /// One whose frames may be sent.
    pub fn sending() -> Self {
        let mut trace = Self::asked();
        trace.hears("cmd=RecordStartResponse&id=7&result=success&server=10.0.0.8&port=40000\n");
        trace.does(&["media 10.0.0.8:40000"]);
        trace.has(Some(ClientEvent::Accepted));
        trace
    }

    pub fn at(&mut self, ms: u64) -> &mut Self {
        self.now = ORIGIN + Duration::from_millis(ms);
        self.gets(ClientInput::Tick)
    }

    pub fn gets(&mut self, input: ClientInput) -> &mut Self {
        self.client
            .handle(self.now, input, &self.setup, &mut self.stats);
        self
    }

    pub fn hears(&mut self, text: &str) -> &mut Self {
        self.gets(ClientInput::Bytes(text.as_bytes()))
    }

    pub fn connects(&mut self) -> &mut Self {
        self.gets(ClientInput::Connected("10.0.0.9:10000".parse().unwrap()))
    }

    pub fn stops(&mut self) -> &mut Self {
        self.client.stop(self.now, &self.setup);
        self
    }

    /// All that is to be done now, done by a network that does everything it is asked for.
    pub fn does(&mut self, expected: &[&str]) -> &mut Self {
        let mut done = vec![];
        while let Some(op) = self.client.op() {
            let (text, outcome) = match op {
                ClientOp::Find(name, port) => (format!("find {name}:{port}"), ClientDone::Yes),
                ClientOp::Connect(to) => (format!("connect {to}"), ClientDone::Yes),
                ClientOp::Media(to) => (format!("media {to}"), ClientDone::Yes),
                ClientOp::Write(bytes) => (
                    String::from_utf8(bytes.to_vec()).unwrap(),
                    ClientDone::Wrote(bytes.len()),
                ),
                ClientOp::Frame(_) => panic!("frames come from the recording"),
                ClientOp::Close => ("close".into(), ClientDone::Yes),
            };
            done.push(text);
            self.client.done(self.now, Ok(outcome), &self.setup);
        }
        assert_eq!(done, expected);
        self
    }

    pub fn has(&mut self, news: Option<ClientEvent>) -> &mut Self {
        assert_eq!(
            self.client.take_event(),
            news,
            "{}",
            self.client.failure_reason()
        );
        self
    }

    pub fn fails(&mut self, why: &str) -> &mut Self {
        self.has(Some(ClientEvent::Failed));
        assert_eq!(self.client.failure_reason(), why);
        self
    }

    /// Nothing is left: both sockets are closed, no timer runs.
    pub fn is_over(&mut self) {
        assert!(self.client.is_idle() && self.client.next_deadline().is_none());
        self.does(&[]).has(None);
    }
}

pub const START: &str =
    "cmd=RecordStartRequest&id=7&device=0c383e000001&remote_number=&remote_name=&local_number=\
                     &local_name=&dir=&codec=PCMU";
pub const STOP: &str = "cmd=RecordStopRequest&id=7";
pub const STOPPED: &str = "cmd=RecordStopResponse&id=7&result=success";
