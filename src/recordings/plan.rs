//! The order in which the frames of several files are played.

use crate::recordings::frame_runs::FrameRun;

/// A stretch of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Frames of a file.
    Frames {
        /// Index of the file.
        file: usize,
        /// Its first frame, and the number of frames.
        run: FrameRun,
        /// Samples of the first frame that are left out.
        skip: u64,
        /// Samples of output.
        samples: u64,
    },
    /// Samples of silence, in place of missing frames.
    Silence(u64),
}

/// The output, and what the user should know about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JoinPlan {
    /// In order.
    pub segments: Vec<Segment>,
    /// Frames left out because another file holds the same ones.
    pub repeated: u64,
    /// Changes to another source, or to timestamps too far away for silence in between.
    pub discontinuities: u64,
}

impl JoinPlan {
    /// Samples of output.
    pub fn samples(&self) -> u64 {
        self.segments.iter().map(Segment::samples).sum()
    }

    /// Samples of silence in place of missing frames.
    pub fn silence(&self) -> u64 {
        let silence = |segment: &Segment| match segment {
            Segment::Silence(samples) => *samples,
            Segment::Frames { .. } => 0,
        };
        self.segments.iter().map(silence).sum()
    }
}

impl Segment {
    /// Samples of output.
    pub fn samples(&self) -> u64 {
        match self {
            Self::Frames { samples, .. } | Self::Silence(samples) => *samples,
        }
    }

    /// A stretch of this one: `length` samples from sample `from` on. `frame_samples` are those of
    /// a frame of a file.
    pub fn part(&self, from: u64, length: u64, frame_samples: impl Fn(usize) -> u32) -> Self {
        match *self {
            Self::Silence(_) => Self::Silence(length),
            Self::Frames {
                file, run, skip, ..
            } => {
                let frame = frame_samples(file);
                let begin = skip + from;
                let end = begin + length;
                let left_out = begin / u64::from(frame);
                let run = FrameRun {
                    first: run.first + left_out,
                    frames: end.div_ceil(u64::from(frame)) - left_out,
                    head: run.head.map(|head| head.after(left_out, frame)),
                    ..run
                };
                Self::Frames {
                    file,
                    run,
                    skip: begin % u64::from(frame),
                    samples: length,
                }
            }
        }
    }
}
