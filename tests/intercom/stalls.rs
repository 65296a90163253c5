//! A door's call through the real box to the real `callrec run` with a media engine, over
//! connections that stall for 5 % of the time: both parties are recorded sample for sample.
#![cfg(all(feature = "box", feature = "intercom"))]

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::engine::{voice, Engine};
use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, Peer, CALL_REQ};
use crate::common::intercom_peer::device;
use crate::common::stalling_proxy::StallingProxy;
use crate::common::streams::tag;
use crate::common::{file, wait_for, Phone};
use serde_json::json;

/// The call and the door's stream in `CALL_REQ`.
const SID: &str = "c0ffee";
const VIDEO: &str = "b1f0c4";

/// A law: its name, its codes in FLV and in RTP, and its silence.
#[derive(Clone, Copy)]
struct Law {
    name: &'static str,
    format: u8,
    payload_type: u8,
    silence: u8,
}

const MU_LAW: Law = Law {
    name: "PCMU",
    format: 8,
    payload_type: 0,
    silence: 0xFF,
};
const A_LAW: Law = Law {
    name: "PCMA",
    format: 7,
    payload_type: 8,
    silence: 0xD5,
};

#[test]
fn mu_law_is_recorded_though_connections_stall() {
    both_parties_are_recorded(MU_LAW, 7);
}

#[test]
fn a_law_is_recorded_though_connections_stall() {
    both_parties_are_recorded(A_LAW, 13);
}

fn both_parties_are_recorded(law: Law, seed: u64) {
    let home = HomeBox::new("");
    let at_home = StallingProxy::new(&home.streams_at_home(), seed);
    let outside = StallingProxy::new(&home.streams_outside(), seed + 100);
    let screen = screen_of(&home, at_home.port, law);
    let streams = home.streams_outside();
    let (community_addr, _) = streams.split_once(':').unwrap();
    let mut events = screen.watch();
    wait_for("the screen to join", || {
        home.ask("cmd=StatusRequest").value("screens") == "1"
    });
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    events.until("CallEvent", "incoming");
    let engine = Engine::of(law.payload_type);
    let rtp = engine.address();
    let accepted = screen.ask(&format!(
        "cmd=CallAcceptRequest&sid={SID}&rtp={rtp}&codec={}",
        law.name
    ));
    door.hear("call_accept");
    let leg: u16 = accepted.value("leg_port").parse().unwrap();

    let (door_voice, screen_voice) = (voice(400, 0), voice(400, 5));
    let is_over = AtomicBool::new(false);
    let has_talked = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            publish(
                (community_addr, outside.port),
                law,
                &door_voice,
                &has_talked,
                &is_over,
            )
        });
        // One after the other, so that the codes of each stand in the recording as they are.
        engine.wait_for_sound();
        wait_for("the door to have talked", || {
            has_talked.load(Ordering::SeqCst)
        });
        let silence = |count| vec![vec![law.silence; 160]; count];
        engine.talk(
            leg,
            &[silence(100), screen_voice.clone(), silence(150)].concat(),
        );
        door.say(&of_call("call_end", SID, json!({})));
        is_over.store(true, Ordering::SeqCst);
    });
    let ended = events.until("CallEvent", "ended");
    events.until("RecordEvent", "stopped");
    let recording = read(&screen, &ended.value("recording"));
    assert_eq!(recording.codec, law.name);
    for (who, said) in [("door", &door_voice), ("screen", &screen_voice)] {
        assert_eq!(recording.longest(said), said.len() * 160, "the {who}");
    }
    let stalls = [at_home.stalls(), outside.stalls()];
    assert!(stalls.iter().all(|count| *count >= 2), "{stalls:?}");
}

/// A screen with a token of the box, which finds the streams at this port of the home.
fn screen_of(home: &HomeBox, stream_port: u16, law: Law) -> Phone {
    let family = home.family();
    let (box_addr, box_port) = family.split_once(':').unwrap();
    device(&format!(
        "intercomRole = screen\nintercomId = 2-1-201\nboxAddr = {box_addr}\nboxPort = {box_port}\n\
         boxTokenFile = {}\nstreamPort = {stream_port}\nvoiceCodec = {}",
        home.token_file("panel", "1"),
        law.name
    ))
}

/// The door's stream: silence, what it says, and silence until the call is over.
fn publish(
    server: (&str, u16),
    law: Law,
    voice: &[Vec<u8>],
    has_talked: &AtomicBool,
    is_over: &AtomicBool,
) {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_nodelay(true).unwrap();
    let head = format!("POST /stream/{VIDEO} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut send = |bytes: &[u8]| {
        let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        // The box closes it with the call.
        assert!(stream.write_all(&chunk).is_ok() || is_over.load(Ordering::SeqCst));
    };
    send(b"FLV\x01\x04\0\0\0\x09\0\0\0\0");
    let silence = vec![law.silence; 160];
    let began = Instant::now();
    const QUIET: usize = 100;
    for number in 0..3000_usize {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        let due = Duration::from_millis(20 * number as u64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        let said = number.checked_sub(QUIET).and_then(|at| voice.get(at));
        let codes = said.unwrap_or(&silence);
        send(&tag(law.format, 20 * number as u32, codes));
        has_talked.store(number >= QUIET + voice.len(), Ordering::SeqCst);
    }
}

fn read(phone: &Phone, name: &str) -> file::Recording {
    assert!(name.starts_with("Record_"), "{name}");
    let path = phone.stick().join(name);
    wait_for("the sidecar", || path.with_extension("json").exists());
    file::read(&path)
}
