//! Calls through networks that delay, in virtual time: as long as no clock is wrong, what was sent
//! is recorded byte for byte, at a constant offset.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod virtual_phone;

use virtual_phone::legs::packets;
use virtual_phone::{missing, ms, rtp, settings, Arriving, Phone, Random};

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
