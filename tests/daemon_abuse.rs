//! Nonsense, floods and bad manners on every door of the running daemon, while a recording beside them must
//! come out bit for bit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::file::read;
use common::{rtp, wait_for, Answer, Phone, Talker};

const DATAGRAMS: u32 = 100_000;
const LINES: u32 = 100_000;

/// A generator with a seed (xorshift64*), so that every run is the same.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) as u32
    }

    fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }

    fn bytes(&mut self, len: u32) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A recording with one party that talks through the abuse.
struct Witness<'a> {
    phone: &'a Phone,
    start: Answer,
    talker: Talker,
}

impl<'a> Witness<'a> {
    fn new(phone: &'a Phone) -> Self {
        let start = phone.record("&legs=1");
        let talker = Talker::new(start.ports()[0], 0x600D);
        talker.wait(5);
        Self {
            phone,
            start,
            talker,
        }
    }

    /// Ends the call: everything the party said is there, nothing else is.
    fn assert_unharmed(self) {
        self.talker.wait(self.talker.sent() + 10);
        let sent = self.talker.end();
        let stop = self.phone.stop(&self.start.id());
        read(&self.phone.stick().join(stop.value("files"))).assert_holds(&sent.concat());
    }
}

/// A datagram that is nothing, or nearly something.
fn datagram(random: &mut Random) -> Vec<u8> {
    let len = random.below(2049);
    let (sequence, timestamp, ssrc) = (random.next() as u16, random.next(), random.below(12));
    match random.below(8) {
        0 => random.bytes(len),
        1 => {
            let size = random.below(400);
            let payload = random.bytes(size);
            rtp(
                [0, 8, 9, 13, 19, 101][random.below(6) as usize],
                sequence,
                timestamp,
                ssrc,
                &payload,
            )
        }
        2 => {
            let payload = random.bytes(160);
            rtp(
                random.below(128) as u8,
                sequence % 50,
                timestamp % 100_000,
                ssrc,
                &payload,
            )
        }
        3 => {
            let mut bytes = random.bytes(len);
            bytes
                .iter_mut()
                .take(1)
                .for_each(|first| *first = 0x80 | *first & 0x3F);
            bytes
        }
        4 => [&[0x80, 200 + random.below(5) as u8][..], &random.bytes(40)].concat(),
        5 => [&[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42][..], &random.bytes(20)].concat(),
        6 => [&[22, 254, 253][..], &random.bytes(len)].concat(),
        _ => rtp(0, sequence, timestamp, ssrc, &[])[..random.below(13) as usize].to_vec(),
    }
}

/// The counters of which each datagram raises exactly one.
const DATAGRAM_COUNTERS: [&str; 11] = [
    "audio",
    "rtcp",
    "not_rtp",
    "unknown_payload",
    "oversize",
    "telephone_event",
    "comfort_noise",
    "empty",
    "duplicate",
    "late",
    "too_many_sources",
];

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_RXQ_OVFL; scripts/phone runs it"
)]
fn a_hundred_thousand_datagrams_are_counted_and_harm_no_other_recording() {
    let mut phone = Phone::new("");
    let victim = phone.record("&legs=2");
    let witness = Witness::new(&phone);
    let started = Instant::now();
    let ports = victim.ports();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut random = Random(20_260_102);
    let mut control = phone.control();
    for n in 0..DATAGRAMS {
        socket
            .send_to(
                &datagram(&mut random),
                ("127.0.0.1", ports[random.below(3) as usize]),
            )
            .unwrap();
        if n % 5000 == 0 {
            assert!(
                control.ask("cmd=StatsRequest").success(),
                "answers in the flood"
            );
        }
    }
    let own = witness.talker.sent();
    // The kernel tells of datagrams it dropped with the next one that it delivers.
    std::thread::sleep(Duration::from_millis(500));
    for port in &ports {
        socket.send_to(b"x", ("127.0.0.1", *port)).unwrap();
    }
    wait_for("every datagram to be counted", || {
        let stats = control.ask("cmd=StatsRequest");
        let count = |name: &str| stats.value(name).parse::<u64>().unwrap();
        let seen = DATAGRAM_COUNTERS
            .iter()
            .map(|name| count(name))
            .sum::<u64>()
            + count("kernel_drop");
        seen >= u64::from(DATAGRAMS + 3 + own)
    });
    let stats = control.ask("cmd=StatsRequest");
    let count = |name: &str| stats.value(name).parse::<u64>().unwrap();
    for name in DATAGRAM_COUNTERS
        .iter()
        .filter(|name| **name != "duplicate")
    {
        assert!(count(name) > 0, "{name} is never counted: {stats:?}");
    }
    assert_eq!(count("bug"), 0);
    let total = DATAGRAM_COUNTERS
        .iter()
        .map(|name| count(name))
        .sum::<u64>()
        + count("kernel_drop");
    let most = u64::from(DATAGRAMS + 3 + witness.talker.sent());
    assert!(total <= most, "{total} counted of {most}");
    let stop = phone.stop(&victim.id());
    let recorded = Duration::from_millis(stop.value("duration_ms").parse().unwrap());
    assert!(
        recorded <= started.elapsed() + Duration::from_secs(1),
        "{recorded:?}"
    );
    read(&phone.stick().join(stop.value("files")));
    witness.assert_unharmed();
    assert!(phone.lives());
}

