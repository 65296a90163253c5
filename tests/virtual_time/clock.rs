//! The wall clock is set while calls are recorded, in virtual time: every packet is recorded as it
//! came.

use crate::virtual_phone::{marked, ms, rtp, settings, value, Phone};

/// By how many seconds the clock is set; the last one is to 1970.
const STEPS: [i64; 9] = [1, -1, 5, -5, 60, -60, 3600, -3600, -1_764_003_600];
const PACKETS: usize = 500;

/// Ten seconds of two legs, the second of which comes in bursts: what was sent.
fn talk(phone: &mut Phone) -> [Vec<Vec<u8>>; 2] {
    let legs = [0, 1000].map(|first| {
        (first..first + PACKETS)
            .map(|n| marked(n, 160))
            .collect::<Vec<_>>()
    });
    let from = phone.now + ms(7);
    for (port, payloads) in legs.iter().enumerate() {
        let packet = |(n, payload): (usize, &Vec<u8>)| {
            let jitter = if port == 1 { n as u64 % 5 * 4 } else { 0 };
            let at = from + ms(20 * n as u64 + jitter);
            (
                at,
                port,
                rtp(0, n as u16, n as u32 * 160, 0x5EED + port as u32, payload),
            )
        };
        phone.send(payloads.iter().enumerate().map(packet).collect::<Vec<_>>());
    }
    legs
}

/// The recording holds the exact mix of both legs, without a gap, and nothing was counted as late,
/// moved or synthesized.
fn assert_whole(phone: &mut Phone, id: u32, legs: &[Vec<Vec<u8>>; 2], what: &str) {
    phone.run_for(ms(1500));
    let answer = phone.stop(id);
    assert_eq!(value(&answer, "result"), Some("success"), "{what}");
    for counter in [
        "late",
        "reanchored",
        "concealed",
        "skew_steps",
        "unconfirmed",
        "bug",
    ] {
        assert_eq!(phone.counted(counter), 0, "{what}: {counter}");
    }
    assert_eq!(phone.counted("audio"), 2 * PACKETS as u64, "{what}");
    let law = callrec::wire::g711::Law::Mu;
    let mut mixed = vec![];
    for (one, two) in legs[0].iter().zip(&legs[1]) {
        let sum = |(a, b): (&u8, &u8)| {
            law.encode_one(i32::from(law.decode_one(*a)) + i32::from(law.decode_one(*b)))
        };
        mixed.extend(one.iter().zip(two).map(sum));
    }
    let audio = phone.audio();
    let start = audio.windows(160).position(|frame| frame == &mixed[..160]);
    let start = start.unwrap_or_else(|| panic!("{what}: the first frame is not there"));
    assert!(
        audio[start..].starts_with(&mixed),
        "{what}: what was sent is altered"
    );
}

#[test]
fn a_clock_that_is_set_at_any_phase_of_a_batch_moves_no_audio() {
    for step in STEPS {
        for phase in 0..10 {
            let mut phone = Phone::new(settings());
            let id = phone.start("");
            let legs = talk(&mut phone);
            phone.sockets[0].clock.steps = vec![(phone.now + ms(4000 + 61 * phase), step * 1000)];
            phone.run_for(ms(10_000));
            assert_whole(&mut phone, id, &legs, &format!("{step} s at phase {phase}"));
        }
    }
}

#[test]
fn neither_does_one_that_is_set_while_the_stick_stalls() {
    for step in STEPS {
        for phase in 0..10 {
            let mut phone = Phone::new(settings());
            let id = phone.start("");
            let legs = talk(&mut phone);
            phone.stick.stall = Some((phone.now + ms(3000), ms(3500)));
            phone.sockets[0].clock.steps = vec![(phone.now + ms(3200 + 317 * phase), step * 1000)];
            phone.run_for(ms(10_000));
            assert_whole(
                &mut phone,
                id,
                &legs,
                &format!("{step} s at phase {phase} of a stall"),
            );
        }
    }
}

#[test]
fn nor_several_that_nobody_sees_apart() {
    for (first, second) in [(3600, -3600), (-5, 5), (60, -61), (-1, 3600)] {
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        let legs = talk(&mut phone);
        let begins = phone.now + ms(3000);
        phone.stick.stall = Some((begins, ms(3500)));
        phone.sockets[0].clock.steps = vec![
            (begins + ms(900), first * 1000),
            (begins + ms(2100), second * 1000),
        ];
        phone.run_for(ms(10_000));
        assert_whole(
            &mut phone,
            id,
            &legs,
            &format!("{first} s, then {second} s"),
        );
    }
}

#[test]
fn a_phone_that_is_not_told_of_the_setting_finds_it_with_the_next_batch() {
    for step in STEPS {
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        let legs = talk(&mut phone);
        phone.sockets[0].clock.tells = false;
        phone.sockets[0].clock.steps = vec![(phone.now + ms(4321), step * 1000)];
        phone.run_for(ms(10_000));
        assert_whole(&mut phone, id, &legs, &format!("{step} s, untold"));
    }
}
