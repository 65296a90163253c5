//! G.711: PCMU (mu-law) and PCMA (A-law) <-> 16-bit linear samples.
//!
//! Tables, made at build time: decoding is one load; encoding folds the sign away and looks up the
//! magnitude at the law's finest step, so that it is exact with 4 KiB (mu) or 2 KiB (A) of table.

/// The two laws, which are also the codecs a recording can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// PCMU, payload type 0.
    Mu,
    /// PCMA, payload type 8.
    A,
}

/// What 0x7F and 0xFF decode to, both: PCMU has two zeros, of which 0xFF is sent.
pub const MU_SILENCE: u8 = 0xFF;
/// The smallest positive value: A-law has no zero.
pub const A_SILENCE: u8 = 0xD5;

static MU_DECODE: [i16; 256] = decode_table(Law::Mu);
static A_DECODE: [i16; 256] = decode_table(Law::A);
static MU_ENCODE: [u8; 4096] = mu_encode_table();
static A_ENCODE: [u8; 2048] = a_encode_table();

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

    /// Codes -> linear samples, as many as both slices have.
    pub fn decode(self, codes: &[u8], samples: &mut [i16]) {
        let table = self.decode_table();
        let (mut fours, mut places) = (codes.chunks_exact(4), samples.chunks_exact_mut(4));
        for (four, place) in fours.by_ref().zip(places.by_ref()) {
            place[0] = table[usize::from(four[0])];
            place[1] = table[usize::from(four[1])];
            place[2] = table[usize::from(four[2])];
            place[3] = table[usize::from(four[3])];
        }
        let done = codes.len().min(samples.len()) / 4 * 4;
        codes[done..].iter().zip(&mut samples[done..]).for_each(|(code, place)| *place = table[usize::from(*code)]);
    }

    /// One linear sample -> its code; what is out of 16 bits is saturated.
    pub fn encode_one(self, sample: i32) -> u8 {
        match self {
            Self::Mu => encode_mu(sample),
            Self::A => encode_a(sample),
        }
    }

    /// Linear samples, by their number, -> codes; sums out of 16 bits are saturated.
    pub fn encode<const N: usize>(self, codes: &mut [u8; N], sample: impl Fn(usize) -> i32) {
        match self {
            Self::Mu => encode_all(codes, |i| encode_mu(sample(i))),
            Self::A => encode_all(codes, |i| encode_a(sample(i))),
        }
    }
}

/// Four in a step, as `decode`: the firmware is compiled for size, which leaves loops as they are
/// written, and these two are most of what a frame costs.
fn encode_all<const N: usize>(codes: &mut [u8; N], code: impl Fn(usize) -> u8) {
    let mut i = 0;
    while i + 4 <= N {
        codes[i] = code(i);
        codes[i + 1] = code(i + 1);
        codes[i + 2] = code(i + 2);
        codes[i + 3] = code(i + 3);
        i += 4;
    }
    while i < N {
        codes[i] = code(i);
        i += 1;
    }
}

/// The bias of mu-law, in 16-bit samples.
const BIAS: i32 = 132;
/// The largest magnitude of mu-law, in 16-bit samples.
const CLIP: i32 = 32_635;

fn encode_mu(sample: i32) -> u8 {
    let sign = sample >> 31; // 0 or -1
    let magnitude = ((sample ^ sign) - sign).min(CLIP) + BIAS;
    let code = MU_ENCODE[(magnitude >> 3) as usize & 4095];
    // Codes are stored inverted: positive 0x80-0xFF, negative 0x00-0x7F.
    code ^ (sign as u8 & 0x80)
}

fn encode_a(sample: i32) -> u8 {
    let sign = sample >> 31;
    let magnitude = (sample ^ sign).min(i16::MAX as i32); // -1 counts as 0: A-law has no zero
    A_ENCODE[(magnitude >> 4) as usize & 2047] ^ (sign as u8 & 0x80)
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
    let value = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    (if code & 0x80 != 0 { value } else { -value }) as i16
}

/// The positive code for each biased magnitude / 8.
const fn mu_encode_table() -> [u8; 4096] {
    let mut table = [0xFF; 4096];
    let mut index = BIAS as usize >> 3;
    while index < 4096 {
        let mut segment = 0;
        while (index >> segment) > 31 {
            segment += 1;
        }
        table[index] = !(((segment as u8) << 4) | ((index >> segment) & 0x0F) as u8);
        index += 1;
    }
    table
}

/// The positive code for each magnitude / 16.
const fn a_encode_table() -> [u8; 2048] {
    let mut table = [0; 2048];
    let mut index = 0;
    while index < 2048 {
        let mut segment = 0;
        while (index >> segment) > 31 {
            segment += 1;
        }
        let code =
            if index < 16 { index as u8 } else { (((segment + 1) as u8) << 4) | ((index >> segment) & 0x0F) as u8 };
        table[index] = code ^ 0xD5;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(law: Law, sample: i32) -> u8 {
        let mut codes = [0; 7];
        law.encode(&mut codes, |_| sample);
        assert_eq!(codes, [law.encode_one(sample); 7]);
        codes[0]
    }

    // Values of ITU-T G.711 tables 1a and 2a, scaled to 16 bits.
    #[test]
    fn decodes_the_standards_values() {
        let mu = Law::Mu.decode_table();
        for (code, value) in [(0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0x80, 32124), (0x00, -32124), (0xEF, 132)] {
            assert_eq!(mu[code], value, "PCMU {code:#x}");
        }
        let a = Law::A.decode_table();
        for (code, value) in [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0xC5, 264)] {
            assert_eq!(a[code], value, "PCMA {code:#x}");
        }
    }

    #[test]
    fn decoding_and_encoding_is_the_identity() {
        for code in 0..=255u8 {
            let a = encode(Law::A, i32::from(Law::A.decode_table()[usize::from(code)]));
            assert_eq!(a, code);
            let mu = encode(Law::Mu, i32::from(Law::Mu.decode_table()[usize::from(code)]));
            assert_eq!(mu, if code == 0x7F { 0xFF } else { code });
        }
    }

    /// ITU-T G.711 gives decision values besides: each decoded value lies in the middle between two of
    /// them. So they follow from the decoder, and the encoder must keep to them for every sample.
    #[test]
    fn encodes_every_sample_between_its_decision_values() {
        for (law, first) in [(Law::Mu, 4), (Law::A, 16)] {
            let mut values: Vec<(i32, u8)> =
                (0x80..=0xFF).map(|code: u8| (i32::from(law.decode_table()[usize::from(code)]), code)).collect();
            values.sort_unstable();
            let (mut low, mut high) = (0, first);
            for (value, code) in values {
                if high <= value {
                    (low, high) = (high, 2 * value - high);
                }
                let last = if value > 32_000 { 70_000 } else { high };
                for sample in low..last {
                    assert_eq!(encode(law, sample), code, "{law:?} {sample}");
                    // Negative samples mirror them; A-law has no zero, so that -1 stands against 0.
                    let mirrored = if law == Law::A { -sample - 1 } else { -sample };
                    assert!(encode(law, mirrored) == code & 0x7F || mirrored == 0, "{law:?} {mirrored}");
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
