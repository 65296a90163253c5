//! Legs -> one frame of codes: the saturated sum of what is to be heard.

use crate::base::limits::{FRAME_SAMPLES, MAX_SOURCES};
use crate::base::stats::Stats;
use crate::proto::sources::Sources;
use crate::wire::g711::Law;

/// Mixes the frame that begins at `clock` (samples since the recording began) into `codes`.
pub fn mix(sources: &mut Sources, clock: i64, law: Law, codes: &mut [u8; FRAME_SAMPLES], stats: &mut Stats) {
    let mut sum = [0i32; FRAME_SAMPLES];
    let mut scratch = [0i16; FRAME_SAMPLES];
    let mut heard = 0;
    for place in 0..MAX_SOURCES {
        if let Some([head, tail]) = sources.take(place, clock, &mut scratch, stats) {
            let (first, second) = sum.split_at_mut(head.len());
            add(first, head, heard);
            add(second, tail, heard);
            heard += 1;
        }
    }
    if heard == 0 {
        codes.fill(law.silence());
    } else {
        law.encode(&sum, codes);
    }
}

fn add(sum: &mut [i32], samples: &[i16], heard: usize) {
    if heard == 0 {
        sum.iter_mut().zip(samples).for_each(|(to, sample)| *to = i32::from(*sample));
    } else {
        sum.iter_mut().zip(samples).for_each(|(to, sample)| *to += i32::from(*sample));
    }
}
