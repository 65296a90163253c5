//! G.722 at 64 kbit/s, decoded to 8 kHz: only the lower sub-band.
//!
//! G.722 splits 0-8 kHz into two bands at 4 kHz and codes each with ADPCM; the low six bits of each
//! byte belong to the lower band. The decoded lower band *is* the telephone band at 8000 samples a
//! second, so a G.711 recording needs neither the upper band nor the filter bank. The names of
//! blocks and tables are those of ITU-T G.722. The decoder has state: bytes must be decoded in
//! playout order.

/// The lower band's decoder.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Logarithmic scale factor.
    nb: i32,
    /// Linear scale factor.
    det: i32,
    /// Predicted signal, and the contribution of the zeros to it.
    s: i32,
    sz: i32,
    /// Reconstructed signal and partially reconstructed signal, newest first.
    r: [i32; 2],
    p: [i32; 2],
    /// Pole and zero coefficients, and the quantized differences to which the zeros apply.
    a: [i32; 2],
    b: [i32; 6],
    d: [i32; 6],
}

const WL: [i32; 8] = [-60, -30, 58, 172, 334, 538, 1198, 3042];
const RL42: [u8; 16] = [0, 7, 6, 5, 4, 3, 2, 1, 7, 6, 5, 4, 3, 2, 1, 0];
const ILB: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834,
    2896, 2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];
const QM4: [i32; 16] = [
    0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584,
    1200, 0,
];
const QM6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232,
    -9360, -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776,
    -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280,
    11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776,
    2400, 2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];

impl Default for Decoder {
    fn default() -> Self {
        Self {
            nb: 0,
            det: 32,
            s: 0,
            sz: 0,
            r: [0; 2],
            p: [0; 2],
            a: [0; 2],
            b: [0; 6],
            d: [0; 6],
        }
    }
}

impl Decoder {
    /// Decodes one byte to one 16-bit sample at 8 kHz.
    pub fn decode(&mut self, code: u8) -> i16 {
        let low = usize::from(code & 0x3F);
        let reconstructed = (self.s + ((self.det * QM6[low]) >> 15)).clamp(-16384, 16383);
        let difference = (self.det * QM4[low >> 2]) >> 15;
        self.scale(low >> 2);
        self.adapt(difference);
        i16::try_from(reconstructed * 2).unwrap_or(0)
    }

    /// LOGSCL and SCALEL: the quantiser's step for the next sample.
    fn scale(&mut self, code: usize) {
        self.nb = (((self.nb * 127) >> 7) + WL[usize::from(RL42[code])]).clamp(0, 18432);
        let mantissa = ILB[(self.nb >> 6) as usize & 31];
        let shift = 8 - (self.nb >> 11);
        self.det = if shift < 0 {
            mantissa << -shift
        } else {
            mantissa >> shift
        } << 2;
    }

    /// RECONS to PREDIC: the predictor's coefficients and its next prediction.
    fn adapt(&mut self, difference: i32) {
        let reconstructed = saturate(self.s + difference);
        let partial = saturate(self.sz + difference);
        let [p1, p2] = self.p;
        let [a1, a2] = self.a;

        let quadruple = saturate(a1 << 2);
        let turned = if (partial < 0) == (p1 < 0) {
            (-quadruple).min(32767)
        } else {
            quadruple
        };
        let step = if (partial < 0) == (p2 < 0) { 128 } else { -128 };
        let new_a2 = (step + (turned >> 7) + ((a2 * 32512) >> 15)).clamp(-12288, 12288);
        let step = if (partial < 0) == (p1 < 0) { 192 } else { -192 };
        let bound = saturate(15360 - new_a2);
        let new_a1 = saturate(step + ((a1 * 32640) >> 15)).clamp(-bound, bound);

        let step = if difference == 0 { 0 } else { 128 };
        for (b, d) in self.b.iter_mut().zip(self.d) {
            let towards = if (d < 0) == (difference < 0) {
                step
            } else {
                -step
            };
            *b = saturate(towards + ((*b * 32640) >> 15));
        }

        self.d.copy_within(0..5, 1);
        self.d[0] = difference;
        self.r = [reconstructed, self.r[0]];
        self.p = [partial, p1];
        self.a = [new_a1, new_a2];

        let poles =
            ((new_a1 * saturate(2 * self.r[0])) >> 15) + ((new_a2 * saturate(2 * self.r[1])) >> 15);
        let pairs = self.b.iter().zip(self.d);
        let zeros = pairs.map(|(b, d)| (b * saturate(2 * d)) >> 15);
        self.sz = saturate(zeros.sum());
        self.s = saturate(saturate(poles) + self.sz);
    }
}

