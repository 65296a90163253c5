//! Legs -> one frame of codes: the saturated sum of what is to be heard.

use crate::base::limits::{FRAME_SAMPLES, MAX_SOURCES};
use crate::base::stats::Stats;
use crate::proto::leg::Frame;
use crate::proto::sources::Sources;
use crate::wire::g711::Law;

/// The frames of the sources that are heard; kept, so that they need not be cleared for each frame.
pub struct Mixer {
    frames: [Frame; MAX_SOURCES],
}

impl Mixer {
    /// Room for every source.
    pub fn new() -> Self {
        Self { frames: [[0; FRAME_SAMPLES]; MAX_SOURCES] }
    }

    /// Mixes the frame that begins at `clock` (samples since the recording began) into `codes`.
    pub fn mix(
        &mut self,
        sources: &mut Sources,
        clock: i64,
        law: Law,
        codes: &mut [u8; FRAME_SAMPLES],
        stats: &mut Stats,
    ) {
        let mut heard = 0;
        for place in 0..MAX_SOURCES {
            heard += usize::from(sources.take(place, clock, &mut self.frames[heard], stats));
        }
        // Almost every frame has one or two legs: those are encoded as they are added.
        match &self.frames[..heard] {
            [] => codes.fill(law.silence()),
            [one] => law.encode(codes, |i| one[i].into()),
            [one, two] => law.encode(codes, |i| i32::from(one[i]) + i32::from(two[i])),
            all => law.encode(codes, |i| all.iter().map(|frame| i32::from(frame[i])).sum()),
        }
    }
}

impl Default for Mixer {
    fn default() -> Self {
        Self::new()
    }
}
