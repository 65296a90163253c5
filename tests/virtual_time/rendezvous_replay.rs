//! Messages that an attacker has recorded and replays from another address, in virtual time: the
//! phone's address does not change, and no caller accepts another host in its place.
#![cfg(all(feature = "server", feature = "tools"))]

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::rendezvous_net::*;
use callrec::proto::rendezvous::agent::Status;
use callrec::proto::rendezvous::caller::ConnectFailure;
use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{Attributes, Class, Kind as What, Message, Writer};

const MALLORY: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 66), 666);
/// The agent of another vendor, before and after its NAT has changed.
const FOREIGN: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 40), 9531);
const MOVED: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 41), 20_001);

/// A message with another number, which is not sealed.
fn renumbered(bytes: &[u8], mid: u32) -> Vec<u8> {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let at = text.find("mid: ").unwrap() + 5;
    format!("{}{mid:08x}{}", &text[..at], &text[at + 8..]).into_bytes()
}

/// All registrations that the phone has sent.
fn registrations(net: &Net) -> Vec<Vec<u8>> {
    let sent = net
        .by_phone(0)
        .filter(|(_, packet)| packet.text().starts_with("P2PNAT00 REG"));
    sent.map(|(_, packet)| packet.bytes.clone()).collect()
}

/// The result of an attempt, and the milliseconds that it took.
fn call(net: &mut Net) -> (Result<SocketAddrV4, ConnectFailure>, u64) {
    let started = net.now;
    net.call("phone1", "sesame");
    while net.caller.as_ref().unwrap().outcome().is_none() {
        net.run(10);
        assert!(
            net.now.since(started).millis() < 30_000,
            "neither reached nor failed"
        );
    }
    (
        net.caller.as_ref().unwrap().outcome().unwrap(),
        net.now.since(started).millis(),
    )
}

fn heard_by(net: &Net, since: usize, whom: SocketAddrV4, what: &str) -> usize {
    net.sent[since..]
        .iter()
        .filter(|(_, packet)| packet.to == whom && packet.text().starts_with(what))
        .count()
}

#[test]
fn a_replayed_registration_does_not_move_a_phone() {
    for kind in [Kind::Open, Kind::KeepsPorts] {
        let mut net = Net::new(kind, Kind::Open, false);
        net.run(125_000);
        let heard = registrations(&net);
        assert!(heard.len() >= 4, "two at first, then one a minute");
        let since = net.sent.len();
        for (n, registration) in heard.iter().enumerate() {
            net.inject(MALLORY, SERVER, registration);
            net.inject(
                MALLORY,
                SERVER,
                &renumbered(registration, 0x7000 + n as u32),
            );
            net.run(100);
        }
        let (outcome, took) = call(&mut net);
        assert_ne!(*outcome.unwrap().ip(), *MALLORY.ip());
        assert!(took < 700, "{took} ms");
        assert!(net.caller.as_ref().unwrap().is_proven());
        assert_eq!(heard_by(&net, since, MALLORY, "P2PNAT00 FWD"), 0);
        assert!(net.server.as_ref().unwrap().counts.repeated > 0);
    }
}

#[test]
fn a_replayed_registration_does_not_register_an_absent_phone() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    let heard = registrations(&net);
    net.server = Some(server(false)); // it knows nobody any more
    net.phone_nat.reboot();
    for registration in &heard {
        net.inject(MALLORY, SERVER, registration);
        net.inject(MALLORY, SERVER, &renumbered(registration, 0x7000));
    }
    net.run(1000);
    assert_eq!(
        call(&mut net).0,
        Err(ConnectFailure::Refused(404)),
        "nobody is there"
    );
    net.run(62_000);
    assert_eq!(call(&mut net).0, Ok(PHONE));
}

#[test]
fn a_phone_behind_a_changed_nat_is_registered_a_second_after_its_next_own_address() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    let (old, heard) = (net.phone_outside(), registrations(&net));
    net.phone_nat.reboot();
    let new = net.phone_outside();
    // An attacker tries to keep the phone out.
    for n in 0..600 {
        net.inject(
            MALLORY,
            SERVER,
            &renumbered(&heard[n % 2], 0x7000 + n as u32),
        );
        net.run(20);
    }
    net.inject(new, SERVER, old.to_string().as_bytes()); // its next own address
    net.run(1000);
    assert_eq!(net.phone.status(), Status::Registered(Some(new)));
    assert_eq!(call(&mut net).0, Ok(new));
}

fn open(sealed: &Attributes<'_>, name: &str) -> String {
    let mut buffer = [0; 640];
    let opened = sealed.open(&key(), &mut buffer).unwrap();
    String::from_utf8(opened.value(name).unwrap_or_default().to_vec()).unwrap()
}

