//! Audio that resembles noise, made by formulas: music, modems, tones.
#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

use std::f64::consts::TAU;

/// A generator with a seed, for noise and for the bits of modems.
pub struct Bits(u64);

impl Bits {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        self.0 >> 33
    }

    /// From -1 to 1.
    fn noise(&mut self) -> f64 {
        self.next() as f64 / f64::from(1u32 << 30) - 1.0
    }
}

/// A signal's name, and its samples.
pub type Signal = (&'static str, Vec<i16>);

/// Every signal, of so many seconds, at this rate.
pub fn all(rate: usize, seconds: usize) -> Vec<Signal> {
    let count = rate * seconds;
    let rate = rate as f64;
    let mut signals = vec![
        ("silence", vec![0; count]),
        ("loud music", music(count, rate)),
        ("a fax's V.21", v21(count, rate)),
        ("a fax's CNG", tone(count, rate, 1100.0, 8000.0)),
        ("a modem's answer", answer(count, rate)),
        ("full scale", tone(count, rate, 440.0, 32_767.0)),
        ("3.4 kHz", tone(count, rate, 3400.0, 32_767.0)),
        ("digits", digits(count, rate)),
        ("speech", speech(count, rate)),
    ];
    for (name, loudness) in [
        ("quiet noise", 30.0),
        ("comfort noise", 300.0),
        ("loud noise", 8000.0),
    ] {
        let mut bits = Bits(7);
        let noise = (0..count).map(|_| (gauss(&mut bits) * loudness) as i16);
        signals.push((name, noise.collect()));
    }
    for (name, baud, carrier, points) in [
        ("V.29", 2400.0, 1700.0, 4),
        ("V.17", 2400.0, 1800.0, 12),
        ("V.34", 3200.0, 1829.0, 32),
    ] {
        signals.push((name, modem(count, rate, baud, carrier, points)));
    }
    signals
}

fn gauss(bits: &mut Bits) -> f64 {
    (0..6).map(|_| bits.noise()).sum::<f64>() / 1.414
}

fn tone(count: usize, rate: f64, hertz: f64, loudness: f64) -> Vec<i16> {
    let sample = |n: usize| ((n as f64 / rate * hertz * TAU).sin() * loudness) as i16;
    (0..count).map(sample).collect()
}

/// Chords with overtones, drums, all of it compressed as for the radio.
fn music(count: usize, rate: f64) -> Vec<i16> {
    let mut bits = Bits(1);
    let chords = [
        [220.0, 277.2, 329.6],
        [196.0, 246.9, 293.7],
        [174.6, 220.0, 261.6],
    ];
    let sample = |n: usize| {
        let time = n as f64 / rate;
        let chord = chords[(time * 2.0) as usize % chords.len()];
        let mut sum = 0.0;
        for note in chord {
            for overtone in 1..6 {
                let hertz = note * f64::from(overtone);
                sum += (time * hertz * TAU).sin() / f64::from(overtone);
            }
        }
        let beat = (-(time * 4.0).fract() * 8.0).exp();
        sum += bits.noise() * beat * 4.0;
        ((sum * 1.2).tanh() * 32_000.0) as i16
    };
    (0..count).map(sample).collect()
}

/// 300 bit/s, 1650 and 1850 Hz.
fn v21(count: usize, rate: f64) -> Vec<i16> {
    let mut bits = Bits(2);
    let mut phase = 0.0;
    let mut hertz = 1650.0;
    let mut left = 0.0;
    let sample = |_| {
        if left <= 0.0 {
            left += rate / 300.0;
            hertz = if bits.next() & 1 == 0 { 1650.0 } else { 1850.0 };
        }
        left -= 1.0;
        phase += hertz / rate * TAU;
        (f64::sin(phase) * 7000.0) as i16
    };
    (0..count).map(sample).collect()
}

/// 2100 Hz whose phase is reversed each 450 ms (V.25).
fn answer(count: usize, rate: f64) -> Vec<i16> {
    let mut samples = tone(count, rate, 2100.0, 9000.0);
    let run = (rate * 0.45) as usize;
    for reversed in samples.chunks_mut(run).skip(1).step_by(2) {
        reversed.iter_mut().for_each(|sample| *sample = -*sample);
    }
    samples
}

fn digits(count: usize, rate: f64) -> Vec<i16> {
    let rows = [697.0, 770.0, 852.0, 941.0];
    let columns = [1209.0, 1336.0, 1477.0, 1633.0];
    let sample = |n: usize| {
        let time = n as f64 / rate;
        let digit = (time * 5.0) as usize;
        if (time * 5.0).fract() > 0.5 {
            return 0;
        }
        let [row, column] = [rows[digit % 4], columns[digit / 4 % 4]];
        (((time * row * TAU).sin() + (time * column * TAU).sin()) * 9000.0) as i16
    };
    (0..count).map(sample).collect()
}

/// Syllables of a voice at 120 Hz, and hisses.
fn speech(count: usize, rate: f64) -> Vec<i16> {
    let mut bits = Bits(3);
    let sample = |n: usize| {
        let time = n as f64 / rate;
        let syllable = (time * 4.0 * TAU).sin().max(0.0);
        let voice: f64 = (1..20)
            .map(|k| (time * 120.0 * f64::from(k) * TAU).sin() / f64::from(k))
            .sum();
        let hiss = bits.noise() * (time * 1.3 * TAU).sin().max(0.0);
        ((voice * syllable + hiss * 0.3) * 8000.0) as i16
    };
    (0..count).map(sample).collect()
}

/// QAM with `points` levels on each axis, and pulses of a raised cosine.
fn modem(count: usize, rate: f64, baud: f64, carrier: f64, points: u64) -> Vec<i16> {
    let mut bits = Bits(points);
    let symbols = (count as f64 / rate * baud) as usize + 12;
    let level = |bits: &mut Bits| (2 * (bits.next() % points)) as f64 + 1.0 - points as f64;
    let constellation: Vec<[f64; 2]> = (0..symbols)
        .map(|_| [level(&mut bits), level(&mut bits)])
        .collect();
    let pulse = |x: f64| {
        let roll = 0.15;
        let sinc = if x == 0.0 {
            1.0
        } else {
            (x * TAU / 2.0).sin() / (x * TAU / 2.0)
        };
        let width = 1.0 - (2.0 * roll * x).powi(2);
        let window = if width.abs() < 1e-6 {
            0.785
        } else {
            (roll * x * TAU / 2.0).cos() / width
        };
        sinc * window
    };
    let sample = |n: usize| {
        let time = n as f64 / rate;
        let at = time * baud + 6.0;
        let near = (at as usize - 5)..(at as usize + 6);
        let [mut real, mut imaginary] = [0.0, 0.0];
        for number in near {
            let share = pulse(at - number as f64);
            real += constellation[number][0] * share;
            imaginary += constellation[number][1] * share;
        }
        let phase = time * carrier * TAU;
        let sum = real * phase.cos() - imaginary * phase.sin();
        (sum * 9000.0 / points as f64) as i16
    };
    (0..count).map(sample).collect()
}
