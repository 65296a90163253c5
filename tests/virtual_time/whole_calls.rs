//! Whole calls in virtual time: what comes out of the legs, and when.

use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::{marked, missing, ms, rtp, settings, value, Arriving, Phone, Random};
use callrec::base::time::Instant;
use callrec::wire::g711::Law;

#[test]
fn one_leg_of_any_packet_time_comes_out_bit_exact_in_20_ms_frames() {
    for (law, payload_type, codec) in [(Law::Mu, 0, "PCMU"), (Law::A, 8, "PCMA")] {
        for len in [40, 80, 160, 240, 320, 480] {
            let mut phone = Phone::new(settings());
            let id = phone.start(&format!("&codec={codec}"));
            let sent = packets(48_000 / len, len);
            phone.send(leg(phone.now + ms(7), 0, payload_type, 5, &sent));
            phone.run_for(ms(6007));
            let answer = phone.stop(id);
            let audio = phone.audio();
            assert_eq!(audio[..48_000], sent.concat(), "{law:?} {len}");
            assert_eq!(value(&answer, "frames"), Some("300"), "{answer}");
            assert_eq!(value(&answer, "duration_ms"), Some("6000"));
            assert_eq!(phone.counted("audio"), sent.len() as u64);
        }
    }
}

#[test]
fn two_legs_come_out_as_their_exact_mix() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let near: Vec<Vec<u8>> = packets(500, 160);
    let far: Vec<Vec<u8>> = (0..500)
        .map(|n| marked(n + 9000, 160).iter().map(|c| c & 0x7F).collect())
        .collect();
    phone.send(leg(phone.now + ms(3), 0, 0, 5, &near));
    // The second leg's packets come a moment later, as they would from one media engine.
    phone.send(leg(phone.now + ms(4), 1, 0, 6, &far));
    phone.run_for(ms(10_003));
    phone.stop(id);
    let table = Law::Mu.decode_table();
    let linear = |code: u8| i32::from(table[usize::from(code)]);
    let both = near.concat().into_iter().zip(far.concat());
    let mix: Vec<u8> = both
        .map(|(a, b)| Law::Mu.encode_one(linear(a) + linear(b)))
        .collect();
    assert!(phone.audio()[..80_000] == mix);
}

#[test]
fn loss_jitter_reordering_and_duplicates_cost_only_what_was_lost() {
    for seed in 0..4 {
        let mut random = Random(seed);
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        let sent = packets(3 * 60 * 50, 160);
        let mut lost = vec![];
        let mut stream = vec![];
        let begin = phone.now + ms(50);
        for (number, (at, port, bytes)) in leg(begin, 0, 0, 5, &sent).into_iter().enumerate() {
            if number > 2 && random.below(100) < 5 {
                lost.push(number);
                continue;
            }
            // Up to 150 ms late: packets overtake each other.
            let delay = if !(3..=8980).contains(&number) {
                0
            } else {
                random.below(150) * random.below(2)
            };
            stream.push((at + ms(delay), port, bytes.clone()));
            if random.below(100) < 3 {
                stream.push((at + ms(delay + random.below(100)), port, bytes));
            }
        }
        phone.send(stream);
        phone.run_for(ms(180_050));
        let answer = phone.stop(id);
        let gone = missing(&phone.audio(), &sent, 1000);
        let unexpected: Vec<_> = gone.iter().filter(|n| !lost.contains(n)).collect();
        assert_eq!(
            unexpected,
            [&0usize; 0],
            "seed {seed} {:?}",
            phone.recorder.totals().all().collect::<Vec<_>>()
        );
        assert_eq!(gone, lost, "seed {seed}");
        let frames: u64 = value(&answer, "frames").unwrap().parse().unwrap();
        assert!(frames.abs_diff(180_050 / 20) <= 1, "{answer}");
        assert_eq!(phone.counted("audio"), (sent.len() - lost.len()) as u64);
        assert!(phone.counted("duplicate") > 100 && phone.counted("late") == 0);
    }
}

/// Sends of a leg whose clock runs `ppm` fast: silence, with a click at each whole ten seconds of
/// true time. What stands in the recording is where the click was heard.
fn clicking(
    phone: &Phone,
    port: usize,
    ppm: f64,
    click: u8,
    seconds: u64,
    random: &mut Random,
) -> Vec<Arriving> {
    let begin = phone.now;
    let rate = 8000.0 * (1.0 + ppm / 1e6);
    let count = (seconds as f64 * rate / 160.0) as u64;
    let packet = |number: u64| {
        let mut payload = vec![0xFF; 160];
        let (from, to) = (number * 160, (number + 1) * 160);
        let first = (from as f64 / rate / 10.0 - 1e-9).ceil() as u64;
        let at = (first as f64 * 10.0 * rate).round() as u64;
        if first > 0 && (from..to).contains(&at) {
            payload[(at - from) as usize] = click;
        }
        let nanos = (from as f64 / rate * 1e9) as u64 + random.below(8_000_000);
        let arrival = begin + callrec::base::time::Duration::from_nanos(nanos);
        (
            arrival,
            port,
            rtp(
                0,
                number as u16,
                (from as u32).wrapping_mul(1),
                7 + port as u32,
                &payload,
            ),
        )
    };
    (0..count).map(packet).collect()
}

