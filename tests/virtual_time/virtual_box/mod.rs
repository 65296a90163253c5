//! A home's box in virtual time. What it does is written down as lines, so that a test reads like
//! the trace of a call: `1 call_req`, `2 call_end(answered_elsewhere)`, `1 closed`.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::net::{IpAddr, SocketAddr};

use callrec::base::time::{Duration, Instant};
use callrec::proto::intercom::home_box::output::{BoxEvent, CallRecord, Output};
use callrec::proto::intercom::home_box::rules::{
    Addresses, DoorPolicy, Forward, Ipv4Prefix, JoinVerdict, Neighbour, RejectPolicy, Rules,
};
use callrec::proto::intercom::home_box::{HomeBox, LegId, Side};
use callrec::wire::intercom::{text, Message, Party};

pub fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub fn seconds(seconds: u64) -> Duration {
    ms(seconds * 1000)
}

pub fn rules() -> Rules {
    let central = SocketAddr::from(([11, 0, 0, 1], 1935));
    Rules {
        room_id: text("2-1-201"),
        addresses: Addresses {
            home: IpAddr::from([192, 168, 1, 22]),
            community: IpAddr::from([11, 0, 1, 22]),
            stream_port: 954,
            family_port: 7891,
            call_port: 7892,
            central_stream: Some(central),
            forwards: vec![Forward {
                port: 7894,
                to: central,
            }],
        },
        reject: RejectPolicy::Panel,
        door: DoorPolicy::Talk,
        open_ends: Duration::ZERO,
        no_answer_to: text(""),
        keep: seconds(3),
        keep_timeout: seconds(10),
        ring_timeout: seconds(60),
        connect_timeout: seconds(10),
        join_timeout: seconds(5),
        max_call: seconds(300),
        prefixes: vec![Ipv4Prefix::new([11, 0, 0, 0].into(), 8)],
        neighbours: vec![Neighbour {
            id: text("guard"),
            address: IpAddr::from([172, 16, 0, 9]),
            port: None,
        }],
        max_screens: 16,
        max_joining: 16,
        max_waiting: 8,
        max_waiting_of_address: 4,
    }
}

pub struct Site {
    pub home_box: HomeBox,
    pub now: Instant,
    /// What has been sent, closed and connected since `take`.
    pub lines: Vec<String>,
    pub events: Vec<BoxEvent>,
    pub log: Vec<CallRecord>,
    /// The last call request that was sent to each leg.
    pub requests: Vec<(LegId, Party, Party)>,
    pub dialled: Option<(LegId, SocketAddr)>,
    doors: u8,
}

impl Site {
    pub fn new(rules: Rules) -> Self {
        Self {
            home_box: HomeBox::new(rules, [7; 32]),
            now: Instant::from_nanos(1_000_000_000_000),
            lines: vec![],
            events: vec![],
            log: vec![],
            requests: vec![],
            dialled: None,
            doors: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.home_box.poll_output() {
            match output {
                Output::Send { leg, message } => {
                    self.lines.push(format!("{leg} {}", words(&message)));
                    if let Message::CallReq { src, dest, .. } = message {
                        self.requests.push((leg, src, dest));
                    }
                }
                Output::Close(leg) => self.lines.push(format!("{leg} closed")),
                Output::Connect { leg, address } => {
                    self.lines.push(format!("{leg} connect {address}"));
                    self.dialled = Some((leg, address));
                }
                Output::Event(event) => self.events.push(event),
                Output::Ended(record) => self.log.push(record),
                Output::Report(_) => {}
            }
        }
    }

    /// The lines since the last look; keep-alives are left out.
    pub fn take(&mut self) -> Vec<String> {
        let mut lines = std::mem::take(&mut self.lines);
        lines.retain(|line| !line.contains("call_keep"));
        lines
    }

    /// The same with keep-alives.
    pub fn take_all(&mut self) -> Vec<String> {
        std::mem::take(&mut self.lines)
    }

    /// A connection of the community, from an address of its own.
    pub fn outside(&mut self) -> LegId {
        self.doors += 1;
        self.outside_of([11, 0, 11, self.doors])
    }

    pub fn outside_of(&mut self, address: [u8; 4]) -> LegId {
        self.accept(Side::Community, address).unwrap()
    }

    pub fn accept(&mut self, side: Side, address: [u8; 4]) -> Option<LegId> {
        let leg = self
            .home_box
            .handle_accepted(self.now, side, address.into());
        self.drain();
        leg
    }

    /// A screen that has joined; the lines of that are taken.
    pub fn screen(&mut self, device: &str, device_type: u8) -> LegId {
        let leg = self.accept(Side::Home, [192, 168, 1, 100]).unwrap();
        self.join(leg, device, device_type);
        let taken = self.take();
        assert_eq!(taken[0], format!("{leg} join_accept"));
        self.lines = taken[1..].to_vec();
        leg
    }

    pub fn join(&mut self, leg: LegId, device: &str, device_type: u8) {
        let verdict = JoinVerdict::Device {
            device: text(device),
            device_type,
        };
        self.judge(leg, verdict);
    }

    pub fn judge(&mut self, leg: LegId, verdict: JoinVerdict) {
        self.home_box.handle_join(self.now, leg, verdict);
        self.drain();
    }

    pub fn send(&mut self, leg: LegId, message: &Message) {
        self.home_box.handle_message(self.now, leg, message);
        self.drain();
    }

    pub fn close(&mut self, leg: LegId) {
        self.home_box.handle_closed(self.now, leg);
        self.drain();
    }

    /// The owners' phones, whose cloud is online.
    pub fn cloud(&mut self) -> LegId {
        let leg = self.home_box.open_cloud(self.now);
        self.home_box.set_cloud_online(true);
        leg
    }

    /// A phone in the cloud has sent a message.
    pub fn phone_says(&mut self, cid: u32, message: &Message) {
        self.home_box.handle_cloud_message(self.now, cid, message);
        self.drain();
    }

    /// No phone in the cloud rings.
    pub fn no_phone(&mut self) {
        self.home_box.handle_no_phone(self.now);
        self.drain();
    }

    /// The connection that the box has asked for is there.
    pub fn connected(&mut self) -> LegId {
        let (leg, address) = self.dialled.take().unwrap();
        self.home_box.handle_connected(self.now, leg, address);
        self.drain();
        leg
    }

    pub fn unreachable(&mut self) {
        let (leg, _) = self.dialled.take().unwrap();
        self.home_box.handle_unreachable(self.now, leg);
        self.drain();
    }

    /// Lets time pass, stopping at each deadline.
    pub fn pass(&mut self, length: Duration) {
        let until = self.now + length;
        while self.home_box.next_deadline() <= until {
            let next = self.home_box.next_deadline();
            self.now = next.max(self.now);
            self.home_box.handle_timeout(self.now);
            self.drain();
            assert!(
                self.home_box.next_deadline() > self.now,
                "a deadline that is never met"
            );
        }
        self.now = until;
    }

    /// The same while these legs keep themselves alive.
    pub fn pass_alive(&mut self, length: Duration, legs: &[LegId]) {
        for _ in 0..length.millis() / 1000 {
            for leg in legs {
                self.send(*leg, &keep(""));
            }
            self.pass(seconds(1));
        }
    }

    /// The states and reasons of the call events since the last look.
    pub fn call_events(&mut self) -> Vec<String> {
        let events = std::mem::take(&mut self.events);
        let calls = events.into_iter().filter_map(|event| match event {
            BoxEvent::Call { state, reason, .. } => {
                Some(format!("{state} {}", utf8(&reason)).trim_end().to_owned())
            }
            _ => None,
        });
        calls.collect()
    }

    /// The last line of the call log: state, reason, device.
    pub fn logged(&mut self) -> String {
        let record = self.log.pop().expect("a line in the log");
        assert!(self.log.is_empty(), "one line a call");
        let (reason, by) = (utf8(&record.reason), utf8(&record.by));
        format!("{} {reason} {by}", record.state)
            .trim_end()
            .to_owned()
    }

    pub fn state(&self) -> &'static str {
        self.home_box.call_status().0
    }
}

