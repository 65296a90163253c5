//! Strangers: guessed passwords, forged addresses and amplification, beside clients that know the
//! password, in virtual time.

use std::net::SocketAddr;

use crate::virtual_fsp::{at, datagram, peer, request, Service, TestClient};
use callrec::base::stats::Counter;
use callrec::base::time::Duration;
use callrec::proto::fsp::client::{FspClient, Timeout};
use callrec::wire::fsp::{Command, FspHeader, Packet};

const NAME: &str = "Record_20260102_101500.wav";
const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";
/// From a client's request to its reply, in milliseconds.
const ROUND_TRIP: u64 = 50;

/// The `n`-th of many addresses.
fn anyone(n: u64) -> SocketAddr {
    SocketAddr::from((
        (n as u32).wrapping_mul(0x9E37_79B1).to_be_bytes(),
        (n % 60_000) as u16 + 1,
    ))
}

/// A stranger's request.
fn stranger(command: Command, data: &[u8], n: u64) -> Vec<u8> {
    datagram(
        FspHeader {
            command,
            key: n as u16,
            sequence: n as u16,
            position: 0,
        },
        data,
        b"",
    )
}

/// The longest time in milliseconds that one of many new clients needs for three blocks of a file
/// while strangers send what `flood` says.
fn slowest(mut flood: impl FnMut(u64, &mut Service)) -> u64 {
    let mut service = Service::with_files(14_708, &[(NAME, 100_000)]);
    let (mut slowest, mut millis) = (0, 0);
    for host in 0..40u32 {
        let peer = SocketAddr::from(((0xC633_6400 + host).to_be_bytes(), 4000));
        let (started, mut client, mut bytes) = (millis, FspClient::new(host << 8), 0);
        for n in 0..3u16 {
            let (head, data, extra) = request(Command::GET_FILE, bytes, FILE, &[0x39, 0x74]);
            let packet = Packet {
                head,
                data: &data,
                extra: &extra,
            };
            client.begin(
                at(millis),
                Duration::from_millis(60_000),
                &packet,
                8 * (n + 1),
            );
            let mut reply = service.take(millis, peer, client.datagram());
            while reply.is_none() {
                assert!(millis - started < 60_000, "host {host}: it is locked out");
                flood(millis, &mut service);
                millis += 1;
                if client.handle_timeout(at(millis)) == Timeout::Resend {
                    reply = service.take(millis, peer, client.datagram());
                }
            }
            for _ in 0..ROUND_TRIP {
                flood(millis, &mut service);
                millis += 1;
            }
            let answer = client
                .handle_datagram(reply.as_ref().unwrap())
                .expect("its own reply");
            assert_eq!(answer.head.command, Command::GET_FILE);
            bytes += answer.data.len() as u32;
        }
        assert!(bytes > 2 * 1460, "the address has been proven: {bytes}");
        slowest = slowest.max(millis - started);
    }
    slowest
}

#[test]
fn a_client_with_the_password_gets_in_beside_thousands_of_guesses() {
    let wrong = [FILE.as_bytes(), b"\nguess\0"].concat();
    let mut n = 0;
    let mut each_from = |source: fn(u64) -> SocketAddr, command: Command, data: &[u8]| {
        slowest(|millis, service| {
            for _ in 0..5 {
                n += 1;
                service.take(millis, source(n), &stranger(command, data, n));
            }
        })
    };
    let few = |n: u64| SocketAddr::from(([10, 0, 0, (n % 200) as u8], (n % 60_000) as u16 + 1));
    for (source, command, data) in [
        (
            anyone as fn(u64) -> SocketAddr,
            Command::GET_FILE,
            &wrong[..],
        ),
        (few, Command::GET_FILE, &wrong),
        (anyone, Command::CH_PASSWD, b"\nguess\nother\0"),
        (anyone, Command::STAT, &wrong),
        (anyone, Command::VERSION, b""),
        (few, Command::VERSION, b""),
        (anyone, Command::GET_DIR, b"Recorder\0"),
    ] {
        let slowest = each_from(source, command, data);
        assert!(
            slowest < 3000,
            "{slowest} ms beside 5000 of {command:?} a second"
        );
    }
}

/// A budget shared by all strangers let a hundred guesses a second from 200 addresses lock
/// everybody out.
#[test]
fn a_few_wrong_passwords_from_many_addresses_delay_nobody() {
    let wrong = [FILE.as_bytes(), b"\nguess\0"].concat();
    let slowest = slowest(|millis, service| {
        if millis % 10 == 0 {
            let source = SocketAddr::from(([203, 0, 113, (millis / 10 % 200) as u8], 5));
            service.take(millis, source, &stranger(Command::GET_FILE, &wrong, millis));
        }
    });
    assert_eq!(slowest, 3 * ROUND_TRIP);
}