fn saturate(value: i32) -> i32 {
    value.clamp(-32768, 32767)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Random;

    // 40 ms of a 1 kHz sine of amplitude 16 384, as another encoder (FFmpeg's) codes it.
    #[rustfmt::skip]
    const SINE: [u8; 320] = [
        183, 140, 33, 136, 34, 144, 160, 160, 32, 175, 200, 198, 201, 218, 232, 100, 230, 248, 204, 200, 203, 221,
        232, 101, 232, 250, 205, 138, 141, 223, 234, 102, 234, 253, 207, 139, 207, 190, 236, 104, 235, 255, 206, 140,
        207, 189, 236, 104, 236, 255, 207, 205, 145, 190, 238, 106, 238, 254, 209, 206, 147, 187, 111, 107, 239, 255,
        211, 144, 147, 251, 111, 236, 110, 253, 211, 144, 147, 123, 241, 235, 113, 252, 213, 144, 212, 254, 239, 237,
        112, 250, 148, 209, 150, 251, 241, 109, 112, 251, 148, 209, 151, 250, 243, 111, 242, 251, 214, 148, 214, 187,
        114, 238, 241, 122, 215, 150, 215, 188, 114, 240, 112, 252, 215, 147, 151, 254, 247, 113, 113, 255, 214, 147,
        215, 190, 249, 111, 245, 123, 213, 146, 216, 219, 242, 243, 115, 255, 217, 147, 152, 219, 242, 242, 115, 252,
        218, 148, 147, 252, 246, 241, 114, 253, 219, 147, 214, 156, 248, 110, 246, 250, 215, 149, 210, 158, 119, 244,
        112, 253, 151, 210, 211, 220, 254, 244, 115, 219, 217, 142, 148, 213, 252, 244, 121, 220, 209, 144, 143, 218,
        221, 124, 249, 216, 208, 141, 210, 149, 91, 250, 222, 218, 210, 143, 212, 208, 222, 121, 223, 221, 145, 210,
        146, 151, 125, 253, 121, 221, 148, 209, 211, 156, 92, 247, 247, 223, 220, 142, 217, 215, 248, 116, 246, 252,
        153, 210, 148, 215, 245, 119, 247, 251, 217, 148, 145, 223, 246, 247, 115, 251, 155, 214, 212, 154, 116, 240,
        243, 223, 252, 147, 149, 90, 245, 241, 246, 250, 153, 211, 216, 214, 243, 247, 115, 191, 220, 146, 152, 89,
        245, 240, 115, 254, 154, 215, 214, 220, 185, 109, 117, 251, 151, 217, 210, 191, 121, 239, 120, 183, 214, 213,
        150, 223, 243, 121, 238, 221, 219, 149, 212, 223, 243, 118,
    ];

    #[test]
    fn a_sine_comes_out_as_a_sine() {
        let mut decoder = Decoder::default();
        let samples: Vec<f64> = SINE
            .iter()
            .map(|code| f64::from(decoder.decode(*code)))
            .collect();
        let settled = &samples[80..];
        let (mut sine, mut cosine, mut energy) = (0.0, 0.0, 0.0);
        for (i, sample) in settled.iter().enumerate() {
            let phase = i as f64 * std::f64::consts::TAU * 1000.0 / 8000.0;
            sine += sample * phase.sin();
            cosine += sample * phase.cos();
            energy += sample * sample;
        }
        let amplitude = 2.0 * f64::hypot(sine, cosine) / settled.len() as f64;
        let rest = energy / settled.len() as f64 - amplitude * amplitude / 2.0;
        assert!(
            (amplitude / 16_384.0 - 1.0).abs() < 0.1,
            "amplitude {amplitude}"
        );
        assert!(
            rest < amplitude * amplitude / 2.0 / 1000.0,
            "noise is 30 dB down: {rest}"
        );
    }

    #[test]
    fn no_bytes_make_it_overflow() {
        let mut random = Random(1);
        let mut decoder = Decoder::default();
        for round in 0..1_000_000u32 {
            // Noise, then runs of one code, which drive the predictor to its bounds.
            let code = if round % 20_000 < 10_000 {
                random.next() as u32
            } else {
                round / 20_000
            };
            decoder.decode(code as u8);
        }
    }
}