#[test]
fn legs_with_wrong_clocks_stay_together_for_hours() {
    for (ppm_near, ppm_far, hours) in [
        (500.0, 0.0, 8),
        (0.0, -500.0, 8),
        (100.0, -100.0, 2),
        (-100.0, 100.0, 2),
    ] {
        let seconds = hours * 3600;
        let mut phone = Phone::new(settings());
        let id = phone.start("");
        let mut random = Random(hours);
        let near = clicking(&phone, 0, ppm_near, 0x80, seconds, &mut random);
        let far = clicking(&phone, 1, ppm_far, 0x00, seconds, &mut random);
        let sent = (near.len() + far.len()) as u64;
        phone.send(near.into_iter().chain(far));
        phone.run_for(ms(seconds * 1000));
        let answer = phone.stop(id);
        let frames: i64 = value(&answer, "frames").unwrap().parse().unwrap();
        assert!((frames - seconds as i64 * 50).abs() <= 1, "{answer}");
        let audio = phone.audio();
        let found = |click: u8| -> Vec<i64> {
            (0..audio.len())
                .filter(|at| audio[*at] == click)
                .map(|at| at as i64)
                .collect()
        };
        let (near, far) = (found(0x80), found(0x00));
        // Clicks that fall together cancel out, and one may be the sample that a skew step leaves
        // out.
        assert!(
            near.len() as u64 * 10 > seconds * 95 / 100
                && far.len() as u64 * 10 > seconds * 95 / 100,
            "{} {} of {}",
            near.len(),
            far.len(),
            seconds / 10
        );
        for clicks in [&near, &far] {
            for at in clicks.iter() {
                let off = (at + 40_000).rem_euclid(80_000) - 40_000;
                assert!(
                    off.abs() <= 160,
                    "{ppm_near} {ppm_far}: {off} samples off at {} s",
                    at / 8000
                );
            }
        }
        assert_eq!(phone.counted("audio"), sent);
        assert_eq!(
            (phone.counted("late"), phone.counted("reanchored")),
            (0, 0),
            "{ppm_near} {ppm_far}"
        );
    }
}

/// A sender that changes its timestamps, its sequence and its SSRC, is silent, and sends what is no
/// audio.
struct FickleSender {
    time: Instant,
    sequence: u16,
    timestamp: u32,
    ssrc: u32,
    stream: Vec<Arriving>,
}

impl FickleSender {
    fn change(&mut self, number: usize) {
        match number {
            500 => self.timestamp = self.timestamp.wrapping_add(1_500_000_000),
            900 => self.timestamp = self.timestamp.wrapping_sub(90_000),
            1200 => self.ssrc = 0,
            1500 => {
                self.sequence = self.sequence.wrapping_add(30_000);
                self.timestamp = 4_000_000_000;
            }
            // Held: the timestamp stands still.
            1800 => self.time = self.time + ms(400),
            2100 => {
                // Silence suppression: the timestamp continues.
                self.time = self.time + ms(3000);
                self.timestamp = self.timestamp.wrapping_add(24_000);
            }
            2400 => self.time = self.time + ms(30_000),
            2700 => self.ssrc = 99,
            _ => {}
        }
    }

    fn send(&mut self, payload_type: u8, timestamp: u32, payload: &[u8]) {
        let packet = rtp(payload_type, self.sequence, timestamp, self.ssrc, payload);
        self.stream.push((self.time, 0, packet));
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Comfort noise, a telephone event, an empty packet.
    fn send_no_audio(&mut self) {
        self.send(13, self.timestamp, &[0x40]);
        self.send(101, self.timestamp.wrapping_sub(800), &[1, 10, 0, 160]);
        self.send(0, self.timestamp, &[]);
    }
}

#[test]
fn nothing_that_arrived_is_lost_when_the_sender_changes_its_mind() {
    let mut phone = Phone::new(settings());
    let id = phone.start("");
    let sent = packets(3000, 160);
    let mut sender = FickleSender {
        time: phone.now + ms(10),
        sequence: 7,
        timestamp: 1000,
        ssrc: 5,
        stream: vec![],
    };
    for (number, payload) in sent.iter().enumerate() {
        sender.change(number);
        if number % 100 == 50 {
            sender.send_no_audio();
        }
        sender.send(0, sender.timestamp, payload);
        sender.time = sender.time + ms(20);
        sender.timestamp = sender.timestamp.wrapping_add(160);
    }
    let length = sender.time.since(phone.now);
    phone.send(sender.stream);
    phone.run_for(length);
    let answer = phone.stop(id);
    assert_eq!(missing(&phone.audio(), &sent, 40_000), [0usize; 0]);
    let frames: u64 = value(&answer, "frames").unwrap().parse().unwrap();
    let expected = length.millis() / 20;
    assert!(frames.abs_diff(expected) <= 1, "{answer} {expected}");
    assert_eq!(phone.counted("audio"), 3000);
    for counter in ["comfort_noise", "telephone_event", "empty"] {
        assert_eq!(phone.counted(counter), 30, "{counter}");
    }
}

#[test]
fn what_came_in_a_burst_just_before_the_stop_is_in_the_recording() {
    for stalled in [100, 300, 800, 1500] {
        for talks_on in [1, 5, 40] {
            let mut phone = Phone::new(settings());
            let id = phone.start("");
            let sent = packets(100 + stalled / 20 + talks_on, 160);
            let mut stream = leg(phone.now + ms(7), 0, 0, 5, &sent);
            let behind = stream[100 + stalled / 20].0;
            stream[100..100 + stalled / 20]
                .iter_mut()
                .for_each(|packet| packet.0 = behind);
            let ends = stream.last().unwrap().0;
            phone.send(stream);
            phone.run_until(ends + ms(20));
            phone.stop(id);
            let lost = missing(&phone.audio(), &sent, 2000);
            assert!(
                lost.is_empty(),
                "{stalled} ms, {talks_on} packets: {lost:?}"
            );
        }
    }
}
