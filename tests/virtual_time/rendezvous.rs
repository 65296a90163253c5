//! Phone, caller and rendezvous server in virtual time, with every kind of NAT between them.
#![cfg(all(feature = "server", feature = "tools"))]

use crate::rendezvous_net::*;
use callrec::proto::rendezvous::agent::Status;
use callrec::proto::rendezvous::caller::ConnectFailure;

/// The result of an attempt, and the milliseconds that it took.
fn attempt(net: &mut Net) -> (Result<std::net::SocketAddrV4, ConnectFailure>, u64) {
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

/// Whether no datagram gets through two NATs directly.
fn need_relay(phone: Kind, caller: Kind) -> bool {
    use Kind::{KeepsPorts, Symmetric};
    matches!(
        (phone, caller),
        (Symmetric, Symmetric) | (KeepsPorts, Symmetric) | (Symmetric, KeepsPorts)
    )
}

#[test]
fn every_pair_of_nats_connects_directly_if_possible_and_otherwise_through_the_relay() {
    for phone in KINDS {
        for caller in KINDS {
            for relay in [false, true] {
                let mut net = Net::new(phone, caller, relay);
                assert!(matches!(net.phone.status(), Status::Registered(Some(_))));
                let (outcome, took) = attempt(&mut net);
                match (need_relay(phone, caller), relay) {
                    (false, _) => {
                        let reached =
                            outcome.unwrap_or_else(|why| panic!("{phone:?} {caller:?}: {why}"));
                        assert!(
                            took < 700 && *reached.ip() != *RELAY.ip(),
                            "{phone:?} {caller:?}: {took} ms"
                        );
                    }
                    (true, true) => {
                        assert_eq!(
                            (outcome, took < 6500),
                            (Ok(RELAY), true),
                            "{phone:?} {caller:?}: {took}"
                        )
                    }
                    (true, false) => {
                        assert_eq!(
                            outcome,
                            Err(ConnectFailure::NoRelay),
                            "{phone:?} {caller:?}"
                        )
                    }
                }
            }
        }
    }
}

#[test]
fn callers_that_reached_the_phone_are_replaced_by_the_next_ones() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    for n in 0..10 {
        let (outcome, took) = attempt(&mut net); // the previous caller is gone and answers no PING
        assert!(outcome.is_ok() && took < 700, "{n}: {outcome:?}, {took} ms");
    }
}

#[test]
fn lost_datagrams_cost_time_but_no_connection() {
    let mut failed = vec![];
    for seed in 0..200 {
        let kinds = [
            (Kind::KeepsPorts, Kind::KeepsPorts),
            (Kind::Symmetric, Kind::Symmetric),
        ];
        let (phone, caller) = kinds[seed % 2];
        let mut net = Net::new(phone, caller, true);
        // Advances the random numbers further than one attempt does, so that each attempt loses
        // other datagrams.
        (0..101 * seed).for_each(|_| net.inject(SERVER, CALLER, b"x"));
        net.loss = Some(10);
        if let Err(why) = attempt(&mut net).0 {
            failed.push((seed, why));
        }
    }
    assert!(
        failed.len() <= 2,
        "of 200 with one datagram of ten lost, these failed: {failed:?}"
    );
}

#[test]
fn refusals_have_their_codes() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    let outcome = |net: &mut Net, phone, invite| {
        net.call(phone, invite);
        net.run(9000);
        net.caller.as_ref().unwrap().outcome().unwrap().unwrap_err()
    };
    assert_eq!(
        outcome(&mut net, "phone1", "guess"),
        ConnectFailure::Refused(403)
    );
    assert_eq!(
        outcome(&mut net, "phone1", "s"),
        ConnectFailure::Refused(403)
    );
    assert_eq!(
        outcome(&mut net, "phone2", "sesame"),
        ConnectFailure::Refused(404)
    );
    assert_eq!(
        outcome(&mut net, "phone2", "sesame")
            .to_string()
            .split(' ')
            .next(),
        Some("404")
    );
    net.server = None;
    assert_eq!(
        (
            outcome(&mut net, "phone1", "sesame"),
            ConnectFailure::NoServer.code()
        ),
        (ConnectFailure::NoServer, 408)
    );
}