fn register(cid: &str, key: &Key, mid: u32) -> Vec<u8> {
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer, Class::Request, What::Register);
    let mark = writer.text("cid", cid.as_bytes()).mid(mid).mark();
    writer
        .text("service", b"FSP")
        .text("ed", b"10.0.0.9:5")
        .text("oid", b"default")
        .text("ic", b"sesame");
    let len = writer
        .text("version", b"1.1.16")
        .seal(mark, key)
        .finish()
        .unwrap();
    buffer[..len].to_vec()
}

/// The address that the server names in its last response to this address.
fn seen(net: &Net, to: SocketAddrV4) -> String {
    let is_answer =
        |packet: &&(u64, Packet)| packet.1.to == to && packet.1.text().starts_with("P2PNAT01 REG");
    let (_, answer) = net.sent.iter().rev().find(is_answer).expect("an answer");
    let clear = Message::parse(&answer.bytes).unwrap().clear;
    assert_eq!(
        open(&clear, "nonce"),
        "",
        "an agent of another vendor gets none of our extensions"
    );
    open(&clear, "ped")
}

/// A phone of another vendor is registered; ours is not.
fn foreign() -> Net {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    net.server = Some(server(false));
    net.has_name = false;
    net.phone = phone("sesame");
    net.inject(FOREIGN, SERVER, &register("phone1", &key(), 1));
    net.run(1000);
    assert_eq!(seen(&net, FOREIGN), FOREIGN.to_string());
    net
}

/// The addresses that get a FWD when a caller connects.
fn called(net: &mut Net) -> Vec<SocketAddrV4> {
    let since = net.sent.len();
    net.call("phone1", "sesame");
    net.run(1000);
    let (forward, mut whom) = ("P2PNAT00 FWD", vec![]);
    for (_, packet) in &net.sent[since..] {
        if packet.text().starts_with(forward) && !whom.contains(&packet.to) {
            whom.push(packet.to);
        }
    }
    whom
}

#[test]
fn an_agent_of_another_vendor_moves_when_it_has_returned_its_sealed_address() {
    let mut net = foreign();
    assert_eq!(called(&mut net), [FOREIGN]);
    net.inject(MOVED, SERVER, &register("phone1", &key(), 2));
    net.run(100);
    let alias = seen(&net, MOVED);
    assert_ne!(alias, MOVED.to_string());
    assert_eq!(
        heard_by(&net, 0, MOVED, "P2PNAT00 NFY"),
        3,
        "keep-alives each 5 s, until the next own address"
    );
    assert_eq!(called(&mut net), [FOREIGN], "until then");
    for (from, text) in [
        (MOVED, MOVED),
        (MOVED, FOREIGN),
        (MALLORY, alias.parse().unwrap()),
    ] {
        net.inject(from, SERVER, text.to_string().as_bytes());
        net.run(100);
        assert_eq!(called(&mut net), [FOREIGN], "{text} from {from}");
    }
    net.run(55_000);
    net.inject(FOREIGN, SERVER, b"keep");
    net.inject(MOVED, SERVER, alias.as_bytes());
    net.run(100);
    assert_eq!(called(&mut net), [MOVED]);
    net.inject(MOVED, SERVER, &register("phone1", &key(), 3));
    net.run(100);
    assert_eq!(seen(&net, MOVED), MOVED.to_string());
}

#[test]
fn a_replayed_registration_moves_no_agent_of_another_vendor_and_a_resend_is_answered() {
    let mut net = foreign();
    let since = net.sent.len();
    net.inject(FOREIGN, SERVER, &register("phone1", &key(), 1));
    net.inject(MALLORY, SERVER, &register("phone1", &key(), 1));
    net.run(100);
    assert_eq!(heard_by(&net, since, FOREIGN, "P2PNAT01 REG"), 1);
    assert_eq!(heard_by(&net, since, MALLORY, ""), 0, "no response at all");
    for n in 0..100 {
        net.inject(MALLORY, SERVER, &register("phone1", &key(), 100 + n)); // as if it could choose the number: it can
        net.inject(MALLORY, SERVER, MALLORY.to_string().as_bytes());
        net.inject(FOREIGN, SERVER, b"keep");
        net.run(1000);
        assert_ne!(seen(&net, MALLORY), MALLORY.to_string());
    }
    assert_eq!(called(&mut net), [FOREIGN]);
}

#[test]
fn a_callers_replayed_messages_lead_no_phone_to_another_address() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    net.call("phone1", "sesame");
    net.run(1000);
    let sent = net
        .sent
        .iter()
        .filter(|(_, packet)| packet.from == CALLER && packet.to == SERVER);
    let heard: Vec<Vec<u8>> = sent.map(|(_, packet)| packet.bytes.clone()).collect();
    assert_eq!(heard.len(), 3, "REG, REG, CON");
    let since = net.sent.len();
    for bytes in &heard[1..] {
        net.inject(MALLORY, SERVER, bytes);
        net.inject(MALLORY, SERVER, &renumbered(bytes, 0x7000));
        net.run(1000);
    }
    let to_phone = net.sent[since..]
        .iter()
        .filter(|(_, packet)| packet.to == PHONE);
    assert_eq!(to_phone.count(), 0, "no FWD that names another caller");
    assert!(net.sent[since..]
        .iter()
        .all(|(_, packet)| packet.to != MALLORY || !packet.text().contains("connid")));
}