#[test]
fn a_stop_in_a_flood_is_answered_and_the_file_is_whole() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let port = start.ports()[0];
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let mut n = 0u32;
            while !done.load(Ordering::Relaxed) {
                let _ = socket.send_to(
                    &rtp(0, n as u16, n * 160, 5, &[0x12; 160]),
                    ("127.0.0.1", port),
                );
                n += 1;
            }
        });
        std::thread::sleep(Duration::from_millis(700));
        let stop =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| phone.stop(&start.id())));
        done.store(true, Ordering::Relaxed);
        read(&phone.stick().join(stop.unwrap().value("files")));
    });
}

/// A line that is nothing, or nearly a request. It never names a recording that there is.
fn line(random: &mut Random) -> Vec<u8> {
    let commands = [
        "RecordStop",
        "RecordPause",
        "RecordResume",
        "RecordStatus",
        "Stats",
        "Play",
        "RecordStart",
        "",
    ];
    let command = commands[random.below(8) as usize];
    let mut line = match random.below(8) {
        0 => {
            let len = random.below(200);
            random.bytes(len)
        }
        1 => format!("cmd={command}Request&id={}", random.next()).into_bytes(),
        2 => format!(
            "cmd={command}Request&legs={}&codec=%zz&dir=\u{fc}\u{2028}",
            random.below(12)
        )
        .into_bytes(),
        3 => format!(
            "cmd={command}Request&remote_name={}",
            "\u{4f60}%00&".repeat(random.below(90) as usize)
        )
        .into_bytes(),
        4 => vec![0; random.below(60) as usize],
        5 => format!("id=7&cmd={command}Request&&&=&cmd=Stats&%=%").into_bytes(),
        6 => vec![b'='; random.below(5000) as usize],
        _ => format!("cmd={command}Request&id=-1\r").into_bytes(),
    };
    for byte in &mut line {
        if *byte == b'\n' {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    line
}

/// One connection's worth of nonsense; how it behaves is up to chance.
fn misbehave(phone: &Phone, random: &mut Random, lines: u32) {
    let Ok(stream) = UnixStream::connect(phone.socket()) else {
        return;
    };
    let short = Some(Duration::from_millis(300));
    stream.set_write_timeout(short).unwrap();
    stream.set_read_timeout(short).unwrap();
    let mut reader = stream.try_clone().unwrap();
    let reads = random.below(4) != 0;
    let listener = reads.then(|| {
        std::thread::spawn(move || while reader.read(&mut [0; 4096]).is_ok_and(|n| n > 0) {})
    });
    let mut stream = stream;
    for _ in 0..lines {
        // A client that does not read is not heard for ever: the daemon stops reading it.
        if stream.write_all(&line(random)).is_err() {
            break;
        }
    }
    let _ = match random.below(4) {
        0 => stream.write_all(&vec![b'x'; 65_536]),
        1 => stream.write_all(b"cmd=RecordStatusReque"),
        2 => stream.write_all(b"cmd=SubscribeRequest\n"),
        _ => stream.shutdown(std::net::Shutdown::Write),
    };
    drop(stream);
    if let Some(listener) = listener {
        let _ = listener.join();
    }
}

#[test]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_TIMESTAMPNS; scripts/phone runs it"
)]
fn a_hundred_thousand_control_lines_harm_nobody() {
    let mut phone = Phone::new("");
    let witness = Witness::new(&phone);
    let sent = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for worker in 0..10 {
            let (phone, sent) = (&phone, &sent);
            scope.spawn(move || {
                let mut random = Random(77 + worker);
                while sent.load(Ordering::Relaxed) < LINES {
                    let lines = random.below(400) + 1;
                    misbehave(phone, &mut random, lines);
                    sent.fetch_add(lines, Ordering::Relaxed);
                }
            });
        }
    });
    let mut control = phone.control();
    let stats = control.ask("cmd=StatsRequest");
    let count = |name: &str| stats.value(name).parse::<u64>().unwrap();
    assert!(count("bad_message") > u64::from(LINES) / 4, "{stats:?}");
    assert_eq!(count("bug"), 0, "{stats:?}");
    witness.assert_unharmed();
    assert!(phone.lives());
}

