//! The rows of the call's table, and its gaps (spec, section 7), in virtual time.

use super::settings::Authority;
use super::*;
use crate::base::time::Duration;
use crate::proto::cloud::posts::Outcome as PostOutcome;
use crate::proto::intercom::endpoint::output::CallState;
use crate::wire::base64;

const OWN: u32 = 5;
const SID: &str = "0123456789abcdef";

/// A phone whose application server answers everything with 200.
struct Phone {
    machine: CloudPhone,
    now: Instant,
    /// The words of requests, outputs and events, in their order.
    trace: Vec<String>,
    next_id: u64,
}

impl Phone {
    fn new(has_transport: bool) -> Self {
        let relay = |host: &str| Authority {
            host: host.into(),
            port: 80,
            is_tls: false,
        };
        let settings = Settings {
            cid: OWN,
            relays: vec![relay("cloud"), relay("relay")],
            ring_timeout: Duration::from_millis(45_000),
            has_transport,
        };
        let now = Instant::from_nanos(1_000_000_000);
        let mut phone = Self {
            machine: CloudPhone::new(now, settings, [7; 32]),
            now,
            trace: vec![],
            next_id: 1,
        };
        phone.wait(0);
        phone
            .machine
            .handle_channel_answered(phone.now, 200, Some(1_000_000));
        phone.say(r#"{"Name":"Online"}"#);
        assert_eq!(phone.take(), ["open-channel", "cloud online"]);
        phone
    }

    /// An event of the channel.
    fn say(&mut self, data: &str) {
        let id = self.next_id;
        self.next_id += 1;
        let event = format!("id: {id}\ndata: {data}\n\n");
        self.machine
            .handle_channel_bytes(self.now, event.as_bytes());
        self.run();
    }

    fn message(&mut self, src: u32, message: &str) {
        let mut text = String::new();
        base64::emit(&mut text, message.as_bytes());
        self.say(&format!(
            r#"{{"Name":"PopMessage","Message":"{text}","SrcID":{src},"Flag":2}}"#
        ));
        let acknowledged = self.trace.iter().position(|word| word == "ack");
        self.trace.remove(acknowledged.unwrap());
    }

    fn peer(&mut self, kind: &str, from: u32) {
        self.peer_with(kind, from, "");
    }

    fn peer_with(&mut self, kind: &str, from: u32, more: &str) {
        let sid = self.sid();
        self.message(
            from,
            &format!(r#"{{"t":"{kind}","sid":"{sid}","from":{from}{more}}}"#),
        );
    }

    /// The running call's.
    fn sid(&self) -> String {
        let call = self.machine.call.as_ref();
        call.map_or(SID.into(), |call| {
            String::from_utf8(call.sid.to_vec()).unwrap()
        })
    }

    /// A call from this device.
    fn ring(&mut self, from: u32) {
        let url = format!("http://relay/stream/{SID}-{from}");
        self.message(from, &call_message(SID, from, &url));
    }

    /// Time goes by, and everything that is due is done.
    fn wait(&mut self, millis: u64) {
        let until = self.now + Duration::from_millis(millis);
        loop {
            let at = self.machine.next_deadline();
            if at > until {
                break;
            }
            self.now = self.now.max(at);
            self.machine.handle_timeout(self.now);
            self.run();
            if self.machine.next_deadline() <= self.now
                && at <= self.now
                && self.machine.has_told_all()
            {
                break;
            }
        }
        self.now = until;
    }

    fn run(&mut self) {
        self.drain();
        while let Some(post) = self.machine.poll_post(self.now) {
            self.trace.push(format!("post {}", post.kind.word()));
            let body = br#"{"url":"http://relay/stream/x"}"#;
            self.machine
                .handle_outcome(self.now, PostOutcome::Answered(200), body);
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            self.trace.push(word(&output));
        }
    }

    fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.trace)
    }

    fn answered(has_transport: bool) -> Self {
        let mut phone = Self::new(has_transport);
        phone.ring(9);
        phone
            .machine
            .handle_accept(phone.now, SID.as_bytes())
            .unwrap();
        phone.run();
        phone.take();
        phone
    }

    fn calling() -> Self {
        let mut phone = Self::new(false);
        phone.machine.handle_call(phone.now, 9).unwrap();
        phone.run();
        assert_eq!(phone.take(), ["calling", "post call"]);
        phone
    }
}

fn call_message(sid: &str, from: u32, url: &str) -> String {
    format!(r#"{{"t":"call","sid":"{sid}","from":{from},"at":1000000,"url":"{url}"}}"#)
}

fn word(output: &Output) -> String {
    match output {
        Output::OpenChannel => "open-channel".into(),
        Output::CloseChannel => "close-channel".into(),
        Output::Acknowledge(_) => "ack".into(),
        Output::OpenStreams(_, urls, relay) => format!(
            "streams {} {} at {relay}",
            String::from_utf8_lossy(&urls.play_audio),
            String::from_utf8_lossy(&urls.publish_audio)
        ),
        Output::StartTransport(mode, _) => format!("start {mode:?}"),
        Output::StopTransport => "stop".into(),
        Output::Event(Event::Call(state, ..)) => match state {
            CallState::Ringing => "ringing".into(),
            state => format!("{state:?}").to_lowercase(),
        },
        Output::Event(Event::Closed(closed)) => format!(
            "{:?} {}",
            closed.outcome,
            String::from_utf8_lossy(&closed.reason)
        ),
        Output::Event(Event::Door(state, ..)) => format!("door {state:?}"),
        Output::Event(Event::Cloud(state)) => format!("cloud {state:?}").to_lowercase(),
        Output::Event(event) => format!("{event:?}"),
    }
}

mod gaps;
mod rows;
mod transport;