/// Clients of other vendors reach our phone, and neither server nor phone sends them extensions.
#[test]
fn a_caller_of_another_vendor_gets_none_of_our_extensions() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    let since = net.sent.len();
    net.inject(FOREIGN, SERVER, b"P2PNAT00 REG\r\nmid: 00000001\r\n");
    net.run(100);
    let to_us = |net: &Net, what: &str| {
        let mut sent = net.sent[since..].iter().rev();
        let found =
            sent.find(|(_, packet)| packet.to == FOREIGN && packet.text().starts_with(what));
        found.unwrap_or_else(|| panic!("no {what}")).1.bytes.clone()
    };
    let issued = to_us(&net, "P2PNAT01 REG");
    let issued = Message::parse(&issued).unwrap().clear;
    let cid = String::from_utf8(issued.value("cid").unwrap().to_vec()).unwrap();
    let own = Key::new(issued.value("key").unwrap()).unwrap().swapped();
    net.inject(FOREIGN, SERVER, &register(&cid, &own, 2));
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer, Class::Request, What::Connect);
    let mark = writer.text("cid", cid.as_bytes()).mid(3).mark();
    writer
        .text("service", b"FSP")
        .text("tid", b"phone1")
        .text("ic", b"sesame")
        .seal(mark, &own);
    let len = writer.finish().unwrap();
    net.inject(FOREIGN, SERVER, &buffer[..len]);
    net.run(100);
    for what in ["P2PNAT01 REG", "P2PNAT01 CON"] {
        let answer = to_us(&net, what);
        let mut opened = [0; 640];
        let sealed = Message::parse(&answer)
            .unwrap()
            .clear
            .open(&own, &mut opened)
            .unwrap();
        assert_eq!(
            (sealed.value("nonce"), sealed.value("secret")),
            (None, None),
            "{what}"
        );
    }
    let ping = String::from_utf8(to_us(&net, "P2PNAT00 PING")).unwrap();
    net.inject(FOREIGN, PHONE, ping.as_bytes());
    net.run(100);
    let pong = String::from_utf8(to_us(&net, "P2PNAT01 PONG")).unwrap();
    assert_eq!(pong, ping.replace("P2PNAT00 PING", "P2PNAT01 PONG"));
}

/// An attacker knows the connection's id and answers PINGs, but does not know the secret.
#[test]
fn a_caller_accepts_only_its_phone() {
    let mut net = Net::new(Kind::Open, Kind::Open, true);
    net.call("phone1", "sesame");
    let mut answered = 0;
    for _ in 0..600 {
        net.run(1);
        let pings = net
            .sent
            .iter()
            .filter(|(_, packet)| packet.from == CALLER && packet.text().contains(" PING"));
        let pings: Vec<String> = pings.map(|(_, packet)| packet.text()).collect();
        for ping in &pings[answered..] {
            net.inject(
                MALLORY,
                CALLER,
                ping.replace("P2PNAT00 PING", "P2PNAT01 PONG").as_bytes(),
            );
            let proof = format!(
                "{}proof: {}\r\n",
                ping.replace("P2PNAT00 PING", "P2PNAT01 PONG"),
                "0".repeat(32)
            );
            net.inject(MALLORY, CALLER, proof.as_bytes());
        }
        answered = pings.len();
    }
    assert!(answered > 0);
    assert_eq!(net.caller.as_ref().unwrap().outcome(), Some(Ok(PHONE)));
}

/// An attacker on the path forwards the caller's PINGs and the phone's PONGs.
#[test]
fn a_caller_does_not_accept_a_host_that_forwards_its_pings() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    net.call("phone1", "sesame");
    net.run(90); // REG, REG, CON
    let (mut passed, mut since) = (0, net.sent.len());
    net.phone_deaf_to_caller = true;
    for _ in 0..400 {
        net.run(10);
        let new: Vec<Packet> = net.sent[since..]
            .iter()
            .map(|(_, packet)| packet.clone())
            .collect();
        since = net.sent.len();
        for packet in new
            .iter()
            .filter(|packet| packet.text().starts_with("P2PNAT0"))
        {
            if packet.from == CALLER && packet.to == PHONE {
                net.inject(MALLORY, PHONE, &packet.bytes);
                passed += 1;
            } else if packet.from == PHONE && packet.to == MALLORY {
                net.inject(MALLORY, CALLER, &packet.bytes);
                passed += 1;
            }
        }
        since = since.max(net.sent.len());
    }
    assert!(passed > 4, "{passed}");
    assert!(
        !matches!(net.caller.as_ref().unwrap().outcome(), Some(Ok(_))),
        "it would send its password there"
    );
    net.run(9000);
    assert_eq!(
        net.caller.as_ref().unwrap().outcome(),
        Some(Err(ConnectFailure::NoProof))
    );
}
