//! Payloads whose codes are all equally frequent: they are encrypted, and what they carry is noise.
//!
//! SRTP without an authentication tag leaves the length of a packet as it is, but ciphertext uses
//! all 256 codes alike. Pearson's chi-square of a sample measures how far a source is from that: 255
//! with a standard deviation of 23 for ciphertext, 549 for the flattest audio that was found.
//! Everything a source sends counts until the first sample is complete, then one packet of 50, so
//! that a call in the clear costs nothing. While a source is muted everything counts again.

use crate::base::limits::{CIPHERTEXT_PERIOD, CIPHERTEXT_SAMPLE};

/// Below this, a sample is ciphertext; one of 5000 samples of ciphertext lies above it.
const MOST: u32 = 340;
/// From this on, a source that was muted is audio again: one sample decides, and none of ciphertext
/// is that uneven.
const LEAST_OF_AUDIO: u32 = 450;

/// The codes of one source, counted.
#[derive(Clone, Debug)]
pub struct CiphertextCheck {
    /// How often each code came. One that saturates is far beyond those of ciphertext.
    counts: [u8; 256],
    counted: u16,
    /// Packets that are not looked at before the next one is.
    skipped: u8,
    is_first: bool,
    is_muted: bool,
}

impl CiphertextCheck {
    /// A source that has sent nothing yet.
    pub fn new() -> Self {
        Self {
            counts: [0; 256],
            counted: 0,
            skipped: 0,
            is_first: true,
            is_muted: false,
        }
    }

    /// This packet is one of those that are not looked at.
    #[inline(always)] // for each packet
    pub fn skips(&mut self) -> bool {
        match self.skipped {
            0 => false,
            _ => {
                self.skipped -= 1;
                true
            }
        }
    }

    /// Takes each `stride`th byte of a payload, which are its codes, unless it `skips` the packet.
    pub fn handle(&mut self, payload: &[u8], stride: usize) {
        if !self.skips() {
            self.count(payload, stride);
        }
    }

    /// Nothing of it is to be heard.
    pub fn is_muted(&self) -> bool {
        self.is_muted
    }

    #[inline(never)]
    fn count(&mut self, payload: &[u8], stride: usize) {
        // A loop by index: half the instructions of `step_by`, 160 times a packet.
        let mut at = 0;
        while let (true, Some(code)) = (self.counted < CIPHERTEXT_SAMPLE, payload.get(at)) {
            let count = &mut self.counts[usize::from(*code)];
            *count = count.saturating_add(1);
            self.counted += 1;
            at += stride;
        }
        if self.counted == CIPHERTEXT_SAMPLE {
            self.judge();
        }
        if !self.is_first && !self.is_muted {
            self.skipped = CIPHERTEXT_PERIOD - 1;
        }
    }

    /// Decides by the complete sample, and begins the next one.
    fn judge(&mut self) {
        let squares = if self.counts.contains(&u8::MAX) {
            u32::MAX // a count has saturated
        } else {
            self.counts.iter().map(|n| u32::from(*n).pow(2)).sum()
        };
        self.is_muted = if self.is_muted {
            squares < squares_of(LEAST_OF_AUDIO)
        } else {
            squares < squares_of(MOST)
        };
        self.is_first = false;
        self.counted = 0;
        self.counts.fill(0);
    }
}

impl Default for CiphertextCheck {
    fn default() -> Self {
        Self::new()
    }
}

/// The sum of the squared counts of a sample whose chi-square is this: `chi = 256 * sum / n - n`.
const fn squares_of(chi_square: u32) -> u32 {
    let sample = CIPHERTEXT_SAMPLE as u32;
    (chi_square + sample) * sample / 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;
    use crate::wire::g711::Law;

    /// After how many packets of 160 bytes a source is muted, and how often that changed.
    fn muted(packets: usize, mut code: impl FnMut(usize) -> u8) -> (Option<usize>, usize) {
        let mut check = CiphertextCheck::new();
        let mut verdicts = vec![false];
        for packet in 0..packets {
            let payload: Vec<u8> = (0..160).map(|n| code(packet * 160 + n)).collect();
            check.handle(&payload, 1);
            verdicts.push(check.is_muted());
        }
        let changes = verdicts.windows(2).filter(|pair| pair[0] != pair[1]);
        (verdicts.iter().position(|muted| *muted), changes.count())
    }

    #[test]
    fn ciphertext_is_muted_after_its_first_second_and_stays_muted() {
        for seed in 0..20 {
            let mut random = Random(seed);
            let verdict = muted(20_000, |_| random.next() as u8);
            assert_eq!(verdict, (Some(50), 1), "{seed}");
        }
    }

    #[test]
    fn audio_is_not_taken_for_ciphertext() {
        let mut random = Random(3);
        let mut noise = |loudness: f64| {
            // Four uniform numbers are nearly a normal distribution.
            let sum: f64 = (0..4).map(|_| random.next() as u16 as f64 / 65536.0).sum();
            ((sum - 2.0) * 1.73 * loudness) as i32
        };
        for law in [Law::Mu, Law::A] {
            for loudness in [0.0, 1.0, 8.0, 50.0, 300.0, 2000.0, 8000.0, 14_000.0] {
                let verdict = muted(10_000, |_| law.encode_one(noise(loudness)));
                assert_eq!(verdict.0, None, "{law:?} {loudness}");
            }
            let silence = muted(10_000, |_| law.silence());
            assert_eq!(silence.0, None);
        }
    }

    #[test]
    fn a_source_that_becomes_audio_is_heard_again() {
        let mut random = Random(4);
        let mut code = |n: usize| match n / 160 {
            0..100 => random.next() as u8,
            _ => 0x80 | (random.next() as u8 & 0x3F),
        };
        let mut check = CiphertextCheck::new();
        let mut verdicts = vec![];
        for packet in 0..200 {
            let payload: Vec<u8> = (0..160).map(|n| code(packet * 160 + n)).collect();
            check.handle(&payload, 1);
            verdicts.push(check.is_muted());
        }
        assert!(verdicts[99] && !verdicts[149] && !verdicts[199]);
    }
}