pub fn utf8(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn words(message: &Message) -> String {
    match message {
        Message::CallReq { .. } => "call_req".into(),
        Message::CallAccept { by, .. } => format!("call_accept({})", utf8(by)),
        Message::CallReject { reason, .. } => format!("call_reject({})", utf8(reason)),
        Message::CallEnd { reason, .. } => format!("call_end({})", utf8(reason)),
        Message::CallKeep { .. } => "call_keep".into(),
        Message::OpenDoor { door, ack, .. } => format!("open_door({door},{ack})"),
        Message::OpenDoorResult { ok, reason, .. } => {
            format!("open_door_result({ok},{})", utf8(reason))
        }
        Message::JoinAccept { .. } => "join_accept".into(),
        Message::JoinReject { reason } => format!("join_reject({})", utf8(reason)),
        Message::Emergency { port, .. } => format!("emergency({port})"),
        Message::SeczoneClear { port, reason, .. } => format!("clear({port},{})", utf8(reason)),
        other => format!("{other:?}"),
    }
}

pub fn call_req(sid: &str, from: (&str, u8), to: (&str, u8, &str)) -> Message {
    Message::CallReq {
        sid: text(sid),
        src: Party {
            id: text(from.0),
            peer_type: from.1,
            video: text("v1"),
            ..Party::default()
        },
        dest: Party {
            id: text(to.0),
            peer_type: to.1,
            ip: text(to.2),
            audio: text("a1"),
            ..Party::default()
        },
    }
}

/// A door unit calls the home.
pub fn door_calls(sid: &str) -> Message {
    call_req(sid, ("2-1-1", 3), ("2-1-201", 1, "11.0.1.22"))
}

/// A screen calls a door unit.
pub fn screen_calls(sid: &str, address: &str) -> Message {
    call_req(sid, ("2-1-201", 2), ("2-1-1", 3, address))
}

pub fn accept(sid: &str) -> Message {
    Message::CallAccept {
        sid: text(sid),
        by: text(""),
    }
}

pub fn reject(sid: &str, reason: &str) -> Message {
    Message::CallReject {
        sid: text(sid),
        reason: text(reason),
    }
}

pub fn end(sid: &str, reason: &str) -> Message {
    Message::CallEnd {
        sid: text(sid),
        reason: text(reason),
    }
}

pub fn keep(sid: &str) -> Message {
    Message::CallKeep { sid: text(sid) }
}

pub fn open_door(sid: &str) -> Message {
    Message::OpenDoor {
        sid: text(sid),
        door: 0,
        ack: false,
    }
}

pub fn opened(sid: &str) -> Message {
    Message::OpenDoorResult {
        sid: text(sid),
        door: 0,
        ok: true,
        reason: text(""),
    }
}
