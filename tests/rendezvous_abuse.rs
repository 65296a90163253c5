//! What strangers can do to a phone's rendezvous endpoint and to the server, in virtual time: little, and not for long.
#![cfg(all(feature = "server", feature = "tools"))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod rendezvous_net;

use std::net::{Ipv4Addr, SocketAddrV4};

use callrec::base::stats::Counter;
use callrec::proto::rendezvous::agent::Status;
use callrec::proto::rendezvous::server::ServerGauges;
use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{Class, Kind as What, Message, Writer};
use rendezvous_net::*;

const VICTIM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 53);

/// The tables of a server at which only the phone is registered.
const ONLY_THE_PHONE: ServerGauges = ServerGauges {
    phones: 1,
    known_phones: 1,
    callers: 0,
    connections: 0,
};

/// A message with attributes in clear, and others sealed if there is a key.
fn message(
    class: Class,
    kind: What,
    clear: &[(&str, &str)],
    sealed: &[(&str, &str)],
    key: Option<&Key>,
) -> Vec<u8> {
    let mut buffer = [0; 1200];
    let mut writer = Writer::new(&mut buffer, class, kind);
    for (name, value) in clear {
        writer.text(name, value.as_bytes());
    }
    let mark = writer.mark();
    for (name, value) in sealed {
        writer.text(name, value.as_bytes());
    }
    if let Some(key) = key {
        writer.seal(mark, key);
    }
    let len = writer.finish().unwrap();
    buffer[..len].to_vec()
}

fn forward(connid: &str, invite: &str, service: &str, key: Option<&Key>) -> Vec<u8> {
    let victim = VICTIM.to_string();
    let sealed = [
        ("service", service),
        ("ic", invite),
        ("ed", &victim),
        ("ped", &victim),
    ];
    message(
        Class::Request,
        What::Forward,
        &[("mid", "00000001"), ("connid", connid)],
        &sealed,
        key,
    )
}

fn registered() -> Net {
    Net::new(Kind::Open, Kind::Open, true)
}

/// What the phone sends within some seconds after a datagram has come to it.
fn reaction(net: &mut Net, from: SocketAddrV4, datagram: &[u8]) -> Vec<Packet> {
    let since = net.sent.len();
    net.inject(from, PHONE, datagram);
    net.run(6000);
    net.by_phone(since)
        .map(|(_, packet)| packet.clone())
        .filter(|packet| packet.text() != "keep")
        .collect()
}

#[test]
fn a_forward_is_followed_only_if_the_server_has_sealed_it() {
    let (good, other) = (key(), Key::new(&[b'z'; 32]).unwrap());
    let mut net = registered();
    let honest = reaction(
        &mut net,
        SERVER,
        &forward("c1", "sesame", "FSP", Some(&good)),
    );
    assert_eq!(
        honest.iter().filter(|packet| packet.to == VICTIM).count(),
        9,
        "a ladder"
    );
    for (from, datagram) in [
        (SERVER, forward("c2", "sesame", "FSP", None)),
        (SERVER, forward("c2", "sesame", "FSP", Some(&other))),
        (VICTIM, forward("c2", "sesame", "FSP", Some(&good))),
        (
            SocketAddrV4::new(*SERVER.ip(), 7043),
            forward("c2", "sesame", "FSP", Some(&good)),
        ),
    ] {
        assert!(reaction(&mut net, from, &datagram).is_empty());
    }
    assert_eq!(net.stats.of(Counter::P2pIgnored), 4);
}

#[test]
fn a_forward_with_another_code_or_service_is_answered_but_not_followed() {
    let mut net = registered();
    for (invite, service, code) in [
        ("", "FSP", 403),
        ("sesamf", "FSP", 403),
        ("sesame", "SSH", 404),
        ("sesame", "", 404),
    ] {
        let sent = reaction(
            &mut net,
            SERVER,
            &forward("c2", invite, service, Some(&key())),
        );
        assert!(sent.iter().all(|packet| packet.to == SERVER), "{sent:?}");
        assert!(
            sent.iter()
                .any(|packet| packet.text().contains(&format!("code: {code}\r\n"))),
            "{sent:?}"
        );
    }
    assert_eq!(
        (
            net.stats.of(Counter::P2pFollowed),
            net.stats.of(Counter::P2pRefused)
        ),
        (0, 4)
    );
}

