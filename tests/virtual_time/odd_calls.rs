//! Calls in virtual time that are no plain audio: changing codecs, floods, lost packets, tones,
//! strays.

use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::{marked, missing, ms, rtp, settings, value, Arriving, Phone, Random};
use callrec::wire::g711::Law;

#[test]
fn a_leg_changes_between_all_codecs() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let begin = phone.now;
    let codec = |n: u64| [0u8, 8, 9][(n / 50 % 3) as usize];
    let stream = (0..600).map(|n| {
        (
            begin + ms(20 * n),
            0,
            rtp(
                codec(n),
                n as u16,
                n as u32 * 160,
                5,
                &marked(n as usize, 160),
            ),
        )
    });
    phone.send(stream.collect::<Vec<_>>());
    phone.run_for(ms(12_000));
    let answer = phone.stop(id);
    assert_eq!(value(&answer, "frames"), Some("600"));
    assert_eq!(phone.counted("audio"), 600);
    let audio = phone.audio();
    let mu: Vec<Vec<u8>> = (0..600)
        .filter(|n| codec(*n) == 0)
        .map(|n| marked(n as usize, 160))
        .collect();
    assert_eq!(missing(&audio, &mu, 4000), [0usize; 0]);
    assert!(audio
        .chunks(8000)
        .all(|second| second.iter().filter(|code| **code != 0xFF).count() > 7000));
}

#[test]
fn no_timestamps_make_a_recording_longer_than_its_call() {
    let steps: [fn(u64, &mut Random) -> u32; 6] = [
        |n, _| (n * 1280) as u32,
        |n, _| (n * 80) as u32,
        |_, _| 77,
        |n, _| u32::MAX - (n * 160) as u32,
        |_, random| random.next() as u32,
        |n, _| (n * 1_500_000_000) as u32,
    ];
    for (which, step) in steps.into_iter().enumerate() {
        let mut random = Random(3);
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        let begin = phone.now;
        let sent = packets(1500, 160);
        let stream: Vec<Arriving> = (0..1500u64)
            .map(|n| {
                (
                    begin + ms(20 * n),
                    0,
                    rtp(0, n as u16, step(n, &mut random), 5, &sent[n as usize]),
                )
            })
            .collect();
        phone.send(stream);
        phone.run_for(ms(30_000));
        let answer = phone.stop(id);
        assert_eq!(value(&answer, "frames"), Some("1500"), "{which}");
        // In sequence and in time: their audio is there, whatever the timestamps say.
        assert_eq!(
            missing(&phone.audio(), &sent, 40_000),
            [0usize; 0],
            "{which}"
        );
    }
}

#[test]
fn a_flood_and_garbage_leave_the_other_leg_whole() {
    let mut random = Random(11);
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let sent = packets(500, 160);
    let begin = phone.now;
    let mut stream = leg(begin, 0, 0, 5, &sent);
    for n in 0..100_000u64 {
        let at = begin + ms(100) + callrec::base::time::Duration::from_nanos(n * 98_000);
        let len = random.below(300) as usize;
        let mut bytes: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        if n % 2 == 0 && len > 12 {
            (bytes[0], bytes[1]) = (0x80, 0); // strangers' PCMU packets, each of another source
        }
        stream.push((at, (n % 3) as usize, bytes));
    }
    phone.send(stream);
    phone.run_for(ms(10_000));
    let answer = phone.stop(id);
    assert_eq!(value(&answer, "frames"), Some("500"));
    assert_eq!(missing(&phone.audio(), &sent, 40_000), [0usize; 0]);
    let strangers = phone.counted("unconfirmed") + phone.counted("too_many_sources");
    assert!(
        strangers > 40_000 && phone.counted("not_rtp") > 10_000,
        "{strangers} strangers"
    );
    assert_eq!(phone.counted("bug"), 0);
}

#[test]
fn a_lost_packet_is_concealed_and_a_long_gap_is_silence() {
    let tone = |n: usize| -> Vec<u8> {
        let sample = |i: usize| (((n * 160 + i) as f64 * 0.157).sin() * 8000.0) as i32;
        let codes = (0..160).map(|i| Law::Mu.encode_one(sample(i)));
        codes
            .map(|code| if code == 0x7F { 0xFF } else { code })
            .collect()
    };
    let sent: Vec<Vec<u8>> = (0..200).map(tone).collect();
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let lost = |n: usize| n == 50 || (100..108).contains(&n);
    let stream = leg(phone.now, 0, 0, 5, &sent)
        .into_iter()
        .enumerate()
        .filter(|(n, _)| !lost(*n));
    phone.send(stream.map(|(_, packet)| packet).collect::<Vec<_>>());
    phone.run_for(ms(4000));
    phone.stop(id);
    let audio = phone.audio();
    let table = Law::Mu.decode_table();
    let energy = |from_ms: usize, to_ms: usize| -> f64 {
        let run = &audio[from_ms * 8..to_ms * 8];
        (run.iter()
            .map(|c| f64::from(table[usize::from(*c)]).powi(2))
            .sum::<f64>()
            / run.len() as f64)
            .sqrt()
    };
    assert!(
        energy(1000, 1020) > 4000.0,
        "one lost packet: {}",
        energy(1000, 1020)
    );
    let close = audio[8000..8160].iter().zip(&sent[50]).map(|(a, b)| {
        (f64::from(table[usize::from(*a)]) - f64::from(table[usize::from(*b)])).powi(2)
    });
    assert!(
        close.sum::<f64>() / 160.0 < 1000.0f64.powi(2),
        "a tone goes on as it was"
    );
    assert!(energy(2000, 2020) > 3000.0 && energy(2062, 2160) == 0.0);
    assert_eq!(phone.counted("concealed"), 160 + 480);
    let untouched = |n: usize| audio[n * 160..(n + 1) * 160] == sent[n];
    assert!(
        (0..200).filter(|n| !lost(*n)).all(untouched),
        "what arrived is untouched"
    );
}

#[test]
fn what_is_no_audio_leaves_silence() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let begin = phone.now;
    let kinds: [(u8, usize); 6] = [(13, 5), (19, 1), (101, 4), (0, 1), (77, 160), (127, 40)];
    let stream = (0..600u64).map(|n| {
        let (payload_type, len) = kinds[(n % 6) as usize];
        (
            begin + ms(10 * n),
            0,
            rtp(
                payload_type,
                n as u16,
                n as u32 * 80,
                5,
                &marked(n as usize, len),
            ),
        )
    });
    phone.send(stream.collect::<Vec<_>>());
    phone.run_for(ms(6000));
    let answer = phone.stop(id);
    assert_eq!(value(&answer, "frames"), Some("300"));
    assert!(phone.audio().iter().all(|code| *code == 0xFF));
    assert_eq!(
        (phone.counted("rtcp"), phone.counted("unknown_payload")),
        (0, 200)
    );
}

#[test]
fn a_packet_that_stays_alone_is_counted_not_heard() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    phone.send([(phone.now + ms(900), 0, rtp(0, 1, 2, 3, &marked(1, 160)))]);
    phone.run_for(ms(1000));
    phone.stop(id);
    assert!(phone.audio().iter().all(|code| *code == 0xFF));
    assert_eq!(
        (phone.counted("audio"), phone.counted("unconfirmed")),
        (1, 1)
    );
}