#[test]
fn a_phone_that_does_not_respond_has_another_code_than_an_unknown_one() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, true);
    net.phone_nat.reboot(); // nothing reaches it any more
    assert_eq!(attempt(&mut net).0, Err(ConnectFailure::NoPhone));
    net.phone = phone("sesame");
    net.has_name = false;
    net.run(90_000);
    assert_eq!(attempt(&mut net).0, Err(ConnectFailure::Refused(404)));
}

#[test]
fn keep_alives_keep_the_nat_open_and_each_third_is_the_own_address() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::Open, false);
    let since = net.sent.len();
    net.run(200_000);
    let sent: Vec<(u64, String)> = net
        .by_phone(since)
        .map(|(at, packet)| (at / 1000, packet.text()))
        .collect();
    let keeps: Vec<(u64, &str)> = sent
        .iter()
        .filter(|(_, text)| !text.starts_with("P2P"))
        .map(|(at, text)| (*at, text.as_str()))
        .collect();
    let own = "203.0.113.1:50001";
    let expected = [
        (20, "keep"),
        (40, "keep"),
        (60, own),
        (80, "keep"),
        (100, "keep"),
        (120, own),
        (140, "keep"),
    ];
    assert_eq!(keeps[..7], expected);
    assert_eq!(
        sent.len() - keeps.len(),
        3,
        "registrations, one a minute: {sent:?}"
    );
    assert_eq!(
        net.phone.status(),
        Status::Registered(Some(own.parse().unwrap()))
    );
    assert!(attempt(&mut net).0.is_ok());
}

#[test]
fn a_new_address_is_noticed_with_the_next_own_address() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    let before = net.phone.status();
    net.phone_nat.reboot();
    net.run(62_000);
    assert_ne!(net.phone.status(), before);
    assert!(attempt(&mut net).0.is_ok());
}

#[test]
fn the_server_reports_an_own_address_that_is_wrong() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    let old = net.phone_outside();
    net.phone_nat.reboot();
    let new = net.phone_outside();
    let since = net.sent.len();
    net.inject(new, SERVER, old.to_string().as_bytes());
    net.run(1000);
    assert_eq!(net.phone.status(), Status::Registered(Some(new)));
    assert!(net
        .by_phone(since)
        .any(|(_, packet)| packet.text().starts_with("P2PNAT00 REG")));
}

#[test]
fn a_restarted_server_knows_the_phone_after_a_minute() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    net.server = Some(server(false));
    assert_eq!(attempt(&mut net).0, Err(ConnectFailure::Refused(404)));
    net.run(62_000);
    assert!(attempt(&mut net).0.is_ok());
}

#[test]
fn a_server_that_does_not_respond_is_tried_again() {
    let mut net = Net::new(Kind::KeepsPorts, Kind::KeepsPorts, false);
    net.server = None;
    net.run(70_000);
    assert_eq!((net.phone.status(), net.resolved), (Status::NoAnswer, 1));
    let since = net.sent.len();
    net.run(400_000);
    assert!(
        (8..=13).contains(&(net.resolved - 1)),
        "{} times in 400 s",
        net.resolved
    );
    assert!(net.by_phone(since).count() <= 13 * 4);
    net.has_name = false;
    net.run(60_000);
    assert_eq!(net.phone.status(), Status::NoName);
    net.has_name = true;
    net.server = Some(server(false));
    net.run(45_000);
    assert!(matches!(net.phone.status(), Status::Registered(_)));
    assert!(attempt(&mut net).0.is_ok());
}

#[test]
fn a_phone_that_is_refused_tries_again() {
    let mut net = Net::new(Kind::Open, Kind::Open, false);
    let other = [("phone1", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz")];
    let now = net.now;
    net.server
        .as_mut()
        .unwrap()
        .set_phones(now, devices(&other));
    net.run(70_000);
    assert_eq!(net.phone.status(), Status::Refused(403));
    assert_eq!(attempt(&mut net).0, Err(ConnectFailure::Refused(404)));
    net.server
        .as_mut()
        .unwrap()
        .set_phones(now, devices(&[("phone1", KEY)]));
    net.run(45_000);
    assert!(matches!(net.phone.status(), Status::Registered(_)));
}