#[test]
fn notices_from_elsewhere_or_unsealed_change_nothing() {
    let other = Key::new(&[b'z'; 32]).unwrap();
    let mut net = registered();
    reaction(
        &mut net,
        SERVER,
        &forward("c1", "sesame", "FSP", Some(&key())),
    );
    net.run(5000);
    let before = net.phone.status();
    for event in [
        "nat_change",
        "nat_check",
        "ping_fork",
        "ping_change",
        "rtpp_open",
        "keep_alive_change_dec",
    ] {
        let victim = VICTIM.to_string();
        let notice = |key: Option<&Key>| {
            let sealed = [("event", event), ("ped", victim.as_str()), ("token", "t")];
            message(
                Class::Request,
                What::Notify,
                &[("mid", "00000001"), ("connid", "c1")],
                &sealed,
                key,
            )
        };
        for (from, datagram) in [
            (SERVER, notice(None)),
            (SERVER, notice(Some(&other))),
            (VICTIM, notice(Some(&key()))),
        ] {
            let sent = reaction(&mut net, from, &datagram);
            assert!(
                sent.iter()
                    .all(|packet| packet.to == SERVER && !packet.text().starts_with("P2PNAT01")),
                "{sent:?}"
            );
        }
        assert_eq!(net.phone.status(), before);
    }
}

#[test]
fn a_registrations_answer_must_have_its_number_and_come_from_the_server() {
    let mut net = registered();
    let before = net.phone.status();
    let since = net.sent.len();
    net.run(60_000);
    let asked = net
        .by_phone(since)
        .find(|(_, packet)| packet.text().contains(" REG"))
        .unwrap()
        .1
        .text();
    let mid = Message::parse(asked.as_bytes())
        .unwrap()
        .clear
        .mid()
        .unwrap();
    for (from, mid) in [(VICTIM, mid), (SERVER, mid + 1)] {
        let mid = format!("{mid:08x}");
        let answer = [
            ("mid", mid.as_str()),
            ("code", "200"),
            ("ped", "198.51.100.99:53"),
        ];
        net.inject(
            from,
            PHONE,
            &message(Class::Response, What::Register, &answer, &[], None),
        );
        let refusal = [("mid", mid.as_str()), ("code", "403")];
        net.inject(
            from,
            PHONE,
            &message(Class::Response, What::Register, &refusal, &[], None),
        );
    }
    net.run(1000);
    assert_eq!(net.phone.status(), before);
}

#[test]
fn pings_of_strangers_are_not_answered_and_those_of_peers_so_often() {
    let ping = |connid: &str| {
        message(
            Class::Request,
            What::Ping,
            &[("mid", "00000001"), ("connid", connid)],
            &[],
            None,
        )
    };
    let mut net = registered();
    assert!(reaction(&mut net, VICTIM, &ping("c1P")).is_empty());
    reaction(
        &mut net,
        SERVER,
        &forward("c1", "sesame", "FSP", Some(&key())),
    );
    let since = net.sent.len();
    for n in 0..1000 {
        net.inject(
            SocketAddrV4::new([198, 51, 100, 99].into(), n + 1),
            PHONE,
            &ping("c1P"),
        );
        net.run(10);
    }
    let pongs = net
        .by_phone(since)
        .filter(|(_, packet)| packet.text().contains(" PONG"))
        .count();
    assert!((20..=48).contains(&pongs), "{pongs}");
}

#[test]
fn replayed_forwards_ping_no_more_than_a_few_at_once() {
    let mut net = registered();
    let since = net.sent.len();
    for n in 0..1000 {
        net.inject(
            SERVER,
            PHONE,
            &forward(&format!("c{n}"), "sesame", "FSP", Some(&key())),
        );
        net.run(10);
    }
    let pings = net
        .by_phone(since)
        .filter(|(_, packet)| packet.to == VICTIM)
        .count();
    assert!(
        pings <= 4 * 9 * 5,
        "{pings} in 10 s: a ladder takes 3 s, and four are climbed at once"
    );
}

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
