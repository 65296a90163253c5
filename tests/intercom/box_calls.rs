//! Calls through the running `callrec-box`: with the simulated devices, with naive ones, and with
//! peers that are killed, stopped, flooding or silent.
#![cfg(all(feature = "box", feature = "sim"))]

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::home_box::HomeBox;
use crate::common::intercom::{of_call, Device, Peer, CALL_REQ};
use crate::common::{wait_for, PATIENCE};
use serde_json::json;

fn door(home: &HomeBox, arguments: &[&str]) -> Device {
    let call = home.call();
    Device::sim(&[&["door", "--box", &call], arguments].concat())
}

fn screen(home: &HomeBox, device: &str, arguments: &[&str]) -> Device {
    let (family, token) = (home.family(), home.token_file(device, "1"));
    let first = ["screen", "--box", &family, "--token-file", &token];
    let mut screen = Device::sim(&[&first, arguments].concat());
    screen.says("joined room=2-1-201");
    screen
}

fn waits_for_call(home: &HomeBox, state: &str) {
    wait_for(state, || {
        home.ask("cmd=StatusRequest").value("call") == state
    });
}

#[test]
fn a_door_calls_two_screens_one_answers_opens_and_the_other_stops() {
    let home = HomeBox::new("");
    let mut watch = home.control();
    assert!(watch.ask("cmd=SubscribeRequest").success());
    let mut kitchen = screen(&home, "kitchen", &["--ignore", "--calls", "1"]);
    let mut panel = screen(&home, "panel", &["--open-door", "--calls", "1"]);
    let mut caller = door(&home, &["--seconds", "1", "--open-door-expected"]);
    caller.until("answered by=panel");
    panel.until("opened");
    kitchen.until("ended reason=answered_elsewhere");
    caller.succeeds();
    panel.until("ended reason=hangup");
    for state in ["ringing", "talking", "ended"] {
        assert_eq!(watch.until("CallEvent", state).value("peer"), "2-1-1");
    }
    let lines = home.control().ask_lines("cmd=CallLogRequest");
    let call = &lines[0];
    assert_eq!(call.value("state"), "answered");
    assert_eq!(
        (call.value("by"), call.value("opened")),
        ("panel".into(), "1".into())
    );
    assert_eq!(lines[1].value("count"), "1");
}

#[test]
fn a_screen_calls_the_property() {
    let home = HomeBox::new("communityPrefix = 127.0.0.0/8");
    let (listener, address) = crate::common::intercom::listen();
    drop(listener);
    let mut property = Device::sim(&["property", "--listen", &address, "--calls", "1"]);
    property.says("listening");
    let target = format!("guard@{address}");
    let mut panel = screen(&home, "panel", &["--call", &target, "--seconds", "1"]);
    property.until("answered");
    panel.until("answered");
    property.until("ended reason=hangup");
    drop(panel);
}

#[test]
#[ignore = "needs python3"]
fn naive_peers_call_through_the_box() {
    let home = HomeBox::new("joinPolicy = open");
    let (family, call) = (home.family(), home.call());
    let (family_host, family_port) = family.split_once(':').unwrap();
    let (call_host, call_port) = call.split_once(':').unwrap();
    for sid in ["empty", "missing", "1234"] {
        let arguments = [family_host, family_port, "--open-door", "--expect", "ended"];
        let mut old_screen = Device::naive("old_screen", &arguments);
        old_screen.says("joined");
        let mut old_door = Device::naive(
            "old_door",
            &[call_host, call_port, "--sid", sid, "--expect", "opened"],
        );
        old_door.until("opened");
        old_door.succeeds();
        old_screen.succeeds();
    }
    let mut old_screen = Device::naive("old_screen", &[family_host, family_port, "--reject", "2"]);
    old_screen.says("joined");
    door(&home, &[]).fails("declined");
}

#[test]
fn a_peer_that_is_killed_ends_the_call_and_the_next_one_works() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    for _ in 0..3 {
        let caller = door(&home, &[]);
        let request = panel.hear("call_req");
        let sid = request["sid"].as_str().unwrap();
        panel.say(&of_call("call_accept", sid, json!({})));
        waits_for_call(&home, "talking");
        drop(caller);
        let end = panel.hear("call_end");
        assert_eq!((&end["sid"], &end["reason"]), (&json!(sid), &json!("lost")));
        waits_for_call(&home, "free");
    }
}

#[test]
fn a_stopped_peer_is_lost_after_ten_seconds() {
    let home = HomeBox::new("keepTimeout = 2\nkeep = 1");
    let mut panel = home.screen("panel", "1");
    let mut caller = Peer::connect(&home.call());
    caller.say(CALL_REQ);
    panel.hear("call_req");
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    caller.hear("call_accept");
    // It keeps itself alive once, and then stands still with its connection open.
    caller.say(&of_call("call_keep", "c0ffee", json!({})));
    assert_eq!(panel.hear("call_end")["reason"], "lost");
    assert_eq!(caller.hear("call_end")["reason"], "lost");
    caller.hear_end();
}

