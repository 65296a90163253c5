//! L16 whose bytes are swapped: it is noise, although it can be decoded.
//!
//! Audio changes little from sample to sample. With the bytes swapped it jumps, because the low
//! byte then weighs most. What is noise in either order says nothing.

use crate::base::limits::MONITOR_PACKETS;

/// One order of the bytes must be this many times as smooth as the other one. A full-scale tone of
/// 3.4 kHz at 8 kHz is half as smooth as noise.
const SMOOTHER: u32 = 3;
/// Packets in a row after which a source is muted: 100 ms.
const SWAPPED_PACKETS: u32 = 5;

/// What is known of one source.
#[derive(Clone, Copy, Debug)]
pub struct ByteOrderCheck {
    is_muted: bool,
    /// Packets in a row that contradict `is_muted`.
    contradicting: u32,
}

impl ByteOrderCheck {
    /// A source that has sent nothing yet.
    pub fn new() -> Self {
        Self {
            is_muted: false,
            contradicting: 0,
        }
    }

    /// Takes a payload of 16-bit samples.
    pub fn handle(&mut self, payload: &[u8]) {
        let right = roughness(payload, i16::from_be_bytes);
        let swapped = roughness(payload, i16::from_le_bytes);
        let is_swapped = if right > SMOOTHER * swapped {
            true
        } else if swapped > SMOOTHER * right {
            false
        } else {
            return;
        };
        if is_swapped == self.is_muted {
            self.contradicting = 0;
            return;
        }
        self.contradicting += 1;
        let needed = if self.is_muted {
            MONITOR_PACKETS
        } else {
            SWAPPED_PACKETS
        };
        if self.contradicting >= needed {
            self.is_muted = is_swapped;
            self.contradicting = 0;
        }
    }

    /// Nothing of it is to be heard.
    pub fn is_muted(&self) -> bool {
        self.is_muted
    }
}

impl Default for ByteOrderCheck {
    fn default() -> Self {
        Self::new()
    }
}

/// The sum of all steps from sample to sample.
fn roughness(payload: &[u8], sample: fn([u8; 2]) -> i16) -> u32 {
    let pairs = payload.chunks_exact(2);
    let mut last = None;
    let mut sum = 0;
    for value in pairs.map(|bytes| i32::from(sample([bytes[0], bytes[1]]))) {
        sum += (value - last.unwrap_or(value)).unsigned_abs();
        last = Some(value);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    /// Whether a source is muted after a second of packets of 20 ms at 16 kHz.
    fn muted(swap: bool, sample: &mut dyn FnMut(usize) -> i16) -> bool {
        let mut check = ByteOrderCheck::new();
        for packet in 0..50 {
            let samples = (packet * 320..(packet + 1) * 320).map(&mut *sample);
            let bytes = samples.flat_map(|sample| {
                if swap {
                    sample.to_le_bytes()
                } else {
                    sample.to_be_bytes()
                }
            });
            check.handle(&bytes.collect::<Vec<u8>>());
        }
        check.is_muted()
    }

    fn tone(hertz: f64, loudness: f64) -> impl FnMut(usize) -> i16 {
        move |n| {
            let phase = n as f64 * hertz * std::f64::consts::TAU / 16_000.0;
            (phase.sin() * loudness) as i16
        }
    }

    #[test]
    fn swapped_audio_is_muted_and_other_audio_is_not() {
        for hertz in [60.0, 440.0, 1000.0, 2100.0] {
            for loudness in [30.0, 3000.0, 12_000.0] {
                assert!(
                    muted(true, &mut tone(hertz, loudness)),
                    "{hertz} {loudness}"
                );
            }
        }
        for hertz in [60.0, 440.0, 3400.0, 6800.0, 7900.0] {
            for loudness in [0.0, 1.0, 30.0, 3000.0, 32_767.0] {
                let is_muted = muted(false, &mut tone(hertz, loudness));
                assert!(!is_muted, "{hertz} {loudness}");
            }
        }
        let mut random = Random(1);
        for shift in 0..16 {
            let mut noise = |_| random.next() as i16 >> shift;
            assert!(!muted(false, &mut noise), "{shift}");
        }
    }

    #[test]
    fn audio_in_the_right_order_unmutes() {
        let mut check = ByteOrderCheck::new();
        let quiet = [0, 1, 0, 3, 0, 2, 0, 9];
        let swapped = [1, 0, 3, 0, 2, 0, 9, 0];
        for _ in 0..5 {
            assert!(!check.is_muted());
            check.handle(&swapped);
        }
        assert!(check.is_muted());
        check.handle(&[0; 8]);
        for _ in 0..25 {
            assert!(check.is_muted());
            check.handle(&quiet);
        }
        assert!(!check.is_muted());
    }
}
