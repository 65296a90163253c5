//! An intercom device in virtual time. Inputs and outputs are short words, so that a test reads like
//! the tables of the protocol.
#![allow(dead_code, unreachable_pub, missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::IpAddr;

use callrec::base::time::{Duration, Instant};
use callrec::proto::intercom::endpoint::lines::write_event;
use callrec::proto::intercom::endpoint::output::{Event, Link, Output};
use callrec::proto::intercom::endpoint::request::CallRequest;
use callrec::proto::intercom::endpoint::settings::{Role, Settings};
use callrec::proto::intercom::endpoint::Endpoint;
use callrec::wire::control::Message as Line;
use callrec::wire::intercom::{text, Message, Party, Sid};

pub const PEER: &str = "11.0.1.22";

pub fn seconds(seconds: u64) -> Duration {
    Duration::from_millis(seconds * 1000)
}

pub fn settings(role: Role) -> Settings {
    Settings {
        role,
        id: text(match role {
            Role::Screen => "2-1-201",
            Role::Door => "2-1-1",
            Role::Property => "p-1",
        }),
        addr: "0.0.0.0".parse().unwrap(),
        port: 7895,
        box_addr: (role == Role::Screen).then(|| "192.168.1.22:7891".parse().unwrap()),
        stream_port: 954,
        box_stream_port: 954,
        central_port: 7894,
        keep: seconds(3),
        keep_timeout: seconds(10),
        ring_timeout: seconds(65),
        max_call: seconds(300),
        early_video: true,
        open_early: false,
        token: text("secret"),
    }
}

/// A device, and the link that its next call has.
pub struct Device {
    pub endpoint: Endpoint,
    pub now: Instant,
    pub link: Option<Link>,
    pub sid: Sid,
    /// Outputs since the last input.
    pub outputs: Vec<Output>,
}

impl Device {
    pub fn new(settings: Settings) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        Self {
            endpoint: Endpoint::new(now, settings, [9; 32]),
            now,
            link: None,
            sid: text("s1"),
            outputs: vec![],
        }
    }

    /// A screen that has joined its box.
    pub fn joined() -> Self {
        let mut screen = Self::new(settings(Role::Screen));
        screen.check(&[
            ("+0", "connect 192.168.1.22:7891", ""),
            ("connected", "> join_family secret", ""),
            ("< join_accept", "BoxEvent joined", ""),
        ]);
        screen
    }

    /// A door unit or another device without a box that talks with a peer that it has called.
    pub fn in_call(role: Role) -> Self {
        let mut device = Self::new(settings(role));
        device.check(&[
            (
                "dial",
                "connect 11.0.1.22:7892; CallEvent calling",
                "calling",
            ),
            ("connected", "> call_req", "calling"),
            ("< call_accept", "CallEvent talking", "talking"),
        ]);
        device
    }

    /// Inputs with the outputs and the state that they must have.
    #[track_caller]
    pub fn check(&mut self, rows: &[(&str, &str, &str)]) {
        for (input, outputs, state) in rows {
            let shown = self.put(input);
            assert_eq!(shown, *outputs, "outputs of '{input}'");
            assert_eq!(self.state(), *state, "state after '{input}'");
        }
    }

    /// The state that programs see; empty if there is no call.
    pub fn state(&self) -> String {
        let status = self.endpoint.status(self.now);
        status.map_or(String::new(), |status| {
            format!("{:?}", status.state).to_lowercase()
        })
    }

    /// Puts an input in, and returns the outputs.
    pub fn put(&mut self, input: &str) -> String {
        self.outputs.clear();
        let mut words = input.split(' ');
        let first = words.next().unwrap();
        let rest: Vec<&str> = words.collect();
        let word = rest.first().copied().unwrap_or("");
        let now = self.now;
        let link = self.link.unwrap_or(Link(0));
        let sid = self.sid.clone();
        let refused = match first {
            "<" => {
                let message = message(&rest, &self.sid);
                self.endpoint.handle_message(now, link, message);
                None
            }
            "dial" => self.dial(&rest),
            "connected" => {
                let local: IpAddr = "11.0.11.1".parse().unwrap();
                self.endpoint.handle_connected(now, link, local);
                None
            }
            "lost" => {
                self.endpoint.handle_lost(now, link);
                None
            }
            "accepted" => {
                let from: IpAddr = PEER.parse().unwrap();
                self.link = self.endpoint.handle_accepted(now, from);
                None
            }
            "answer" => self.endpoint.handle_accept(now, &sid).err(),
            "reject" => self
                .endpoint
                .handle_reject(now, &sid, text("declined"))
                .err(),
            "silence" => self.endpoint.handle_silence(now, &sid).err(),
            "hang-up" => self.endpoint.handle_end(now, &sid, text(word)).err(),
            "open" => self.endpoint.handle_open_door(now, &sid, 0).err(),
            "result" => {
                let ok = word == "ok";
                let why = text(if ok { "" } else { word });
                self.endpoint.handle_open_result(&sid, 0, ok, why).err()
            }
            "ack" => self.endpoint.handle_alarm_ack(word.parse().unwrap()).err(),
            time => {
                let millis = time.strip_prefix('+').unwrap().parse::<u64>().unwrap();
                self.pass(Duration::from_millis(millis));
                None
            }
        };
        self.drain();
        let mut shown: Vec<String> = self.outputs.iter().map(show).collect();
        let reason = refused.map(|reason| reason.split(':').next().unwrap().to_owned());
        shown.extend(reason.map(|reason| format!("refused {reason}")));
        shown.join("; ")
    }

    fn dial(&mut self, keys: &[&str]) -> Option<callrec::proto::recorder::reason::Reason> {
        let mut request = CallRequest {
            to: text("2-1-201"),
            ip: PEER.parse().ok(),
            video: true,
            ..CallRequest::default()
        };
        for key in keys {
            let (key, value) = key.split_once('=').unwrap();
            match key {
                "to" => request.to = text(value),
                "type" => request.peer_type = value.parse().ok(),
                "ip" => request.ip = value.parse().ok(),
                "video" => request.video = value == "1",
                other => panic!("{other}"),
            }
        }
        match self.endpoint.handle_call(self.now, &request) {
            Ok(sid) => {
                self.sid = sid;
                None
            }
            Err(refusal) => Some(refusal),
        }
    }

    /// Lets time pass, from deadline to deadline.
    pub fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.endpoint.next_deadline() <= end {
            self.now = self.now.max(self.endpoint.next_deadline());
            self.endpoint.handle_timeout(self.now);
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            if let Output::Connect(link, _) = &output {
                self.link = Some(*link);
            }
            self.outputs.push(output);
        }
    }

    /// The last line of this event.
    pub fn line(&self, command: &str) -> String {
        let mut events = self.outputs.iter().filter_map(|output| match output {
            Output::Event(event) => Some(line(event)),
            _ => None,
        });
        let start = format!("cmd={command}&");
        let found = events.rfind(|line| line.starts_with(&start));
        found.unwrap()
    }

    /// The last message that was sent.
    pub fn sent(&self) -> Message {
        let mut sent = self.outputs.iter().filter_map(|output| match output {
            Output::Send(_, message) => Some(message.clone()),
            _ => None,
        });
        sent.next_back().unwrap()
    }
}