#[test]
fn the_box_calls_and_reports_from_its_community_address() {
    let (guard, address) = crate::common::intercom::listen();
    let (property, server) = crate::common::intercom::listen();
    let config =
        format!("neighbour = guard {address}\nnoAnswerTo = guard\npropertyServer = {server}");
    let home = HomeBox::new(&config);
    let own = home.call().parse::<std::net::SocketAddr>().unwrap().ip();
    let mut caller = Peer::connect(&home.call());
    caller.say(CALL_REQ);
    for listener in [guard, property] {
        listener.set_nonblocking(true).unwrap();
        let mut from = None;
        wait_for("the box's connection", || {
            from = listener.accept().ok().map(|(_, from)| from.ip());
            from.is_some()
        });
        assert_eq!(from, Some(own));
    }
}

/// What the kernel does next about a connection: the kind of its timer (2: a keep-alive probe), and
/// in how many hundredths of a second.
fn timer(local: &str, remote: &str) -> Option<(u8, u32)> {
    let hex = |address: &str| {
        let address: std::net::SocketAddrV4 = address.parse().unwrap();
        let ip = u32::from_ne_bytes(address.ip().octets());
        format!("{ip:08X}:{:04X}", address.port())
    };
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let ends = format!(": {} {} ", hex(local), hex(remote));
    let line = table.lines().find(|line| line.contains(&ends))?;
    let timer = line.split_whitespace().nth(5)?;
    let (kind, after) = timer.split_once(':')?;
    Some((kind.parse().ok()?, u32::from_str_radix(after, 16).ok()?))
}

#[test]
fn an_idle_connection_is_probed_after_half_a_minute() {
    let home = HomeBox::new("");
    let screen = home.screen("panel", "1");
    let caller = Peer::connect(&home.call());
    for (peer, local) in [(&screen, home.family()), (&caller, home.call())] {
        let remote = peer.local_address();
        wait_for("the keep-alive timer", || {
            let timer = timer(&local, &remote);
            timer.is_some_and(|(kind, after)| kind == 2 && (1000..=3000).contains(&after))
        });
    }
}

#[test]
fn a_flood_is_closed_and_harms_nobody() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut flood = TcpStream::connect(home.call()).unwrap();
    flood.set_read_timeout(Some(PATIENCE)).unwrap();
    let keeps = b"{\"name\":\"call_keep\"}\0".repeat(200);
    let _ = flood.write_all(&keeps);
    assert!(
        matches!(flood.read(&mut [0; 100]), Ok(0) | Err(_)),
        "it is closed"
    );
    let mut long = TcpStream::connect(home.call()).unwrap();
    long.set_read_timeout(Some(PATIENCE)).unwrap();
    let _ = long.write_all(&[b'x'; 11 * 1024]);
    assert!(
        matches!(long.read(&mut [0; 100]), Ok(0) | Err(_)),
        "it is closed"
    );
    let mut caller = Peer::connect(&home.call());
    caller.say(CALL_REQ);
    panel.hear("call_req");
}

#[test]
fn two_hundred_silent_connections_do_not_keep_a_door_out() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let idle = (0..200).map(|_| TcpStream::connect(home.call()).unwrap());
    let idle: Vec<TcpStream> = idle.collect();
    // They come from the door's own address: four of them wait, for five seconds.
    let mut caller = loop {
        let mut caller = Peer::connect(&home.call());
        caller.say(CALL_REQ);
        if home.ask("cmd=StatusRequest").value("call") == "ringing" {
            break caller;
        }
    };
    panel.hear("call_req");
    panel.say(&of_call("call_accept", "c0ffee", json!({})));
    caller.hear("call_accept");
    drop(idle);
}

#[test]
fn a_busy_box_says_so_with_the_callers_key() {
    let home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut caller = Peer::connect(&home.call());
    caller.say(CALL_REQ);
    panel.hear("call_req");
    let mut second = Peer::connect(&home.call());
    second.say(&CALL_REQ.replace("c0ffee", "7ea"));
    let reject = second.hear("call_reject");
    assert_eq!(
        (&reject["sid"], &reject["reason"], &reject["code"]),
        (&json!("7ea"), &json!("line_busy"), &json!(1))
    );
    second.hear_end();
}

#[test]
fn a_restarted_box_has_its_log_and_ends_its_call() {
    let mut home = HomeBox::new("");
    let mut panel = home.screen("panel", "1");
    let mut caller = Peer::connect(&home.call());
    caller.say(CALL_REQ);
    panel.hear("call_req");
    assert_eq!(home.end(), Some(0));
    assert_eq!(caller.hear("call_end")["reason"], "lost");
    assert_eq!(panel.hear("call_end")["reason"], "lost");
    home.start();
    let lines = home.control().ask_lines("cmd=CallLogRequest&limit=1");
    assert_eq!(lines[0].value("state"), "missed");
}
