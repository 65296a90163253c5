//! G.711: PCMU (mu-law) and PCMA (A-law) <-> 16-bit linear samples.
//!
//! Decoding is one load from a table that is computed at build time. Encoding is one load, too,
//! from a table of all 14-bit values that `prepare` computes at start: 16 KiB of memory instead of
//! flash. A sum of decoded samples has no more than 14 significant bits; other samples (G.722,
//! concealment) are rounded down to 14 bits. Two codes are mixed by one load from a table of all
//! pairs: 64 KiB, of which speech uses the middle.

use std::sync::OnceLock;

/// The two laws, which are also the codecs a recording can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

/// PCMU has two codes for zero, 0x7F and 0xFF; 0xFF is sent.
pub const MU_SILENCE: u8 = 0xFF;
/// The smallest positive value: A-law has no zero.
pub const A_SILENCE: u8 = 0xD5;

static MU_DECODE: [i16; 256] = decode_table(Law::Mu);
static A_DECODE: [i16; 256] = decode_table(Law::A);
/// The codes of the 14-bit values, starting with -8192.
type EncodeTable = [u8; 1 << 14];
/// The code of the sum of two codes, at index first * 256 + second.
type PairTable = [u8; 1 << 16];
static MU_PAIRS: OnceLock<Box<[u8]>> = OnceLock::new();
static A_PAIRS: OnceLock<Box<[u8]>> = OnceLock::new();
static MU_ENCODE: OnceLock<Box<EncodeTable>> = OnceLock::new();
static A_ENCODE: OnceLock<Box<EncodeTable>> = OnceLock::new();

impl Law {
    /// The static payload type (RFC 3551).
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Mu => 0,
            Self::A => 8,
        }
    }

    /// The name in configuration, messages and file headers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mu => "PCMU",
            Self::A => "PCMA",
        }
    }

    /// The code of silence.
    pub const fn silence(self) -> u8 {
        match self {
            Self::Mu => MU_SILENCE,
            Self::A => A_SILENCE,
        }
    }

    /// Code -> linear, for all 256 codes.
    pub fn decode_table(self) -> &'static [i16; 256] {
        match self {
            Self::Mu => &MU_DECODE,
            Self::A => &A_DECODE,
        }
    }

    /// Code -> linear sample.
    pub fn decode_one(self, code: u8) -> i16 {
        self.decode_table()[usize::from(code)]
    }

    /// Decodes codes to linear samples, up to the length of the shorter slice.
    pub fn decode(self, codes: &[u8], samples: &mut [i16]) {
        let table = self.decode_table();
        for (code, sample) in codes.iter().zip(samples) {
            *sample = table[usize::from(*code)];
        }
    }

    /// Computes the table that `encode_one` uses, on the heap; a recorder does this at start.
    pub fn prepare(self) -> &'static EncodeTable {
        let (table, encode) = match self {
            Self::Mu => (&MU_ENCODE, encode_mu as fn(i32) -> u8),
            Self::A => (&A_ENCODE, encode_a as fn(i32) -> u8),
        };
        table.get_or_init(|| {
            let mut table = Box::new([0; 1 << 14]);
            for (value, code) in (-8192..).zip(table.iter_mut()) {
                *code = encode(value * 4);
            }
            table
        })
    }

    /// Encodes a linear sample, saturated to 16 bits.
    pub fn encode_one(self, sample: i32) -> u8 {
        self.prepare()[((sample >> 2).clamp(-8192, 8191) + 8192) as usize]
    }

    /// Computes the table that `mix` uses, on the heap, once; takes a few milliseconds.
    pub fn prepare_pairs(self) -> &'static [u8] {
        let table = match self {
            Self::Mu => &MU_PAIRS,
            Self::A => &A_PAIRS,
        };
        table.get_or_init(|| {
            let mut pairs = vec![0; size_of::<PairTable>()].into_boxed_slice();
            for (i, code) in pairs.iter_mut().enumerate() {
                let sum = i32::from(self.decode_one((i >> 8) as u8))
                    + i32::from(self.decode_one(i as u8));
                *code = self.encode_one(sum);
            }
            pairs
        })
    }

    /// Computes the codes of the saturated sums of two frames, eight codes at a time, because the
    /// loop overhead matters.
    pub fn mix<const N: usize>(self, one: &[u8; N], two: &[u8; N], sums: &mut [u8; N]) {
        let Some(table) = self.prepare_pairs().first_chunk() else {
            return;
        };
        let word = |four: &[u8]| u32::from_le_bytes(four.try_into().unwrap_or_default());
        let eights = one.chunks_exact(8).zip(two.chunks_exact(8));
        for ((one, two), sums) in eights.zip(sums.chunks_exact_mut(8)) {
            let (first, second) = sums.split_at_mut(4);
            first.copy_from_slice(&mix_four(table, word(&one[..4]), word(&two[..4])).to_le_bytes());
            second
                .copy_from_slice(&mix_four(table, word(&one[4..]), word(&two[4..])).to_le_bytes());
        }
        for i in N / 8 * 8..N {
            sums[i] = mix_four(table, one[i].into(), two[i].into()) as u8;
        }
    }
}

/// Mixes four codes in a word with four others. Most of the cost of a frame is spent here; a
/// function call would add a fifth to it.
#[inline(always)]
fn mix_four(table: &PairTable, one: u32, two: u32) -> u32 {
    const EVEN: u32 = 0x00FF_00FF;
    let even = (one & EVEN) << 8 | two & EVEN;
    let odd = one & !EVEN | two >> 8 & EVEN;
    let sum = |pair: u32| u32::from(table[(pair & 0xFFFF) as usize]);
    sum(even) | sum(odd) << 8 | sum(even >> 16) << 16 | sum(odd >> 16) << 24
}

