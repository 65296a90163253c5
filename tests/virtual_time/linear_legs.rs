//! Legs of 16-bit linear samples, in virtual time: what remains of each tone, where it lies, and
//! that the order of the packets does not matter.

use std::f64::consts::TAU;

use crate::virtual_phone::legs::{leg, packets};
use crate::virtual_phone::{ms, rtp, settings, value, Arriving, Phone, Random};
use callrec::wire::g711::Law;

const FORMATS: &str = "&legs=1&formats=96:L16/16000,97:L16/8000";

fn tone(hertz: f64, amplitude: f64, rate: f64, seconds: usize) -> Vec<i16> {
    let sample = |n: usize| (n as f64 / rate * hertz * TAU).sin() * amplitude;
    (0..seconds * rate as usize)
        .map(|n| sample(n).round() as i16)
        .collect()
}

/// The leg begins this many frames after the recording: a first packet that others overtake is then
/// not from before it.
const BEGIN: usize = 10;

/// Packets of `len` samples each, in network byte order; `delay` holds each up by milliseconds.
fn linear(
    phone: &Phone,
    payload_type: u8,
    samples: &[i16],
    len: usize,
    mut delay: impl FnMut() -> u64,
) -> Vec<Arriving> {
    let rate = if payload_type == 96 { 16 } else { 8 };
    let from = phone.now + ms(7 + 20 * BEGIN as u64);
    let packet = |(number, samples): (usize, &[i16])| {
        let payload: Vec<u8> = samples.iter().flat_map(|s| s.to_be_bytes()).collect();
        // The timestamp wraps soon.
        let timestamp = (number * len) as u32;
        let timestamp = timestamp.wrapping_sub(20_000);
        let bytes = rtp(payload_type, number as u16, timestamp, 5, &payload);
        let at = from + ms((number * len / rate) as u64 + delay());
        (at, 0, bytes)
    };
    let mut stream: Vec<Arriving> = samples.chunks_exact(len).enumerate().map(packet).collect();
    stream.sort_by_key(|(at, ..)| *at);
    stream
}

/// Records what `packets` makes; the recorded codes.
fn record(law: Law, packets: impl FnOnce(&Phone) -> Vec<Arriving>) -> Vec<u8> {
    let mut phone = Phone::new(settings());
    let codec = law.name();
    let id = phone.start(&format!("{FORMATS}&codec={codec}"));
    let stream = packets(&phone);
    let (count, last) = (stream.len() as u64, stream.last().unwrap().0);
    phone.send(stream);
    phone.run_until(last + ms(600));
    phone.stop(id);
    assert_eq!(phone.counted("audio"), count);
    for nothing in [
        "concealed",
        "skew_steps",
        "wrong_clock",
        "reanchored",
        "bug",
    ] {
        assert_eq!(phone.counted(nothing), 0, "{nothing}");
    }
    phone.audio()
}

/// Amplitude and phase of a tone in a second of audio that begins with a frame.
fn measure(codes: &[u8], hertz: f64) -> (f64, f64) {
    let second = &codes[160 * BEGIN..][8000..16_000];
    let (mut sine, mut cosine) = (0.0, 0.0);
    for (n, code) in second.iter().enumerate() {
        let sample = f64::from(Law::Mu.decode_one(*code));
        let phase = n as f64 * hertz * TAU / 8000.0;
        sine += sample * phase.sin() / 4000.0;
        cosine += sample * phase.cos() / 4000.0;
    }
    (f64::hypot(sine, cosine), cosine.atan2(sine))
}

fn decibels(ratio: f64) -> f64 {
    20.0 * ratio.log10()
}

#[test]
fn tones_up_to_3_4_khz_pass_and_none_is_delayed() {
    let amplitude = 20_000.0;
    for hertz in (100..=3400).step_by(100) {
        let hertz = f64::from(hertz);
        let samples = tone(hertz, amplitude, 16_000.0, 3);
        let codes = record(Law::Mu, |phone| linear(phone, 96, &samples, 320, || 0));
        let (found, phase) = measure(&codes, hertz);
        let gain = decibels(found / amplitude);
        assert!(gain.abs() < 0.1, "{hertz} Hz: {gain:.3} dB");
        // Frames begin where periods begin, so that the phase shows the delay: in samples.
        let delay = phase / TAU * 8000.0 / hertz;
        assert!(delay.abs() < 0.02, "{hertz} Hz: {delay:.3} samples");
    }
}

