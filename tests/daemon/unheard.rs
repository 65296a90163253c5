//! Legs that the running daemon cannot decode, each beside one that it can: clients, the sidecar and
//! `callrec list` tell of it, and the good leg is recorded whole.
#![cfg(feature = "tools")]

use std::net::UdpSocket;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::file::read;
use crate::common::{callrec, in_time, marked, rtp, wait_for, Answer, Control, Phone, Random};
use serde_json::Value;

/// Five seconds.
const PACKETS: u32 = 250;
/// What is muted only after a second, and what was not mixed by then.
const UNDECIDED: usize = 50;

/// What a leg sends: payload type, bytes, and ticks from packet to packet.
#[derive(Clone, Copy)]
struct Sender {
    payload_type: u8,
    len: u64,
    ticks: u32,
}

/// A call: what its second leg sends, and what has to be told of that.
struct Case {
    sender: Sender,
    /// A noise of a second is allowed.
    is_slow: bool,
    reason: &'static str,
}

fn case(payload_type: u8, len: u64, reason: &'static str) -> Case {
    let sender = Sender {
        payload_type,
        len,
        ticks: 160,
    };
    Case {
        sender,
        is_slow: false,
        reason,
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![
        case(2, 80, "payload type 2 cannot be decoded"),
        case(4, 24, "payload type 4 cannot be decoded"),
        case(18, 20, "payload type 18 cannot be decoded"),
        case(97, 38, "payload type 97 cannot be decoded"),
        case(102, 80, "payload type 102 cannot be decoded"),
        case(107, 60, "payload type 107 cannot be decoded"),
        case(108, 31, "payload type 108 cannot be decoded"),
        // PCMU and L16 under dynamic types that nobody has declared.
        case(110, 160, "payload type 110 cannot be decoded"),
        case(111, 640, "payload type 111 cannot be decoded"),
        // L16 at 44.1 kHz.
        case(11, 882, "payload type 11 cannot be decoded"),
        // SRTP over PCMU and G.722, with tags of 10 and 4 bytes, and without one.
        case(0, 170, "encrypted"),
        case(9, 170, "encrypted"),
        case(0, 164, "encrypted"),
    ];
    for payload_type in [0, 9] {
        cases.push(Case {
            is_slow: true,
            ..case(payload_type, 160, "encrypted")
        });
    }
    cases
}

/// A recording, and where its legs are sent.
struct Call {
    start: Answer,
    good: u32,
}

impl Call {
    /// Sends the n-th packet of the good leg and of the other one.
    fn send(&self, socket: &UdpSocket, sender: Sender, n: u32, random: &mut Random) {
        let ports = self.start.ports();
        let name = self.good;
        let good = rtp(0, n as u16, n * 160, name, &marked(name, n));
        let payload = random.bytes(sender.len);
        let timestamp = n * sender.ticks;
        let other = rtp(sender.payload_type, n as u16, timestamp, 99, &payload);
        for (port, packet) in [(ports[0], good), (ports[1], other)] {
            let _ = socket.send_to(&packet, ("127.0.0.1", port));
        }
    }
}

/// Calls `send` for each packet number when it is due; `false`: the machine was too busy.
fn paced(mut send: impl FnMut(u32)) -> bool {
    let started = Instant::now();
    let mut latest = Duration::ZERO;
    for n in 0..PACKETS {
        let due = started + Duration::from_millis(20) * n;
        sleep(due.saturating_duration_since(Instant::now()));
        latest = latest.max(due.elapsed());
        send(n);
    }
    latest < Duration::from_millis(150)
}

/// The first `unintelligible` of each of these recordings.
fn unintelligible(watch: &mut Control, ids: &[String]) -> Vec<Answer> {
    let mut found: Vec<Option<Answer>> = vec![None; ids.len()];
    while found.iter().any(Option::is_none) {
        let event = watch.until("RecordEvent", "unintelligible");
        let call = ids.iter().position(|id| *id == event.id()).unwrap();
        assert!(found[call].is_none(), "told twice: {event:?}");
        found[call] = Some(event);
    }
    found.into_iter().flatten().collect()
}

/// The line of a file in `callrec list --json`.
fn listed(phone: &Phone, file: &str) -> Value {
    let output = callrec(&["list", "--json", phone.stick().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.contains(file));
    serde_json::from_str(line.unwrap_or_else(|| panic!("{text}"))).unwrap()
}

/// What the table of `callrec list` says of a file.
fn row(phone: &Phone, file: &str) -> String {
    let output = callrec(&["list", phone.stick().to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    let row = text.lines().find(|line| line.contains(file));
    row.unwrap_or_else(|| panic!("{text}")).to_owned()
}

fn assert_told(phone: &Phone, call: &Call, case: &Case, event: &Answer) {
    let reason = case.reason;
    assert_eq!(event.value("reason"), reason);
    assert_eq!(event.value("leg"), call.start.ports()[1].to_string());
    let status = phone.control().ask_lines("cmd=RecordStatusRequest");
    let status = status.iter().find(|line| line.id() == call.start.id());
    let heard = if case.is_slow { "both" } else { "one" };
    assert_eq!(status.unwrap().value("heard"), heard, "{reason}");
    let stop = phone.stop(&call.start.id());
    assert_eq!(stop.value("heard"), heard, "{reason}");
    let file = stop.value("files");
    let sidecar = phone.sidecar(&file, "\"end\"");
    assert_eq!(sidecar["heard"], heard, "{reason}");
    assert_eq!(sidecar["unintelligible"], reason);
    let other = sidecar["heard_ms"]["2"].as_u64().unwrap();
    let most = if case.is_slow { 1200 } else { 40 };
    assert!(other <= most, "{reason}: {sidecar}");
    assert_eq!(listed(phone, &file)["unintelligible"], reason);
    let mark = if case.is_slow {
        "not all"
    } else {
        "one party only"
    };
    let row = row(phone, &file);
    // The table cuts what is long.
    let shown: String = format!("{mark}: {reason}").chars().take(30).collect();
    assert!(row.contains(&shown), "{row}");
}

fn assert_good_leg(phone: &Phone, call: &Call, case: &Case) {
    let file = call.start.value("file");
    let audio = read(&phone.stick().join(file)).frames.concat();
    let undecided = if case.is_slow { UNDECIDED } else { 0 };
    let good = (undecided as u32..PACKETS).map(|n| marked(call.good, n));
    let good = good.collect::<Vec<_>>().concat();
    let found = audio.windows(good.len()).any(|run| run == good);
    assert!(found, "the good leg beside {}", case.reason);
}

#[test]
fn what_cannot_be_decoded_is_told_and_the_other_leg_is_whole() {
    in_time(|| {
        let cases = cases();
        let phone = Phone::new(&format!("maxRecordings = {}", cases.len()));
        let mut watch = phone.watch();
        let mut calls = vec![];
        for good in (1..).take(cases.len()) {
            let start = phone.record("");
            calls.push(Call { start, good });
        }
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut random = Random(1);
        let in_time = paced(|n| {
            for (call, case) in calls.iter().zip(&cases) {
                call.send(&socket, case.sender, n, &mut random);
            }
        });
        if !in_time {
            return false;
        }
        let ids: Vec<String> = calls.iter().map(|call| call.start.id()).collect();
        let events = unintelligible(&mut watch, &ids);
        for ((call, case), event) in calls.iter().zip(&cases).zip(&events) {
            assert_told(&phone, call, case, event);
            assert_good_leg(&phone, call, case);
        }
        true
    });
}

#[test]
fn a_call_of_which_nothing_can_be_decoded_is_marked() {
    in_time(|| {
        let phone = Phone::new("");
        let mut watch = phone.watch();
        let start = phone.record("");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let in_time = paced(|n| {
            for port in &start.ports()[..2] {
                let packet = rtp(18, n as u16, n * 160, u32::from(*port), &[7; 20]);
                let _ = socket.send_to(&packet, ("127.0.0.1", *port));
            }
        });
        if !in_time {
            return false;
        }
        let told = [(); 2].map(|()| watch.until("RecordEvent", "unintelligible").value("leg"));
        assert_eq!(told, [0, 1].map(|leg| start.ports()[leg].to_string()));
        let stop = phone.stop(&start.id());
        assert_eq!(stop.value("heard"), "none");
        let file = stop.value("files");
        assert_eq!(phone.sidecar(&file, "\"end\"")["heard"], "none");
        let recording = read(&phone.stick().join(&file));
        assert!(recording.frames.concat().iter().all(|code| *code == 0xFF));
        let row = row(&phone, &file);
        assert!(row.contains("nobody: payload type 18"), "{row}");
        true
    });
}

#[test]
fn g722_with_a_clock_of_16_khz_is_recorded_whole() {
    in_time(|| {
        let phone = Phone::new("");
        let start = phone.record("");
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let in_time = paced(|n| {
            for (port, name) in start.ports()[..2].iter().zip(1..) {
                let packet = rtp(9, n as u16, n * 320, name, &marked(name, n));
                let _ = socket.send_to(&packet, ("127.0.0.1", *port));
            }
        });
        if !in_time {
            return false;
        }
        wait_for("all packets to be read", || {
            phone.stat("audio") == 2 * u64::from(PACKETS)
        });
        let stop = phone.stop(&start.id());
        assert_eq!(stop.value("heard"), "both");
        assert_eq!(phone.stat("wrong_clock"), 2);
        for lost in ["late", "concealed", "encrypted", "duplicate"] {
            assert_eq!(phone.stat(lost), 0, "{lost}");
        }
        let sidecar = phone.sidecar(&stop.value("files"), "\"end\"");
        assert_eq!(sidecar["unintelligible"], Value::Null);
        let frames: u32 = stop.value("frames").parse().unwrap();
        assert!((PACKETS..PACKETS + 50).contains(&frames), "{frames}");
        true
    });
}