/// An event as programs get it. Peers may have said something that is no UTF-8; it stands as it came.
pub fn line(event: &Event) -> String {
    let mut buffer = [0; 4096];
    let len = write_event(event, b"", &mut buffer).unwrap();
    String::from_utf8_lossy(&buffer[..len]).into_owned()
}

fn show(output: &Output) -> String {
    match output {
        Output::Connect(_, to) => format!("connect {to}"),
        Output::Close(_) => "close".into(),
        Output::Send(_, message) => format!("> {}", show_message(message)),
        Output::Event(event) => {
            let line = line(event);
            let line = Line::parse(line.as_bytes()).unwrap();
            let word =
                |key: &str| String::from_utf8(line.raw(key).unwrap_or(b"").to_vec()).unwrap();
            let words = [word("cmd"), word("state"), word("reason")].join(" ");
            words.trim_end().to_owned()
        }
    }
}

fn show_message(message: &Message) -> String {
    let shown = |name: &str, word: &[u8]| {
        let word = String::from_utf8_lossy(word);
        format!("{name} {word}").trim_end().to_owned()
    };
    match message {
        Message::CallReq { .. } => "call_req".into(),
        Message::CallAccept { .. } => "call_accept".into(),
        Message::CallReject { reason, .. } => shown("call_reject", reason),
        Message::CallEnd { reason, .. } => shown("call_end", reason),
        Message::CallKeep { .. } => "call_keep".into(),
        Message::OpenDoor { .. } => "open_door".into(),
        Message::OpenDoorResult { ok, reason, .. } => {
            shown(&format!("open_door_result {ok}"), reason)
        }
        Message::JoinFamily { token, .. } => shown("join_family", token),
        Message::SeczoneAck { alarm, .. } => shown("seczone_ack", alarm),
        other => panic!("{other:?}"),
    }
}

/// A message by its name, then a reason, or `key=value`.
fn message(words: &[&str], sid: &Sid) -> Message {
    let key = |key: &str| value(words, key);
    let plain = words
        .get(1)
        .filter(|word| !word.contains('='))
        .copied()
        .unwrap_or("");
    let reason = text(plain);
    let sid = key("sid").map_or(sid.clone(), text);
    match words[0] {
        "call_req" => call_req(words, sid),
        "call_accept" => Message::CallAccept {
            sid,
            by: text("pad-2"),
        },
        "call_reject" => Message::CallReject { sid, reason },
        "call_end" => Message::CallEnd { sid, reason },
        "call_keep" => Message::CallKeep { sid },
        "open_door" => Message::OpenDoor {
            sid,
            door: 0,
            ack: plain == "ack",
        },
        "open_door_result" => Message::OpenDoorResult {
            sid,
            door: 0,
            ok: plain == "ok",
            reason: text(if plain == "ok" { "" } else { plain }),
        },
        "join_accept" => Message::JoinAccept {
            room_id: text("2-1-201"),
        },
        "join_reject" => Message::JoinReject { reason },
        "alarm" => Message::Emergency {
            alarm: text(key("id").unwrap_or("")),
            port: 3,
            name: text("smoke"),
            message: text(""),
        },
        "clear" => Message::SeczoneClear {
            alarm: text(key("id").unwrap_or("")),
            port: 3,
            reason,
        },
        "unknown" => Message::Unknown,
        other => panic!("{other}"),
    }
}

/// The value of a key.
fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    let mut pairs = words.iter().filter_map(|word| word.split_once('='));
    let found = pairs.find(|(known, _)| *known == key);
    found.map(|(_, value)| value)
}

fn call_req(words: &[&str], sid: Sid) -> Message {
    let key = |key: &str| value(words, key);
    let party = |device: u8, id: &str, audio: &str, video: &str| Party {
        id: text(id),
        peer_type: device,
        audio: text(audio),
        video: text(video),
        ..Party::default()
    };
    let device = key("type").map_or(3, |device| device.parse().unwrap());
    let src_audio = key("audio").unwrap_or(if device == 3 { "" } else { "a1" });
    let src_video = if device == 3 { "v1" } else { "" };
    Message::CallReq {
        sid,
        src: party(device, "2-1-1", src_audio, src_video),
        dest: party(2, "2-1-201", "a2", ""),
    }
}
