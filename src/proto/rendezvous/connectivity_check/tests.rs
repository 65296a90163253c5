//! The schedule of a check, in virtual time.

use super::*;

fn address(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn check(host: &str) -> ConnectivityCheck {
    ConnectivityCheck::new(
        Instant::default(),
        Name::new(),
        Name::new(),
        Some(address(host)),
        address("203.0.113.5:9531"),
    )
}

/// Runs a check to its end: all messages, with their times in milliseconds.
fn run(check: &mut ConnectivityCheck) -> Vec<(u64, CheckMessage)> {
    let (mut now, mut sent) = (Instant::default(), vec![]);
    while !check.is_finished() {
        while let Some(step) = check.poll(now) {
            sent.push((now.nanos() / 1_000_000, step));
        }
        now = now.max(check.next_deadline());
    }
    sent
}

#[test]
fn pings_follow_the_sdks_schedule() {
    let (inside, outside) = (address("192.168.1.7:9531"), address("203.0.113.5:9531"));
    let sent = run(&mut check("192.168.1.7:9531"));
    let p = |at| {
        (
            at,
            CheckMessage::Ping {
                to: outside,
                candidate: Candidate::ServerReflexive,
                opens: at == 0,
            },
        )
    };
    let e = |at| {
        (
            at,
            CheckMessage::Ping {
                to: inside,
                candidate: Candidate::Host,
                opens: false,
            },
        )
    };
    let quick = [
        e(0),
        p(0),
        e(200),
        p(200),
        e(400),
        p(400),
        p(600),
        p(800),
        p(1000),
    ];
    let slow = [(1200, CheckMessage::Fork), p(1200), p(1800), p(2400)];
    assert_eq!(sent, [&quick[..], &slow].concat());
}

#[test]
fn a_host_address_is_pinged_only_if_it_can_be_behind_the_nat() {
    for (inside, pinged) in [
        ("10.1.2.3:5", true),
        ("169.254.7.7:5", true),
        ("203.0.113.5:9532", true),
        ("203.0.113.5:9531", false),
        ("198.51.100.1:53", false),
        ("127.0.0.1:5", false),
    ] {
        let sent = run(&mut check(inside));
        assert_eq!(
            sent.iter()
                .any(|(_, step)| matches!(step, CheckMessage::Ping { candidate: Candidate::Host, to, .. } if *to == address(inside))),
            pinged,
            "{inside}"
        );
        assert_eq!(sent.len(), if pinged { 13 } else { 10 });
    }
}

#[test]
fn the_first_pong_ends_the_check() {
    let mut check = check("10.1.2.3:5");
    assert!(check.poll(Instant::default()).is_some());
    check.handle_pong(address("10.1.2.3:5"));
    check.handle_pong(address("203.0.113.5:9531"));
    assert_eq!(check.state(), CheckState::Reached(address("10.1.2.3:5")));
    check.handle_moved(Instant::default(), None);
    assert_eq!(check.poll(Instant::default()), None);
    assert!(
        !check.is_expired(Instant::default() + PEER_KNOWN.saturating_sub(Duration::from_millis(1)))
    );
    assert!(check.is_expired(check.next_deadline()));
}

#[test]
fn a_peer_that_has_moved_is_pinged_at_its_new_address_within_bounds() {
    let mut check = check("198.51.100.1:53");
    run(&mut check);
    let (mut now, mut sent) = (Instant::default(), 0);
    for n in 1..=20 {
        let new = SocketAddrV4::new([203, 0, 113, 5].into(), 1000 + n);
        assert!(check.handle_ping(new));
        check.handle_moved(now, None);
        for _ in 0..10 {
            now = now + Duration::from_millis(100);
            while let Some(step) = check.poll(now) {
                let to_new = matches!(step, CheckMessage::Ping { to, candidate: Candidate::ServerReflexive, .. } if to == new);
                assert!(to_new || step == CheckMessage::Fork);
                sent += 1;
            }
        }
    }
    assert_eq!(
        sent,
        2 * 5 + 9,
        "two runs that were cut off after a second, and a complete one"
    );
    let answered = (0..200)
        .filter(|_| check.handle_ping(address("203.0.113.5:1")))
        .count();
    assert_eq!(answered, usize::from(PONGS) - 20);
}

#[test]
fn with_a_relay_only_the_relay_is_pinged() {
    let mut check = check("10.1.2.3:5");
    run(&mut check);
    let relay = address("198.51.100.1:20000");
    check.handle_relay(Instant::default(), relay, Name::new(), 5);
    assert_eq!(
        check.poll(Instant::default()),
        Some(CheckMessage::Bind(relay, 5))
    );
    assert!(!check.handle_bound(relay, 4) && !check.handle_bound(address("198.51.100.1:20001"), 5));
    assert!(check.handle_bound(relay, 5));
    let sent = run(&mut check);
    assert_eq!(sent.len(), 9);
    assert!(sent.iter().all(|(_, step)| *step
        == CheckMessage::Ping {
            to: relay,
            candidate: Candidate::Relayed,
            opens: false
        }));
}
