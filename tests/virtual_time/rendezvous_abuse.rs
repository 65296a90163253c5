//! What strangers can do to a phone's rendezvous endpoint, in virtual time.
//! `rendezvous_server_abuse` has the same for the server.
#![cfg(all(feature = "server", feature = "tools"))]

use std::net::{Ipv4Addr, SocketAddrV4};

use crate::rendezvous_net::messages::{message, registered};
use crate::rendezvous_net::*;
use callrec::base::stats::Counter;
use callrec::wire::rendezvous::cipher::Key;
use callrec::wire::rendezvous::{Class, Kind as What, Message};

const VICTIM: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 99), 53);

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
