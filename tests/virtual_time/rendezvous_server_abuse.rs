//! What strangers can do to the rendezvous server, in virtual time.
#![cfg(all(feature = "server", feature = "tools"))]

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::rendezvous_net::messages::{message, registered};
use crate::rendezvous_net::*;
use callrec::proto::rendezvous::agent::Status;
use callrec::proto::rendezvous::server::ServerGauges;
use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{Class, Kind as What, Message};

const VICTIM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 53);

/// The tables of a server at which only the phone is registered.
const ONLY_THE_PHONE: ServerGauges = ServerGauges {
    phones: 1,
    known_phones: 1,
    callers: 0,
    connections: 0,
};

fn register(cid: &str, key: &Key, mid: u32) -> Vec<u8> {
    let sealed = [("service", "FSP"), ("ed", "10.0.0.9:5")];
    message(
        Class::Request,
        What::Register,
        &[("cid", cid), ("mid", &format!("{mid:08x}"))],
        &sealed,
        Some(key),
    )
}

/// What the server sends to one address, from a number on: datagrams and bytes.
fn answers(net: &Net, since: usize, to: Ipv4Addr) -> (usize, usize) {
    let sent = net.sent[since..]
        .iter()
        .filter(|(_, packet)| packet.from == SERVER && *packet.to.ip() == to);
    sent.fold((0, 0), |(count, bytes), (_, packet)| {
        (count + 1, bytes + packet.bytes.len())
    })
}

#[test]
fn a_flood_of_empty_registrations_is_answered_at_a_rate_and_fills_nothing() {
    let mut net = registered();
    let empty = b"P2PNAT00 REG\r\ndebug: true\r\nmid: 00001516\r\n\0";
    assert_eq!(empty.len(), 43);
    let since = net.sent.len();
    for _ in 0..10_000 {
        net.inject(VICTIM, SERVER, empty);
        net.run(1);
    }
    let (count, bytes) = answers(&net, since, *VICTIM.ip());
    assert!(
        (25..=40).contains(&count),
        "{count} in 10 s: ten, then two a second"
    );
    assert!(bytes / count < 43 * 3, "{} bytes each", bytes / count);
    for n in 0..50_000u32 {
        net.inject(
            SocketAddrV4::new((0x0100_0000 + n * 77).into(), 5),
            SERVER,
            empty,
        );
    }
    net.run(1000);
    assert_eq!(
        net.server.as_ref().unwrap().gauges(),
        ONLY_THE_PHONE,
        "only the phone is known"
    );
    net.call("phone1", "sesame");
    net.run(1000);
    assert_eq!(net.caller.as_ref().unwrap().outcome(), Some(Ok(PHONE)));
}

/// A name and key from the server.
fn issued(net: &mut Net, to: SocketAddrV4) -> (String, Key) {
    let since = net.sent.len();
    net.inject(to, SERVER, b"P2PNAT00 REG\r\nmid: 00000001\r\n");
    net.run(100);
    let (_, answer) = net.sent[since..]
        .iter()
        .find(|(_, packet)| packet.to == to)
        .expect("an answer");
    let clear = Message::parse(&answer.bytes).unwrap().clear;
    let cid = String::from_utf8(clear.value("cid").unwrap().to_vec()).unwrap();
    (
        cid,
        Key::new(clear.value("key").unwrap()).unwrap().swapped(),
    )
}

#[test]
fn callers_that_register_are_bounded_and_go_again() {
    let mut net = registered();
    for n in 0..400u16 {
        let from = SocketAddrV4::new([198, 51, 100, 10 + (n % 20) as u8].into(), 1000 + n);
        let (cid, key) = issued(&mut net, from);
        net.inject(from, SERVER, &register(&cid, &key, 2));
        net.run(500);
    }
    let ServerGauges {
        phones, callers, ..
    } = net.server.as_ref().unwrap().gauges();
    assert!(phones == 1 && callers <= 100, "{callers}");
    net.run(80_000);
    assert_eq!(net.server.as_ref().unwrap().gauges(), ONLY_THE_PHONE);
}