#[test]
fn a_hundred_connections_at_once_are_answered_or_refused() {
    let mut phone = Phone::new("");
    let witness = Witness::new(&phone);
    let mut crowd: Vec<_> = (0..100).map(|_| phone.control()).collect();
    let mut served = 0;
    for control in &mut crowd {
        // A refused one may be closed before it has spoken.
        let _ = control.lines.get_mut().write_all(b"cmd=StatsRequest\n");
        match control.next() {
            Some(answer) if answer.success() => served += 1,
            Some(answer) => assert_eq!(answer.reason(), "busy"),
            None => {}
        }
    }
    assert!((1..100).contains(&served), "{served}");
    drop(crowd);
    wait_for("a place", || {
        let mut control = phone.control();
        control
            .lines
            .get_mut()
            .write_all(b"cmd=StatsRequest\n")
            .is_ok()
            && control.next().is_some_and(|a| a.success())
    });
    witness.assert_unharmed();
    assert!(phone.lives());
}

#[test]
fn connections_that_say_nothing_keep_nobody_out() {
    let mut phone = Phone::new("");
    let mut speaker = phone.control();
    let mut heard = || assert!(speaker.ask("cmd=StatsRequest").success());
    heard();
    // One after the other: what has just come may be about to speak.
    let silence = |_| (phone.control(), heard()).0;
    let mut silent: Vec<_> = (0..40).map(silence).collect();
    assert!(phone.control().ask("cmd=StatsRequest").success());
    assert_eq!(silent[0].next().unwrap().reason(), "busy");
    assert!(silent[0].next().is_none());
    assert!(silent[39].ask("cmd=StatsRequest").success());
    // Sixteen that have spoken stay.
    drop(silent);
    heard();
    heard();
    let speaking = |_| {
        let mut control = phone.control();
        assert!(control.ask("cmd=StatsRequest").success());
        control
    };
    let mut crowd: Vec<_> = (0..15).map(speaking).collect();
    assert_eq!(phone.control().next().unwrap().reason(), "busy");
    assert!(crowd
        .iter_mut()
        .all(|control| control.ask("cmd=StatsRequest").success()));
    assert!(phone.lives());
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_off_and_the_others_hear_everything() {
    let mut phone = Phone::new("");
    let witness = Witness::new(&phone);
    let mut deaf = phone.watch();
    let mut watch = phone.watch();
    let mut control = phone.control();
    let mut ids = vec![];
    let heard = std::thread::spawn(move || {
        let mut heard = vec![];
        while let Some(event) = watch.next() {
            let last = event.value("state") == "mounted";
            heard.push((event.id(), event.value("state")));
            if last || heard.len() > 100_000 {
                break;
            }
        }
        heard
    });
    while control.ask("cmd=StatsRequest").value("slow_client") == "0" {
        assert!(ids.len() < 5000, "it is kept for ever");
        let id = control.ask("cmd=RecordStartRequest&legs=0").id();
        assert!(control
            .ask(&format!("cmd=RecordStopRequest&id={id}"))
            .success());
        ids.push(id);
    }
    let mut rest = vec![];
    deaf.lines.read_to_end(&mut rest).unwrap();
    assert!(!rest.is_empty(), "what it was sent it can still read");
    witness.assert_unharmed();
    assert!(phone.lives());
    phone.end();
    let heard = heard.join().unwrap();
    for id in &ids {
        let states: Vec<&str> = heard
            .iter()
            .filter(|(of, _)| of == id)
            .map(|(_, state)| state.as_str())
            .collect();
        assert_eq!(states, ["recording", "stopped"]);
    }
}

#[test]
fn a_client_that_goes_away_takes_nothing_with_it() {
    let mut phone = Phone::new("");
    let mut watch = phone.watch();
    let mut owner = phone.control();
    let start = owner.ask("cmd=RecordStartRequest&legs=1");
    drop(owner);
    let mut hasty = phone.control();
    hasty.send(format!("cmd=RecordPauseRequest&id={}\n", start.id()).as_bytes());
    drop(hasty);
    watch.until("RecordEvent", "paused");
    let mut half = phone.control();
    half.send(b"cmd=RecordStartRequest&legs=0\ncmd=RecordStopReq");
    drop(half);
    watch.until("RecordEvent", "recording");
    let mut last = phone.control();
    last.send(format!("cmd=RecordStopRequest&id={}\n", start.id()).as_bytes());
    drop(last);
    assert_eq!(watch.until("RecordEvent", "stopped").id(), start.id());
    read(&phone.stick().join(start.value("file")));
    assert!(phone.lives());
}

#[test]
fn a_client_that_waits_for_a_descriptor_is_heard_when_there_is_one() {
    let mut phone = Phone::prepared("").behind(&["prlimit", "--nofile=24"]);
    phone.start();
    let id = phone.record("&legs=4").id();
    let crowd: Vec<_> = (0..16).map(|_| phone.control()).collect();
    let mut last = phone.control();
    last.send(b"cmd=StatsRequest\n");
    // Nobody else comes: what was left in the queue must be remembered.
    std::thread::sleep(Duration::from_millis(300));
    drop(crowd);
    assert!(last
        .next()
        .is_none_or(|answer| answer.success() || answer.reason() == "busy"));
    phone.stop(&id);
    assert!(phone.lives());
}
