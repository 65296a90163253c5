//! Packet loss concealment, similar to G.711 Appendix I: the last pitch period is repeated and
//! fades out within 60 ms; then follows silence. A recorder knows the audio after the gap, so the
//! end of the gap is cross-faded into it, and received samples are never modified.

use core::ops::Range;

use crate::base::limits::{FRAME_SAMPLES, LEG_HISTORY, MAX_CONCEALED};

/// Pitch periods that are searched: 66 to 200 Hz, as in Appendix I.
const PITCH: Range<usize> = 40..121;
/// Samples that are correlated to find the period: 20 ms.
const COMPARED: usize = 160;
/// No fading for the first 10 ms, then by a fifth every 10 ms.
const STEADY: i64 = 80;
/// Length of the cross-fade into the audio after the gap: 5 ms, the shortest period.
const LEAD_OVER: i64 = 40;
/// The history, a frame and one sample, and the look-ahead of the cross-fade.
const WINDOW: usize = LEG_HISTORY + FRAME_SAMPLES + 1 + PITCH.end;

/// Decoded samples around a gap; `None` where nothing was received.
pub struct Window {
    first: i64,
    samples: [Option<i16>; WINDOW],
}

impl Window {
    /// The samples around the frame that begins at `read`.
    pub fn around(read: i64, sample: impl Fn(i64) -> Option<i16>) -> Self {
        let first = read - LEG_HISTORY as i64;
        Self {
            first,
            samples: core::array::from_fn(|i| sample(first + i as i64)),
        }
    }

    /// The sample at a position; `None` also outside the window.
    pub fn at(&self, at: i64) -> Option<i16> {
        *self.samples.get(usize::try_from(at - self.first).ok()?)?
    }

    fn set(&mut self, at: i64, sample: i16) {
        let Ok(index) = usize::try_from(at - self.first) else {
            return;
        };
        if let Some(entry) = self.samples.get_mut(index) {
            *entry = Some(sample);
        }
    }

    fn heard(&self, at: i64) -> i64 {
        self.at(at).unwrap_or(0).into()
    }
}

/// A gap that is being filled, possibly over several frames.
#[derive(Clone, Debug, Default)]
pub struct Gap {
    open: Option<Open>,
}

#[derive(Clone, Debug)]
struct Open {
    start: i64,
    /// 0: nothing can be synthesized, the gap is silent.
    pitch: i64,
}

impl Gap {
    /// The last frame ended in a gap.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Fills the holes of `span`; returns the number of synthesized samples. `end` is the end of
    /// the source's audio.
    pub fn fill(&mut self, window: &mut Window, span: Range<i64>, end: i64) -> usize {
        let mut made_up = 0;
        for at in span {
            if window.at(at).is_some() {
                self.open = None;
                continue;
            }
            let open = self.open.get_or_insert_with(|| Open::at(window, at, end));
            made_up += usize::from(open.covers(at));
            let sample = open.sample(window, at);
            window.set(at, sample);
        }
        made_up
    }
}

impl Open {
    fn at(window: &Window, start: i64, end: i64) -> Self {
        let goes_on = start < end;
        let known = window.at(start - 1).is_some();
        Self {
            start,
            pitch: if goes_on && known {
                pitch(window, start)
            } else {
                0
            },
        }
    }

    fn covers(&self, at: i64) -> bool {
        self.pitch > 0 && at - self.start < MAX_CONCEALED as i64
    }

    fn sample(&self, window: &Window, at: i64) -> i16 {
        if !self.covers(at) {
            return 0;
        }
        let into = at - self.start;
        let pitch = self.pitch;
        let phase = into % pitch;
        let period = self.start - pitch + phase;
        // The last quarter of the period is cross-faded with the samples before its first one, so
        // that the period can be repeated without a click.
        let quarter = pitch / 4;
        let seam = (phase - (pitch - quarter)).max(0);
        let mut value = (window.heard(period) * (quarter - seam)
            + window.heard(period - pitch) * seam)
            / quarter;
        value = value * (MAX_CONCEALED as i64 - into.max(STEADY)) / (MAX_CONCEALED as i64 - STEADY);
        if let Some(left) = (1..=LEAD_OVER).find(|left| window.at(at + left).is_some()) {
            let ahead = window.heard(at + pitch);
            value = (value * left + ahead * (LEAD_OVER + 1 - left)) / (LEAD_OVER + 1);
        }
        i16::try_from(value).unwrap_or(0)
    }
}

/// The pitch period of the samples before `start`: the lag with the highest correlation.
fn pitch(window: &Window, start: i64) -> i64 {
    let mut past = [0i64; COMPARED + PITCH.end];
    for (back, to) in (1..).zip(past.iter_mut().rev()) {
        *to = window.heard(start - back) >> 2; // 14 bits: the sum of 160 products fits 36 bits
    }
    let recent = &past[PITCH.end..];
    let score = |lag: usize| {
        let earlier = &past[PITCH.end - lag..][..COMPARED];
        let pairs = recent.iter().zip(earlier);
        let (product, energy) = pairs.fold((0, 1), |(p, e), (a, b)| (p + a * b, e + b * b));
        // (product / sqrt(energy))^2 has the same order, without a square root.
        product.max(0) as f32 * product.max(0) as f32 / energy as f32
    };
    let best = PITCH.max_by(|a, b| score(*a).total_cmp(&score(*b)));
    best.map_or(0, |lag| lag as i64)
}
