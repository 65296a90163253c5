//! Guessed passwords from many forged addresses, and those who know the right one, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod virtual_fsp;

use std::net::SocketAddr;

use callrec::base::stats::Counter;
use callrec::base::time::Duration;
use callrec::proto::fsp::client::{Client, Timeout};
use callrec::wire::fsp::{Command, Head, Packet};
use virtual_fsp::{at, datagram, request, Service};

const NAME: &str = "Record_20260102_101500.wav";
const FILE: &str = "Recorder/20260102/Record_20260102_101500.wav";
/// Of one client's request to its reply.
const ROUND_TRIP: u64 = 50;

/// Any address, each time another one.
fn anyone(n: u64) -> SocketAddr {
    SocketAddr::from((
        (n as u32).wrapping_mul(0x9E37_79B1).to_be_bytes(),
        (n % 60_000) as u16 + 1,
    ))
}

/// A request of a stranger.
fn stranger(command: Command, data: &[u8], n: u64) -> Vec<u8> {
    datagram(
        Head {
            command,
            key: n as u16,
            sequence: n as u16,
            position: 0,
        },
        data,
        b"",
    )
}

/// How long a new client waits for three blocks of a file, while strangers send what `flood` says; the longest of many.
fn slowest(mut flood: impl FnMut(u64, &mut Service)) -> u64 {
    let mut service = Service::with_files(14_708, &[(NAME, 100_000)]);
    let (mut slowest, mut millis) = (0, 0);
    for host in 0..40u32 {
        let peer = SocketAddr::from(((0xC633_6400 + host).to_be_bytes(), 4000));
        let (started, mut client, mut bytes) = (millis, Client::new(host << 8), 0);
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
                assert!(millis - started < 60_000, "host {host}: it is kept out");
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
fn who_knows_the_password_gets_in_while_thousands_of_wrong_ones_come() {
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

/// A hundred a second from 200 addresses had kept everybody out for a minute.
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

/// The passwords that are looked at, of one address, whatever else it does to hide.
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
        // Others that it forges, so that its own are not noticed.
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

/// Who does not know the password gets 250 replies a second at the most, all addresses together.
#[test]
fn replies_to_those_who_do_not_know_are_bounded() {
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