/// The bias of mu-law, in 16-bit samples.
const BIAS: i32 = 132;
/// The largest magnitude of mu-law, in 16-bit samples.
const CLIP: i32 = 32_635;

/// Codes are stored inverted: positive 0x80 to 0xFF, negative 0x00 to 0x7F.
fn encode_mu(sample: i32) -> u8 {
    let magnitude = sample.abs().min(CLIP) + BIAS;
    let segment = magnitude.ilog2() - 7;
    let code = (segment << 4) as u8 | (magnitude >> (segment + 3)) as u8 & 0x0F;
    !code ^ if sample < 0 { 0x80 } else { 0 }
}

/// Even bits and the sign are stored inverted. A-law has no zero: -1 mirrors 0.
fn encode_a(sample: i32) -> u8 {
    let magnitude = if sample < 0 { !sample } else { sample };
    let segment = magnitude.max(1).ilog2().saturating_sub(7);
    let code = (segment << 4) as u8 | (magnitude >> segment.max(1).wrapping_add(3)) as u8 & 0x0F;
    code ^ if sample < 0 { 0x55 } else { 0xD5 }
}

const fn decode_table(law: Law) -> [i16; 256] {
    let mut table = [0; 256];
    let mut code = 0;
    while code < 256 {
        table[code] = match law {
            Law::Mu => decode_mu(code as u8),
            Law::A => decode_a(code as u8),
        };
        code += 1;
    }
    table
}

const fn decode_mu(code: u8) -> i16 {
    let code = !code;
    let magnitude = ((((code & 0x0F) as i32) << 3) + BIAS) << ((code >> 4) & 7);
    let value = magnitude - BIAS;
    (if code & 0x80 != 0 { -value } else { value }) as i16
}

const fn decode_a(code: u8) -> i16 {
    let code = code ^ 0x55;
    let mantissa = ((code & 0x0F) as i32) << 4;
    let segment = (code >> 4) & 7;
    let value = if segment == 0 {
        mantissa + 8
    } else {
        (mantissa + 0x108) << (segment - 1)
    };
    (if code & 0x80 != 0 { value } else { -value }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(law: Law, sample: i32) -> u8 {
        law.encode_one(sample)
    }

    #[test]
    fn mixing_codes_is_mixing_samples() {
        for law in [Law::Mu, Law::A] {
            for one in 0..=255u8 {
                let (ones, twos) = ([one; 259], core::array::from_fn(|i| i as u8));
                let mut sums = [0; 259];
                law.mix(&ones, &twos, &mut sums);
                for (two, sum) in twos.iter().zip(sums) {
                    let sample = i32::from(law.decode_one(one)) + i32::from(law.decode_one(*two));
                    assert_eq!(
                        sum,
                        encode(law, sample.clamp(-32768, 32767)),
                        "{law:?} {one} {two}"
                    );
                }
            }
        }
    }

    // Values of ITU-T G.711 tables 1a and 2a, scaled to 16 bits.
    #[test]
    fn decodes_the_standards_values() {
        let mu = Law::Mu.decode_table();
        for (code, value) in [
            (0xFF, 0),
            (0x7F, 0),
            (0xFE, 8),
            (0x7E, -8),
            (0x80, 32124),
            (0x00, -32124),
            (0xEF, 132),
        ] {
            assert_eq!(mu[code], value, "PCMU {code:#x}");
        }
        let a = Law::A.decode_table();
        for (code, value) in [
            (0xD5, 8),
            (0x55, -8),
            (0xAA, 32256),
            (0x2A, -32256),
            (0xC5, 264),
        ] {
            assert_eq!(a[code], value, "PCMA {code:#x}");
        }
    }

    #[test]
    fn decoding_and_encoding_is_the_identity() {
        for code in 0..=255u8 {
            let a = encode(Law::A, i32::from(Law::A.decode_table()[usize::from(code)]));
            assert_eq!(a, code);
            let mu = encode(
                Law::Mu,
                i32::from(Law::Mu.decode_table()[usize::from(code)]),
            );
            assert_eq!(mu, if code == 0x7F { 0xFF } else { code });
        }
    }

    /// ITU-T G.711 gives decision values besides: each decoded value lies in the middle between two
    /// of them. So they follow from the decoder, and the encoder must keep to them for every
    /// sample.
    #[test]
    fn encodes_every_sample_between_its_decision_values() {
        for (law, first) in [(Law::Mu, 4), (Law::A, 16)] {
            let mut values: Vec<(i32, u8)> = (0x80..=0xFF)
                .map(|code: u8| (i32::from(law.decode_table()[usize::from(code)]), code))
                .collect();
            values.sort_unstable();
            let (mut low, mut high) = (0, first);
            for (value, code) in values {
                if high <= value {
                    (low, high) = (high, 2 * value - high);
                }
                let last = if value > 32_000 { 70_000 } else { high };
                for sample in low..last {
                    assert_eq!(encode(law, sample), code, "{law:?} {sample}");
                    // Negative samples mirror them; A-law has no zero, so that -1 stands against 0,
                    // and of mu-law's the 14-bit ones do.
                    let mirrored = if law == Law::A { -sample - 1 } else { -sample };
                    let whole = law == Law::A || sample % 4 == 0 && sample > 0;
                    assert!(
                        !whole || encode(law, mirrored) == code & 0x7F,
                        "{law:?} {mirrored}"
                    );
                }
            }
            assert!(high > 32_000);
        }
    }

    #[test]
    fn silence_is_the_quietest_code() {
        assert_eq!(encode(Law::Mu, 0), MU_SILENCE);
        assert_eq!(encode(Law::A, 0), A_SILENCE);
    }
}
