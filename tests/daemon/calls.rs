//! Whole calls of `callrec-sim` through the running daemon: WAV files, recordings and captures as
//! legs.
#![cfg(feature = "sim")]

use std::fs;

use crate::common::file::{read, Recording};
use crate::common::{capture, marked, rtp, run, Phone};

/// A call with these arguments; the file it left.
fn call(phone: &Phone, arguments: &[&str]) -> Recording {
    let socket = phone.socket().to_str().unwrap().to_owned();
    let output = run(
        env!("CARGO_BIN_EXE_callrec-sim"),
        &[&["call", "-q", "--socket", &socket], arguments].concat(),
    );
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let files: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("file "))
        .collect();
    assert_eq!(files.len(), 1, "{text}");
    read(&phone.stick().join(files[0]))
}

/// A captured packet: time in ms, source port, datagram.
type Packet = (u64, u16, Vec<u8>);

/// A little-endian pcap of UDP packets on Ethernet.
fn pcap(packets: &[Packet]) -> Vec<u8> {
    let mut bytes = vec![0xD4, 0xC3, 0xB2, 0xA1, 2, 0, 4, 0];
    bytes.extend([0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 1, 0, 0, 0]);
    for (at, port, datagram) in packets {
        let length = 42 + datagram.len() as u32;
        for number in [
            1_700_000_000 + (*at / 1000) as u32,
            (*at % 1000) as u32 * 1000,
            length,
            length,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]);
        let (ip, udp) = ((length - 14) as u16, (length - 34) as u16);
        bytes.extend([0x45, 0]);
        bytes.extend(ip.to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        bytes.extend(port.to_be_bytes());
        bytes.extend(5004u16.to_be_bytes());
        bytes.extend(udp.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(datagram);
    }
    bytes
}

/// A-law codes in packets of `ptime` ms, as a capture with its own timing.
fn spoken(ptime: u32, count: u32) -> (Vec<u8>, Vec<Packet>) {
    let codes: Vec<u8> = (0..count)
        .flat_map(|n| marked(9, n))
        .take((count * ptime * 8) as usize)
        .collect();
    let size = (ptime * 8) as usize;
    let packets = codes.chunks(size).zip(0u32..).map(|(payload, n)| {
        (
            u64::from(n * ptime),
            4000,
            rtp(8, n as u16, n * size as u32, 0xDEE0, payload),
        )
    });
    let packets = packets.collect();
    (codes, packets)
}

fn save(phone: &Phone, name: &str, bytes: &[u8]) -> String {
    let path = phone.path(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn silent(recording: &Recording) -> bool {
    recording
        .audio()
        .iter()
        .all(|code| *code == recording.silence())
}

#[test]
fn two_simulated_parties_are_recorded_for_as_long_as_they_talk() {
    let phone = Phone::new("");
    let recording = call(
        &phone,
        &["--seconds", "2.5", "--set", "remote_name=A & B=C%"],
    );
    assert!(
        (123..=140).contains(&recording.frames.len()),
        "{} frames",
        recording.frames.len()
    );
    assert!(!silent(&recording));
}

#[test]
fn packets_of_any_length_come_out_as_20_ms_bit_exact() {
    let phone = Phone::new("maxRecordings = 8");
    std::thread::scope(|scope| {
        for ptime in [5, 10, 30, 40, 60] {
            let phone = &phone;
            scope.spawn(move || {
                let (codes, packets) = spoken(ptime, 1200 / ptime / 20 * 20 + 1);
                let path = save(phone, &format!("{ptime}.pcap"), &pcap(&packets));
                let recording = call(phone, &["--codec", "PCMA", "--near", &path]);
                assert_eq!(recording.codec, "PCMA");
                recording.assert_holds(&codes);
            });
        }
    });
}

#[test]
fn telephone_events_beside_a_leg_leave_it_bit_exact() {
    let phone = Phone::new("");
    let (codes, mut near) = spoken(20, 60);
    let event = |n: u16| {
        rtp(
            101,
            n,
            960,
            0xE7E7,
            &[5, if n > 20 { 0x8A } else { 0x0A }, 3, 0x20],
        )
    };
    near.extend((0..24).map(|n| (200 + u64::from(n) * 20, 4002, event(n))));
    near.sort_by_key(|(at, ..)| *at);
    let path = save(&phone, "events.pcap", &pcap(&near));
    call(&phone, &["--codec", "PCMA", "--near", &path]).assert_holds(&codes);
    call(&phone, &["--codec", "PCMA", "--near", &path, "--one-port"]).assert_holds(&codes);
    call(&phone, &["--codec", "PCMA", "--near", &path, "--mixed"]).assert_holds(&codes);
    assert_eq!(phone.stat("telephone_event"), 3 * 24);
}

#[test]
fn a_recording_played_as_a_leg_comes_out_bit_exact() {
    let phone = Phone::new("voiceCodec = PCMA");
    let (codes, packets) = spoken(20, 50);
    let mut bytes = b"PCMA".to_vec();
    bytes.resize(64, 0);
    for number in [172u32, 160, 50 * 172] {
        bytes.extend(number.to_le_bytes());
    }
    packets
        .iter()
        .for_each(|(_, _, packet)| bytes.extend(packet));
    let path = save(&phone, "Record_1.wav", &bytes);
    call(&phone, &["--codec", "PCMA", "--near", &path]).assert_holds(&codes);
}

/// RIFF/WAVE of 16-bit samples: a tone of 1 kHz, half as loud as can be.
fn wav(rate: u32, channels: u16, seconds: f64) -> Vec<u8> {
    let samples = (f64::from(rate) * seconds) as u32;
    let tone =
        |n: u32| (f64::from(n) / f64::from(rate) * 1000.0 * std::f64::consts::TAU).sin() * 16000.0;
    let data: Vec<u8> = (0..samples)
        .flat_map(|n| (tone(n) as i16).to_le_bytes().repeat(usize::from(channels)))
        .collect();
    let frame = channels * 2;
    let mut bytes = b"RIFF".to_vec();
    bytes.extend((36 + data.len() as u32).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend((rate * u32::from(frame)).to_le_bytes());
    bytes.extend(frame.to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn wav_files_of_any_rate_are_heard_at_their_length_pitch_and_loudness() {
    let phone = Phone::new("voiceCodec = PCMA\nmaxRecordings = 8");
    std::thread::scope(|scope| {
        for (rate, channels) in [(8000, 1), (16000, 2), (44100, 1), (48000, 2)] {
            let phone = &phone;
            scope.spawn(move || {
                let path = save(phone, &format!("{rate}.wav"), &wav(rate, channels, 1.5));
                let recording = call(phone, &["--codec", "PCMA", "--near", &path]);
                let heard: Vec<u8> = recording.audio();
                let loud: Vec<usize> = (0..heard.len())
                    .filter(|at| (heard[*at] ^ 0x55) & 0x70 >= 0x50)
                    .collect();
                let length = loud[loud.len() - 1] - loud[0];
                assert!(
                    (11_700..=12_300).contains(&length),
                    "{rate} Hz: {length} samples"
                );
                let positive: Vec<bool> = heard[loud[0]..loud[loud.len() - 1]]
                    .iter()
                    .map(|c| c & 0x80 != 0)
                    .collect();
                let crossings = positive
                    .windows(2)
                    .filter(|pair| pair[0] != pair[1])
                    .count();
                assert!(
                    (crossings as i64 - 3000).abs() < 60,
                    "{rate} Hz: {crossings} crossings in 1.5 s of 1 kHz"
                );
                assert!(
                    heard.iter().all(|code| (code ^ 0x55) & 0x7F < 0x74),
                    "{rate} Hz: louder than it was"
                );
            });
        }
    });
}

#[test]
fn a_call_that_cannot_be_made_says_why() {
    let phone = Phone::new("");
    let garbage = save(&phone, "garbage", &[7; 500]);
    let socket = phone.socket().to_str().unwrap().to_owned();
    for (arguments, status, words) in [
        (&["call", "-s", "/no/such/socket"][..], 1, "/no/such/socket"),
        (
            &["call", "-s", &socket, "--near", "/no/such.wav"],
            1,
            "/no/such.wav",
        ),
        (&["call", "-s", &socket, "--near", &garbage], 1, "garbage"),
        (&["call", "-s", &socket, "--sink", "server"], 1, "no-server"),
        (
            &["call", "-s", &socket, "--codec", "MP3"],
            2,
            "PCMU or PCMA",
        ),
        (&["call", "-s", &socket, "--ptime", "0"], 2, "from 5 to 60"),
        (&["call", "-s", &socket, "--set", "x"], 2, "KEY=VALUE"),
        (&["sing"], 2, "sing"),
    ] {
        let output = run(env!("CARGO_BIN_EXE_callrec-sim"), arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
        assert!(
            text.contains(words) && text.lines().count() == 1,
            "{arguments:?}: {text}"
        );
    }
    assert_eq!(phone.stat("recordings"), 0);
}

#[test]
#[cfg_attr(
    not(target_arch = "arm"),
    ignore = "needs the package sip-tester: scripts/test installs it"
)]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_TIMESTAMPNS; scripts/phone runs it"
)]
fn a_real_capture_of_30_ms_packets_is_stored_bit_exact() {
    let phone = Phone::new("");
    let path = capture::path("g711a.pcap");
    let payloads: Vec<u8> = capture::datagrams(&path)
        .iter()
        .flat_map(|packet| packet[12..].to_vec())
        .collect();
    let recording = call(
        &phone,
        &["--codec", "PCMA", "--near", path.to_str().unwrap()],
    );
    recording.assert_holds(&payloads);
    let frames = recording.frames.len();
    assert!(
        frames.abs_diff(payloads.len() / 160) <= 4,
        "{frames} frames of {} codes",
        payloads.len()
    );
}

#[test]
#[ignore = "needs the package sip-tester: scripts/test installs it"]
fn real_captures_of_digits_alone_leave_silence() {
    let phone = Phone::new("");
    let mut events = 0;
    for digit in [
        "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "star", "pound",
    ] {
        let path = capture::path(&format!("dtmf_2833_{digit}.pcap"));
        events += capture::datagrams(&path).len() as u64;
        let recording = call(&phone, &["--near", path.to_str().unwrap()]);
        assert!(
            silent(&recording) && recording.frames.len() >= 5,
            "{digit}: {} frames",
            recording.frames.len()
        );
    }
    assert_eq!(phone.stat("telephone_event"), events);
}

#[test]
#[cfg_attr(
    not(target_arch = "arm"),
    ignore = "needs the package sip-tester: scripts/test installs it"
)]
#[cfg_attr(
    target_arch = "arm",
    ignore = "qemu-user has no SO_TIMESTAMPNS; scripts/phone runs it"
)]
fn a_real_capture_beside_digits_stays_bit_exact() {
    let phone = Phone::new("");
    let audio = capture::path("g711a.pcap");
    let payloads: Vec<u8> = capture::datagrams(&audio)
        .iter()
        .flat_map(|packet| packet[12..].to_vec())
        .collect();
    let digit = capture::path("dtmf_2833_5.pcap");
    let (audio, digit) = (audio.to_str().unwrap(), digit.to_str().unwrap());
    std::thread::scope(|scope| {
        for port in [&[][..], &["--one-port"]] {
            let (phone, payloads) = (&phone, &payloads);
            let arguments = [&["--codec", "PCMA", "--near", audio, "--far", digit], port].concat();
            scope.spawn(move || call(phone, &arguments).assert_holds(payloads));
        }
    });
}
