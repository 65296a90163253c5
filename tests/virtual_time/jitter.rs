//! Calls through networks that delay, in virtual time: as long as no clock is wrong, what was sent
//! is recorded byte for byte, at a constant offset.

use crate::capture;
use crate::virtual_phone::legs::packets;
use crate::virtual_phone::{marked, missing, ms, rtp, settings, Arriving, Phone, Random};
use callrec::base::time::Duration;

/// Two minutes of packets that `delay` holds up, by so many milliseconds each.
fn delayed(phone: &Phone, sent: &[Vec<u8>], mut delay: impl FnMut(u64) -> u64) -> Vec<Arriving> {
    let from = phone.now + ms(7);
    let mut stream = vec![];
    for (number, payload) in (0u64..).zip(sent) {
        let at = from + ms(20 * number + delay(number));
        let packet = rtp(0, number as u16, number as u32 * 160, 5, payload);
        stream.push((at, 0, packet));
    }
    stream
}

fn check(what: &str, mut delay: impl FnMut(u64) -> u64) {
    let mut phone = Phone::new(settings());
    let sent = packets(6000, 160);
    let id = phone.start("");
    let stream = delayed(&phone, &sent, &mut delay);
    phone.send(stream);
    phone.run_for(ms(121_000));
    phone.stop(id);
    let audio = phone.audio();
    let whole = sent.concat();
    let found = audio.windows(whole.len()).any(|run| run == whole);
    assert!(found, "{what}: {:?}", missing(&audio, &sent, 300));
    assert_eq!(phone.counted("skew_steps"), 0, "{what}");
    assert_eq!(phone.counted("audio"), 6000, "{what}");
}

#[test]
fn jitter_changes_nothing() {
    for most in [1, 5, 20, 60, 100] {
        for seed in 0..4 {
            let mut random = Random(seed);
            check(&format!("up to {most} ms, seed {seed}"), |_| {
                random.below(most + 1)
            });
        }
    }
}

#[test]
fn a_first_packet_that_comes_late_changes_nothing() {
    for late in [6, 19, 60, 100] {
        let mut random = Random(late);
        check(&format!("{late} ms late"), |number| match number {
            0 => late,
            _ => random.below(3),
        });
    }
}

#[test]
fn bursts_change_nothing() {
    // Each so many packets one network queue is emptied at once.
    for held in [2, 4, 5] {
        check(&format!("{held} packets at once"), |number| {
            (held - 1 - number % held) * 20
        });
    }
    // Now and then the network stands still for 100 ms.
    check("a pause each second", |number| match number % 50 {
        position @ 0..5 => (5 - position) * 20,
        _ => 0,
    });
}

/// Replays a capture of 30 ms packets; `delay` holds each up by milliseconds.
fn check_capture(what: &str, mut delay: impl FnMut(u64) -> u64) {
    let captured = capture::timed(&capture::path("g711a.pcap"));
    let mut phone = Phone::new(settings());
    let id = phone.start("&codec=PCMA&legs=1");
    // Packets that overtake the first one are not from before the recording.
    let from = phone.now + ms(207);
    let packet = |(number, (time, bytes)): (u64, &(u64, Vec<u8>))| {
        let at = from + Duration::from_nanos(*time) + ms(delay(number));
        (at, 0, bytes.clone())
    };
    let mut stream: Vec<Arriving> = (0u64..).zip(&captured).map(packet).collect();
    stream.sort_by_key(|(at, ..)| *at);
    let last = stream.last().unwrap().0;
    phone.send(stream);
    phone.run_until(last + ms(1000));
    phone.stop(id);
    let sent: Vec<Vec<u8>> = captured
        .iter()
        .map(|(_, bytes)| bytes[12..].to_vec())
        .collect();
    let whole = sent.concat();
    let audio = phone.audio();
    let found = audio.windows(whole.len()).any(|run| run == whole);
    assert!(found, "{what}: {:?}", missing(&audio, &sent, 300));
    for nothing in ["skew_steps", "concealed", "late", "reanchored", "encrypted"] {
        assert_eq!(phone.counted(nothing), 0, "{what}: {nothing}");
    }
}

#[test]
#[ignore = "needs the package sip-tester: scripts/test installs it"]
fn a_real_capture_is_recorded_byte_for_byte_whatever_delays_it() {
    check_capture("as it was", |_| 0);
    for most in [5, 20, 60, 100] {
        for seed in 0..8 {
            let mut random = Random(seed);
            let what = format!("up to {most} ms, seed {seed}");
            check_capture(&what, |_| random.below(most + 1));
        }
    }
    for late in [6, 19, 60, 100] {
        let what = format!("the first one {late} ms late");
        check_capture(&what, |number| if number == 0 { late } else { 0 });
    }
    for held in [2, 3, 4] {
        check_capture(&format!("{held} at once"), |number| {
            (held - 1 - number % held) * 30
        });
    }
}

/// Eight hours of a clock that is off by so many millionths, delayed by up to 100 ms.
fn check_hours(ppm: i64) {
    let mut phone = Phone::new(settings());
    let id = phone.start("&legs=1");
    let from = phone.now + ms(207);
    let count = 8 * 3600 * 50;
    let mut random = Random(20);
    let packet = |number: usize| {
        let sent = number as i64 * (20_000_000 - 20 * ppm);
        let at = from + Duration::from_nanos(sent as u64) + ms(random.below(101));
        let timestamp = (number as u32).wrapping_mul(160);
        let bytes = rtp(0, number as u16, timestamp, 5, &marked(number, 160));
        (at, 0, bytes)
    };
    let mut stream: Vec<Arriving> = (0..count).map(packet).collect();
    stream.sort_by_key(|(at, ..)| *at);
    phone.send(stream);
    // In 190 s, 20 millionths are 3.8 ms.
    phone.run_until(from + ms(190_000));
    assert_eq!(phone.counted("skew_steps"), 0, "{ppm}");
    phone.run_until(from + ms(8 * 3_600_000 + 1000));
    phone.stop(id);
    for nothing in ["concealed", "late", "reanchored"] {
        assert_eq!(phone.counted(nothing), 0, "{ppm}: {nothing}");
    }
    // At most one correction for each sample of drift, and each one changes one frame.
    let drift = 8 * 3600 * 8 * ppm.unsigned_abs() / 1000;
    let steps = phone.counted("skew_steps");
    assert!((drift - 100..=drift).contains(&steps), "{ppm}: {steps}");
    let audio = phone.audio();
    let mut at = 0;
    let mut changed = 0;
    for number in 0..count {
        let payload = marked(number, 160);
        let near = &audio[at..audio.len().min(at + 4000)];
        match near.windows(160).position(|run| run == payload) {
            Some(found) => at += found + 160,
            None => changed += 1,
        }
    }
    // A frame of the recording lies across two packets.
    assert!(changed <= 2 * steps, "{ppm}: {changed} of {steps}");
}

#[test]
fn a_clock_that_is_20_ppm_off_costs_a_sample_for_each_sample_of_drift() {
    check_hours(20);
    check_hours(-20);
}
