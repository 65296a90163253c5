//! Peers as real processes that are killed, stopped for 20 s, flooding, silent in great number or
//! talking too much: the next call works within a second.
#![cfg(all(feature = "box", feature = "sim"))]

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::common::home_box::HomeBox;
use crate::common::intercom::{connect_from, of_call, Device, Peer, CALL_REQ};
use crate::common::{intercom_peer, wait_for, PATIENCE};
use nix::sys::signal::Signal;
use serde_json::json;

const SECOND: Duration = Duration::from_secs(1);
/// How long a process stands still.
const STOPPED: Duration = Duration::from_secs(20);

/// One of the addresses of this machine in the network of this one.
fn neighbour(address: &str, host: u8) -> Ipv4Addr {
    let (address, _) = address.split_once(':').unwrap();
    let [a, b, c, _] = address.parse::<Ipv4Addr>().unwrap().octets();
    Ipv4Addr::new(a, b, c, host)
}

fn sim_door(home: &HomeBox) -> Device {
    Device::sim(&["door", "--box", &home.call()])
}

fn sim_screen(home: &HomeBox, device: &str, arguments: &[&str]) -> Device {
    let (family, token) = (home.family(), home.token_file(device, "2"));
    let first = ["screen", "--box", &family, "--token-file", &token];
    let mut screen = Device::sim(&[&first, arguments].concat());
    screen.says("joined room=2-1-201");
    screen
}

/// A door with an address of its own calls, the panel answers, the door hangs up; it took less than
/// a second since then.
fn next_call_works(home: &HomeBox, panel: &mut Peer, since: Instant) {
    wait_for("the line to be free", || {
        home.ask("cmd=StatusRequest").value("call") == "free"
    });
    let mut door = Peer::connect_from(neighbour(&home.call(), 250), &home.call());
    door.say(&CALL_REQ.replace("c0ffee", "next"));
    assert_eq!(panel.hear("call_req")["sid"], "next");
    panel.say(&of_call("call_accept", "next", json!({})));
    door.hear("call_accept");
    let took = since.elapsed();
    assert!(took < SECOND, "{took:?}");
    door.say(&of_call("call_end", "next", json!({"reason": "hangup"})));
    assert_eq!(panel.hear("call_end")["reason"], "hangup");
}

/// The other end has sent a keep-alive, from which on the box watches it: the box itself sends one
/// each 3 s.
fn hears_keep_alives(peer: &mut Peer) {
    let began_at = Instant::now();
    for _ in 0..3 {
        assert_eq!(peer.hear_any().unwrap()["name"], "call_keep");
    }
    let took = began_at.elapsed();
    assert!(took < 8 * SECOND, "{took:?}: those of the box alone");
}

/// What the box does with these bytes: it closes the connection.
fn is_closed(mut stream: TcpStream, bytes: &[u8]) {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = stream.write_all(bytes);
    let mut heard = vec![];
    if let Err(error) = stream.read_to_end(&mut heard) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
}

#[test]
fn a_door_that_is_killed() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    for is_answered in [false, true] {
        let door = sim_door(&home);
        let sid = panel.hear("call_req")["sid"].clone();
        if is_answered {
            panel.say(&of_call("call_accept", sid.as_str().unwrap(), json!({})));
            wait_for("the answer", || {
                home.ask("cmd=StatusRequest").value("call") == "talking"
            });
        }
        door.signal(Signal::SIGKILL);
        let killed_at = Instant::now();
        assert_eq!(panel.hear("call_end")["reason"], "lost");
        next_call_works(&home, &mut panel, killed_at);
    }
}

#[test]
fn a_screen_that_is_killed() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    // It rings when it is killed: the others ring on.
    let phone = sim_screen(&home, "phone", &["--ignore"]);
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    panel.hear("call_req");
    phone.signal(Signal::SIGKILL);
    let killed_at = Instant::now();
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    door.hear("call_accept");
    drop(door);
    assert_eq!(panel.hear("call_end")["reason"], "lost");
    next_call_works(&home, &mut panel, killed_at);
    // It talks when it is killed: the door hears of it.
    let mut phone = sim_screen(&home, "phone", &["--answer"]);
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    phone.until("answered");
    door.hear("call_accept");
    assert_eq!(panel.hear("call_req")["sid"], "c0ffee");
    assert_eq!(panel.hear("call_end")["reason"], "answered_elsewhere");
    phone.signal(Signal::SIGKILL);
    let killed_at = Instant::now();
    assert_eq!(door.hear("call_end")["reason"], "lost");
    next_call_works(&home, &mut panel, killed_at);
}