/// Only so many passwords of one address are checked, whatever else it sends to hide them.
#[test]
fn an_address_tries_one_password_a_second() {
    let mut service = Service::with_files(1460, &[(NAME, 100)]);
    let mut tried = 0;
    for millis in 0..60_000u64 {
        let before = service.stats.of(Counter::FspWrongPassword);
        for n in 0..5 {
            let guess = format!("{FILE}\nguess{}\0", millis * 5 + n);
            let mallory = SocketAddr::from(([192, 0, 2, 66], (millis * 5 + n) as u16));
            service.take(
                millis,
                mallory,
                &stranger(Command::GET_FILE, guess.as_bytes(), millis),
            );
        }
        tried += service.stats.of(Counter::FspWrongPassword) - before;
        // Forged sources, to hide its own guesses among them.
        for n in 0..20 {
            let wrong = format!("{FILE}\nguess\0");
            service.take(
                millis,
                anyone(millis * 20 + n),
                &stranger(Command::GET_FILE, wrong.as_bytes(), millis),
            );
        }
    }
    assert!((10..=65).contains(&tried), "{tried} in a minute");
}

/// All clients that do not know the password together get at most 250 replies a second.
#[test]
fn replies_to_clients_without_the_password_are_bounded() {
    let mut service = Service::with_files(1460, &[(NAME, 100)]);
    let wrong = [FILE.as_bytes(), b"\nguess\0"].concat();
    let mut replies = 0;
    for n in 0..100_000u64 {
        let (command, data) = if n % 2 == 0 {
            (Command::VERSION, &b""[..])
        } else {
            (Command::GET_FILE, &wrong[..])
        };
        replies += u64::from(
            service
                .take(n / 10, anyone(n), &stranger(command, data, n))
                .is_some(),
        );
    }
    assert!((2500..=3600).contains(&replies), "{replies} in ten seconds");
}

/// The bytes sent to an address that has not returned a key, relative to the bytes it sent, without
/// IP and UDP headers.
#[test]
fn an_unproven_address_gets_at_most_thirty_times_as_much() {
    let mut service = Service::with_files(14_708, &[]);
    for n in 0..3000 {
        service.stick.files.insert(
            format!("Record_2026{:02}{:02}_{n:06}.wav", n % 12 + 1, n % 28 + 1),
            vec![7; 50_000],
        );
    }
    let (mut worst, mut millis) = ((0.0f64, String::new()), 0);
    for code in 0..=255u8 {
        for (name, password) in [
            ("", true),
            ("Recorder", true),
            ("Recorder/20260101", true),
            (FILE, true),
            ("Recorder", false),
            (FILE, false),
        ] {
            for wish in [&[][..], &[0x39, 0x74], &[0xFF, 0xFF]] {
                let (head, mut data, _) = request(Command(code), 0, name, b"");
                if !password {
                    data = [name.as_bytes(), b"\nx\0"].concat();
                }
                let asked = datagram(head, &data, wish);
                // Each request has another address, long after the one before, so that no budget
                // limits it.
                let source =
                    SocketAddr::from(([10, code, data.len() as u8, wish.len() as u8], 1000));
                millis += 100_000;
                let reply = service
                    .take(millis, source, &asked)
                    .map_or(0, |reply| reply.len());
                let ratio = reply as f64 / asked.len() as f64;
                let worst_of_wrong = if password { 30.0 } else { 3.0 };
                assert!(
                    ratio <= worst_of_wrong,
                    "{ratio} of command {code:x} {name} {wish:?}"
                );
                if ratio > worst.0 {
                    worst = (ratio, format!("{code:x} {name} {wish:?}"));
                }
            }
        }
    }
    assert!(worst.0 > 5.0, "{worst:?}: nothing was answered");
}

#[test]
fn replies_to_a_forged_source_are_bounded_in_time_too() {
    let mut service = Service::with_files(1460, &[(NAME, 300_000)]);
    let (head, data, extra) = request(Command::GET_FILE, 0, FILE, &[0x39, 0x74]);
    let asked = datagram(head, &data, &extra);
    let mut bytes = 0;
    for n in 0..100_000u64 {
        let source = SocketAddr::from(([192, 0, 2, 77], n as u16));
        bytes += service
            .take(n / 10, source, &asked)
            .map_or(0, |reply| reply.len());
    }
    // The requests of ten seconds have a million bytes.
    assert!(bytes < 300_000, "{bytes}");
}

#[test]
fn a_guesser_waits_and_a_client_with_the_password_does_not() {
    let mut service = Service::with_files(1460, &[(NAME, 300_000)]);
    let mut ann = TestClient::new(peer(1, 1000));
    assert_eq!(
        ann.ask(&mut service, Command::GET_FILE, 0, FILE, 0).text(),
        ""
    );
    let head = FspHeader {
        command: Command::GET_FILE,
        key: 0,
        sequence: 0,
        position: 0,
    };
    let guess = [FILE.as_bytes(), b"\nguess\0"].concat();
    let guess = Packet {
        head,
        data: &guess,
        extra: b"",
    };
    let mut mallory = TestClient::new(peer(1, 2000));
    let mut answers = 0;
    for millis in 0..60_000 {
        mallory.millis = millis;
        if let Some(answer) = mallory.try_send(&mut service, &guess) {
            assert_eq!(answer.text(), "Invalid password");
            answers += 1;
        } else {
            mallory = TestClient::new(peer(1, mallory.peer.port() + 1)); // a new port proves nothing
        }
        if millis % 100 == 0 {
            ann.millis = millis;
            assert_eq!(
                ann.ask(&mut service, Command::GET_FILE, 0, FILE, 0).text(),
                "",
                "from the same address"
            );
        }
    }
    assert!(
        (10..=130).contains(&answers),
        "{answers} guesses in a minute"
    );
}
