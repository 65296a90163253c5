//! Two parties that can be told apart by ear and by machine: syllables of a voice-like tone, the
//! near one low and falling, the far one high and rising. They take turns and sometimes talk at
//! once.

use std::f64::consts::TAU;

const RATE: f64 = 8000.0;

/// The near party's samples: 120 Hz, talks in the first three of each five seconds.
pub(super) fn near(seconds: f64) -> Vec<i16> {
    voice(seconds, 120.0, -20.0, |t| t % 5.0 < 3.0)
}

/// The far party's samples: 310 Hz, talks in the last three of each five seconds.
pub(super) fn far(seconds: f64) -> Vec<i16> {
    voice(seconds, 310.0, 60.0, |t| t % 5.0 >= 2.0)
}

fn voice(seconds: f64, pitch: f64, glide: f64, talks: impl Fn(f64) -> bool) -> Vec<i16> {
    const SYLLABLE: f64 = 0.25;
    let mut phase = 0.0;
    let samples = (0..(seconds * RATE) as usize).map(|index| {
        let time = index as f64 / RATE;
        let into = time % SYLLABLE / SYLLABLE;
        phase += TAU * (pitch + glide * into) / RATE;
        let loudness = if talks(time) {
            (into * std::f64::consts::PI).sin().powi(2) * 6000.0
        } else {
            0.0
        };
        let harmonics = (1..=5)
            .map(|n| (phase * f64::from(n)).sin() / f64::from(n))
            .sum::<f64>();
        (loudness * harmonics) as i16
    });
    samples.collect()
}