#[test]
fn only_the_key_moves_a_phone() {
    let mut net = registered();
    let elsewhere = SocketAddrV4::new([198, 51, 100, 7].into(), 5);
    let (cid, own) = issued(&mut net, elsewhere);
    let clear = message(
        Class::Request,
        What::Register,
        &[("cid", "phone1"), ("mid", "00000002"), ("service", "FSP")],
        &[],
        None,
    );
    for datagram in [
        clear,
        register("phone1", &own, 3),
        register(&cid, &key(), 4),
        register("phone2", &key(), 5),
    ] {
        let since = net.sent.len();
        net.inject(elsewhere, SERVER, &datagram);
        net.run(100);
        let refused = net.sent[since..]
            .iter()
            .any(|(_, packet)| packet.text().contains("code: 403"));
        assert!(refused, "{}", String::from_utf8_lossy(&datagram));
    }
    for n in 0..1000 {
        net.inject(PHONE, SERVER, &register("phone1", &own, n)); // as if they came from the phone
    }
    net.run(70_000);
    net.call("phone1", "sesame");
    net.run(1000);
    assert_eq!(net.caller.as_ref().unwrap().outcome(), Some(Ok(PHONE)));
    assert!(matches!(net.phone.status(), Status::Registered(_)));
}

#[test]
fn invite_codes_cannot_be_tried_out_and_others_may_go_on() {
    let mut net = registered();
    let from = SocketAddrV4::new([198, 51, 100, 7].into(), 5);
    let (cid, own) = issued(&mut net, from);
    net.inject(from, SERVER, &register(&cid, &own, 2));
    net.run(100);
    let ask = |net: &mut Net, invite: &str, mid: u32| {
        let sealed = [("service", "FSP"), ("tid", "phone1"), ("ic", invite)];
        let clear = [("cid", cid.as_str()), ("mid", &format!("{mid:08x}"))];
        let since = net.sent.len();
        net.inject(
            from,
            SERVER,
            &message(Class::Request, What::Connect, &clear, &sealed, Some(&own)),
        );
        net.run(100);
        let to_us =
            |packet: &Packet| packet.to == from && packet.text().starts_with("P2PNAT01 CON");
        let (_, answer) = net.sent[since..]
            .iter()
            .find(|(_, packet)| to_us(packet))
            .expect("an answer");
        Message::parse(&answer.bytes).unwrap().clear.code()
    };
    for n in 0..30 {
        assert_eq!(ask(&mut net, &format!("guess{n}"), 100 + n), Some(403));
    }
    assert_eq!(
        ask(&mut net, "sesame", 200),
        Some(403),
        "it has tried too often"
    );
    net.call("phone1", "sesame");
    net.run(1000);
    assert_eq!(
        net.caller.as_ref().unwrap().outcome(),
        Some(Ok(PHONE)),
        "another address"
    );
    net.run(30_000);
    assert_eq!(ask(&mut net, "sesame", 300), Some(200), "after a while");
}

#[test]
fn one_caller_has_a_few_connections_a_minute() {
    let mut net = registered();
    let from = SocketAddrV4::new([198, 51, 100, 7].into(), 5);
    let (cid, own) = issued(&mut net, from);
    net.inject(from, SERVER, &register(&cid, &own, 2));
    let since = net.sent.len();
    for n in 0..200 {
        let clear = [("cid", cid.as_str()), ("mid", &format!("{n:08x}"))];
        let sealed = [("service", "FSP"), ("tid", "phone1"), ("ic", "sesame")];
        net.inject(
            from,
            SERVER,
            &message(Class::Request, What::Connect, &clear, &sealed, Some(&own)),
        );
        net.run(50);
    }
    assert_eq!(net.server.as_ref().unwrap().gauges().connections, 8);
    let forwards = net.sent[since..]
        .iter()
        .filter(|(_, packet)| packet.text().starts_with("P2PNAT00 FWD"))
        .count();
    assert_eq!(forwards, 8);
    net.run(61_000);
    assert_eq!(net.server.as_ref().unwrap().gauges().connections, 0);
}
