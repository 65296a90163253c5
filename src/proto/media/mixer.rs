//! Mixes all sources into one frame of codes: the saturated sum of their samples.

use crate::base::limits::{FRAME_SAMPLES, MAX_SOURCES};
use crate::base::stats::Stats;
use crate::proto::media::jitter_buffer::packet::{FrameBuffers, FrameKind};
use crate::proto::media::sources::Sources;
use crate::wire::g711::Law;

type Codes = [u8; FRAME_SAMPLES];
type Sums = [i32; FRAME_SAMPLES];

/// Buffers for the frames of all sources; kept between calls, so that they need not be cleared for
/// each frame.
pub struct Mixer {
    heard: [Codes; MAX_SOURCES],
    samples: [i16; FRAME_SAMPLES],
}

impl Mixer {
    /// Room for every source.
    pub fn new() -> Self {
        Self {
            heard: [[0; FRAME_SAMPLES]; MAX_SOURCES],
            samples: [0; FRAME_SAMPLES],
        }
    }

    /// Mixes the frame that begins at `clock` (samples since the recording began) into `codes`.
    pub fn mix(
        &mut self,
        sources: &mut Sources,
        clock: i64,
        law: Law,
        codes: &mut Codes,
        stats: &mut Stats,
    ) {
        let mut laws = heapless::Vec::<Law, MAX_SOURCES>::new();
        let mut sums: Option<Sums> = None;
        for place in 0..sources.places() {
            let buffers = FrameBuffers {
                codes: &mut self.heard[laws.len()],
                samples: &mut self.samples,
            };
            match sources.take(place, clock, buffers, stats) {
                None => {}
                Some(FrameKind::Codes(law)) => drop(laws.push(law)),
                Some(FrameKind::Samples) => add(&mut sums, |i| self.samples[i]),
            }
        }
        // Almost every frame has one or two sources in the codec of the recording: then nothing is
        // decoded.
        match (&self.heard[..laws.len()], &mut sums) {
            ([], None) => codes.fill(law.silence()),
            ([one], None) if laws == [law] => *codes = *one,
            ([one, two], None) if laws == [law; 2] => law.mix(one, two, codes),
            (heard, sums) => {
                for (heard, law) in heard.iter().zip(&laws) {
                    add(sums, |i| law.decode_one(heard[i]));
                }
                let sums = sums.unwrap_or([0; FRAME_SAMPLES]);
                for (code, sum) in codes.iter_mut().zip(sums) {
                    *code = law.encode_one(sum);
                }
            }
        }
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}

fn add(sums: &mut Option<Sums>, sample: impl Fn(usize) -> i16) {
    let sums = sums.get_or_insert([0; FRAME_SAMPLES]);
    for (i, sum) in sums.iter_mut().enumerate() {
        *sum += i32::from(sample(i));
    }
}