#[test]
fn a_door_that_stands_still_for_20_s() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut door = sim_door(&home);
    let sid = panel.hear("call_req")["sid"].clone();
    panel.say(&of_call("call_accept", sid.as_str().unwrap(), json!({})));
    door.until("answered");
    hears_keep_alives(&mut panel);
    door.signal(Signal::SIGSTOP);
    let stopped_at = Instant::now();
    assert_eq!(panel.hear("call_end")["reason"], "lost");
    let lost_at = Instant::now();
    let after = lost_at - stopped_at;
    assert!((6..=12).contains(&after.as_secs()), "lost after {after:?}");
    next_call_works(&home, &mut panel, lost_at);
    sleep(STOPPED.saturating_sub(stopped_at.elapsed()));
    door.signal(Signal::SIGCONT);
    let continued_at = Instant::now();
    next_call_works(&home, &mut panel, continued_at);
    door.until("ended reason=lost");
}

#[test]
fn a_screen_that_stands_still_for_20_s() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut phone = sim_screen(&home, "phone", &["--answer", "--seconds", "60"]);
    let mut door = Peer::connect(&home.call());
    door.say(CALL_REQ);
    phone.until("answered");
    door.hear("call_accept");
    panel.hear("call_req");
    assert_eq!(panel.hear("call_end")["reason"], "answered_elsewhere");
    hears_keep_alives(&mut door);
    phone.signal(Signal::SIGSTOP);
    let stopped_at = Instant::now();
    assert_eq!(door.hear("call_end")["reason"], "lost");
    let lost_at = Instant::now();
    let after = lost_at - stopped_at;
    assert!((6..=12).contains(&after.as_secs()), "lost after {after:?}");
    // It is still joined: it rings, and says nothing.
    next_call_works(&home, &mut panel, lost_at);
    sleep(STOPPED.saturating_sub(stopped_at.elapsed()));
    phone.signal(Signal::SIGCONT);
    let continued_at = Instant::now();
    phone.until("ended reason=lost");
    next_call_works(&home, &mut panel, continued_at);
}

#[test]
fn two_hundred_idle_connections() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    // From as many addresses as there are, all from one, and those of the home.
    let call = home.call();
    let apart = (10..210).map(|host| connect_from(neighbour(&call, host), &call));
    let apart: Vec<TcpStream> = apart.collect();
    next_call_works(&home, &mut panel, Instant::now());
    drop(apart);
    let together: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(&call).unwrap())
        .collect();
    next_call_works(&home, &mut panel, Instant::now());
    let inside: Vec<TcpStream> = (0..200)
        .map(|_| TcpStream::connect(home.family()).unwrap())
        .collect();
    let began_at = Instant::now();
    let mut kitchen = home.screen("kitchen", "1");
    next_call_works(&home, &mut panel, began_at);
    assert_eq!(kitchen.hear("call_req")["sid"], "next");
    drop((together, inside));
}

#[test]
fn floods_and_long_frames() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let long = [&vec![b' '; 11 << 10][..], CALL_REQ.as_bytes(), b"\0"].concat();
    let keeps = b"{\"name\":\"call_keep\"}\0".repeat(200);
    for bytes in [&keeps, &long] {
        for side in [home.call(), home.family()] {
            is_closed(TcpStream::connect(side).unwrap(), bytes);
            next_call_works(&home, &mut panel, Instant::now());
        }
        // One whose call rings.
        let mut door = TcpStream::connect(home.call()).unwrap();
        door.write_all(CALL_REQ.as_bytes()).unwrap();
        door.write_all(b"\0").unwrap();
        panel.hear("call_req");
        is_closed(door, bytes);
        assert_eq!(panel.hear("call_end")["reason"], "lost");
        next_call_works(&home, &mut panel, Instant::now());
    }
}

#[test]
fn a_door_unit_takes_the_next_call_as_well() {
    let (phone, port) = intercom_peer::door();
    let address = format!("127.0.0.1:{port}");
    let mut events = phone.watch();
    let mut next_call_works = |since: Instant| {
        let mut caller = Peer::connect_from(Ipv4Addr::new(127, 0, 9, 1), &address);
        caller.say(&CALL_REQ.replace("c0ffee", "next"));
        while events.until("CallEvent", "incoming").value("sid") != "next" {}
        let took = since.elapsed();
        assert!(took < SECOND, "{took:?}");
        drop(caller);
        events.until("CallEvent", "missed");
    };
    let caller = Device::sim(&["property", "--call", &address, "--to", "2-1-1"]);
    let state = |wanted: &str| {
        wait_for(wanted, || {
            let status = phone.control().ask_lines("cmd=CallStatusRequest");
            status[0].value("state") == wanted
        });
    };
    state("incoming");
    caller.signal(Signal::SIGKILL);
    let killed_at = Instant::now();
    // No call.
    state("");
    next_call_works(killed_at);
    let apart = (10..210).map(|host| connect_from(Ipv4Addr::new(127, 0, 8, host), &address));
    let apart: Vec<TcpStream> = apart.collect();
    next_call_works(Instant::now());
    drop(apart);
    let keeps = b"{\"name\":\"call_keep\"}\0".repeat(200);
    for bytes in [&keeps[..], &[b'x'; 11 << 10]] {
        is_closed(TcpStream::connect(&address).unwrap(), bytes);
        next_call_works(Instant::now());
    }
}