#[test]
fn tones_from_4_6_khz_on_leave_no_alias() {
    let amplitude = 20_000.0;
    for hertz in (4600..=7900).step_by(100) {
        let hertz = f64::from(hertz);
        let samples = tone(hertz, amplitude, 16_000.0, 3);
        let codes = record(Law::Mu, |phone| linear(phone, 96, &samples, 320, || 0));
        let (alias, _) = measure(&codes, 8000.0 - hertz);
        let gain = decibels(alias / amplitude);
        assert!(gain < -50.0, "{hertz} Hz: {gain:.1} dB");
    }
}

#[test]
fn neither_packet_time_nor_jitter_changes_a_sample() {
    let mut random = Random(5);
    let samples: Vec<i16> = (0..48_000).map(|_| random.next() as i16 / 4).collect();
    for law in [Law::Mu, Law::A] {
        let whole = record(law, |phone| linear(phone, 96, &samples, 320, || 0));
        let whole = &whole[160 * BEGIN..][..24_000];
        for (len, most) in [(160, 50), (320, 100), (480, 100), (640, 100)] {
            for jitter in [1, most / 2, most] {
                let codes = record(law, |phone| {
                    linear(phone, 96, &samples, len, || random.below(jitter))
                });
                let found = codes.windows(whole.len()).any(|run| run == whole);
                assert!(found, "{law:?} {len} samples, {jitter} ms");
            }
        }
    }
}

#[test]
fn samples_at_8_khz_become_their_codes() {
    let mut random = Random(6);
    let samples: Vec<i16> = (0..25_600).map(|_| random.next() as i16 / 2).collect();
    for law in [Law::Mu, Law::A] {
        let encoded = samples
            .iter()
            .map(|sample| law.encode_one((*sample).into()));
        let expected: Vec<u8> = encoded.collect();
        for len in [80, 160, 320, 640] {
            let stream = |phone: &Phone| linear(phone, 97, &samples, len, || random.below(60));
            let codes = record(law, stream);
            let found = codes.windows(expected.len()).any(|run| run == expected);
            assert!(found, "{law:?} {len}");
        }
    }
}

#[test]
fn a_lost_packet_is_concealed_and_spoils_no_other() {
    let samples = tone(400.0, 10_000.0, 16_000.0, 3);
    let whole = record(Law::Mu, |phone| linear(phone, 96, &samples, 320, || 0));
    let mut phone = Phone::new(settings());
    let id = phone.start(FORMATS);
    let mut stream = linear(&phone, 96, &samples, 320, || 0);
    stream.remove(60);
    phone.send(stream);
    phone.run_for(ms(3800));
    phone.stop(id);
    let codes = phone.audio();
    assert_eq!(phone.counted("concealed"), 160);
    // The filter reaches 12 samples beyond the packet at either side.
    let (gap, reach) = ((BEGIN + 60) * 160, 12);
    assert_eq!(codes[..gap - reach], whole[..gap - reach]);
    let behind = gap + 160 + reach;
    assert_eq!(codes[behind..25_000], whole[behind..25_000]);
}

#[test]
fn swapped_bytes_are_muted_and_told() {
    for (payload_type, len) in [(96, 320), (97, 160)] {
        let mut phone = Phone::new(settings());
        let id = phone.start("&formats_2=96:L16/16000,97:L16/8000");
        let sent = packets(1000, 160);
        let mut stream = leg(phone.now + ms(7), 0, 0, 5, &sent);
        let rate = if payload_type == 96 { 16_000.0 } else { 8000.0 };
        let samples = tone(300.0, 4000.0, rate, 20);
        let swapped: Vec<i16> = samples.iter().map(|sample| sample.swap_bytes()).collect();
        let other = linear(&phone, payload_type, &swapped, len, || 0);
        stream.extend(other.into_iter().map(|(at, _, bytes)| (at, 1, bytes)));
        phone.send(stream);
        phone.run_for(ms(20_500));
        let response = phone.stop(id);
        let told: Vec<&String> = phone
            .events
            .iter()
            .filter(|event| event.contains("state=unintelligible"))
            .collect();
        assert_eq!(told.len(), 1, "{:?}", phone.events);
        assert_eq!(value(told[0], "reason"), Some("byte order"));
        assert_eq!(value(told[0], "leg"), Some("41002"));
        assert_eq!(value(&response, "heard"), Some("both"));
        // A tenth of a second of noise remains, and what was waiting is not mixed.
        let audio = phone.audio();
        let good = sent[20..].concat();
        assert!(audio.windows(good.len()).any(|run| run == good));
    }
}
