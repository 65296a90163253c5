//! Nonsense and floods on the media ports and the control socket of the running daemon; another
//! recording meanwhile stays bit-exact.

use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::common::file::read;
use crate::common::witness::Witness;
use crate::common::{rtp, wait_for, Answer, Flood, Phone, Random};

const DATAGRAMS: u32 = 100_000;
const LINES: u32 = 100_000;

/// A datagram that is not RTP, or only nearly.
fn datagram(random: &mut Random) -> Vec<u8> {
    let len = random.below(2049);
    let sequence = random.next() as u16;
    let timestamp = random.next() as u32;
    let ssrc = random.below(12) as u32;
    match random.below(8) {
        0 => random.bytes(len),
        1 => {
            let payload_type = [0, 8, 9, 13, 19, 101][random.below(6) as usize];
            let size = random.below(400);
            let payload = random.bytes(size);
            rtp(payload_type, sequence, timestamp, ssrc, &payload)
        }
        2 => {
            let payload_type = random.below(128) as u8;
            let payload = random.bytes(160);
            let near = (sequence % 50, timestamp % 100_000);
            rtp(payload_type, near.0, near.1, ssrc, &payload)
        }
        3 => {
            let mut bytes = random.bytes(len);
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | *first & 0x3F;
            }
            bytes
        }
        4 => [&[0x80, 200 + random.below(5) as u8][..], &random.bytes(40)].concat(), // RTCP
        5 => [&[0, 1, 0, 8, 0x21, 0x12, 0xA4, 0x42][..], &random.bytes(20)].concat(), // STUN
        6 => [&[22, 254, 253][..], &random.bytes(len)].concat(),                     // DTLS
        _ => {
            let header = rtp(0, sequence, timestamp, ssrc, &[]);
            header[..random.below(13) as usize].to_vec()
        }
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

fn count(stats: &Answer, name: &str) -> u64 {
    stats.value(name).parse().unwrap()
}

/// The datagrams that the daemon has counted, those included that the kernel dropped.
fn datagrams_counted(stats: &Answer) -> u64 {
    let read: u64 = DATAGRAM_COUNTERS
        .iter()
        .map(|name| count(stats, name))
        .sum();
    read + count(stats, "kernel_drop")
}

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
        let port = ports[random.below(3) as usize];
        socket
            .send_to(&datagram(&mut random), ("127.0.0.1", port))
            .unwrap();
        if n % 5000 == 0 {
            let answer = control.ask("cmd=StatsRequest");
            assert!(answer.success(), "answers in the flood");
        }
    }
    // The kernel reports datagrams it dropped along with the next one that it delivers: one more
    // goes to each port until the sum is right.
    let mut sent = DATAGRAMS;
    let mut stats = Answer(String::new());
    wait_for("every datagram to be counted", || {
        for port in &ports {
            socket.send_to(b"x", ("127.0.0.1", *port)).unwrap();
            sent += 1;
        }
        let least = u64::from(sent + witness.talker.sent());
        stats = control.ask("cmd=StatsRequest");
        datagrams_counted(&stats) >= least
    });
    for name in DATAGRAM_COUNTERS {
        // The same packet twice is too rare among random ones.
        let is_rare = name == "duplicate";
        assert!(
            is_rare || count(&stats, name) > 0,
            "{name} is never counted: {stats:?}"
        );
    }
    assert_eq!(count(&stats, "bug"), 0);
    let total = datagrams_counted(&stats);
    let most = u64::from(sent + witness.talker.sent());
    assert!(total <= most, "{total} counted of {most}");
    let stop = phone.stop(&victim.id());
    let recorded = Duration::from_millis(stop.value("duration_ms").parse().unwrap());
    let most = started.elapsed() + Duration::from_secs(1);
    assert!(
        recorded <= most,
        "a flood does not make a recording longer: {recorded:?}"
    );
    read(&phone.stick().join(stop.value("files")));
    witness.assert_unharmed();
    assert!(phone.lives());
}

#[test]
fn a_stop_in_a_flood_is_answered_and_the_file_is_whole() {
    let phone = Phone::new("");
    let start = phone.record("&legs=1");
    let flood = Flood::new(start.ports()[0], |n| {
        rtp(0, n as u16, n * 160, 5, &[0x12; 160])
    });
    wait_for("the flood", || {
        datagrams_counted(&phone.ask("cmd=StatsRequest")) > 1000 && phone.stat("frames") > 25
    });
    let stop = phone.stop(&start.id());
    drop(flood);
    read(&phone.stick().join(stop.value("files")));
}

/// A line that is not a request, or only nearly. It never names a recording that exists.
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
        1 => {
            let id = random.next() as u32;
            format!("cmd={command}Request&id={id}").into_bytes()
        }
        2 => {
            let legs = random.below(12);
            format!("cmd={command}Request&legs={legs}&codec=%zz&dir=\u{fc}\u{2028}").into_bytes()
        }
        3 => {
            let name = "\u{4f60}%00&".repeat(random.below(90) as usize);
            format!("cmd={command}Request&remote_name={name}").into_bytes()
        }
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

/// One connection's worth of nonsense, which ends in one of several ways.
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
        // The daemon stops reading from a client that does not read its answers: the write times
        // out.
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
                    let lines = random.below(400) as u32 + 1;
                    misbehave(phone, &mut random, lines);
                    sent.fetch_add(lines, Ordering::Relaxed);
                }
            });
        }
    });
    let mut control = phone.control();
    let stats = control.ask("cmd=StatsRequest");
    let bad = count(&stats, "bad_message");
    assert!(bad > u64::from(LINES) / 4, "{stats:?}");
    assert_eq!(count(&stats, "bug"), 0, "{stats:?}");
    witness.assert_unharmed();
    assert!(phone.lives());
}
