//! Several files read as one recording: their frames in order, and silence where some are missing.

use std::path::PathBuf;

use crate::recordings::join;
use crate::recordings::part::{AudioBlock, FileError, PartFile};
use crate::recordings::plan::{JoinPlan, Segment};
use crate::wire::g711::Law;
use crate::wire::recording::Codec;

/// Samples a second.
pub const RATE: u64 = 8000;

/// The files, and the order of their frames.
pub struct JoinedRecording {
    /// In the order in which they were named.
    pub parts: Vec<PartFile>,
    /// The order of their frames.
    pub plan: JoinPlan,
}

/// A stretch of a file's audio in the output.
pub struct Stretch {
    /// First sample, counted in the file.
    pub in_file: u64,
    /// First sample, counted in the output.
    pub in_output: u64,
    /// Number of samples.
    pub samples: u64,
}

impl JoinedRecording {
    /// Opens the files.
    pub fn open(paths: &[PathBuf]) -> Result<Self, FileError> {
        let mut parts = Vec::<PartFile>::new();
        for path in paths {
            parts.push(PartFile::open(path)?);
        }
        let scanned: Result<Vec<_>, _> = parts.iter().map(PartFile::scan).collect();
        let plan = join::plan(
            &scanned?,
            &mut |(file, frame), (other_file, other_frame)| {
                let one = parts[file].audio_of_frame(frame);
                let other = parts[other_file].audio_of_frame(other_frame);
                one.is_some() && one == other
            },
        );
        Ok(Self { parts, plan })
    }

    /// All files are G.711, of one law or of both.
    pub fn is_g711(&self) -> bool {
        let is_g711 = |part: &PartFile| matches!(part.codec, Codec::G711(_));
        self.parts.iter().all(is_g711)
    }

    /// All files have the same codec, and can be joined without decoding; or which one has another.
    pub fn check_one_codec(&self) -> Result<(), FileError> {
        let Some(first) = self.parts.first() else {
            return Ok(());
        };
        let Some(other) = self.parts.iter().find(|part| part.codec != first.codec) else {
            return Ok(());
        };
        let reason = format!(
            "is {}, the first one is {}; --pcm16 joins them",
            other.codec.name(),
            first.codec.name()
        );
        Err(FileError::new(&other.recording.path, &reason))
    }

    /// The law of all files, if they are G.711 of one law.
    pub fn law(&self) -> Option<Law> {
        let first = self
            .parts
            .first()
            .map_or(Codec::G711(Law::Mu), |part| part.codec);
        let is_one = self.parts.iter().all(|part| part.codec == first);
        match first {
            Codec::G711(law) if is_one => Some(law),
            Codec::G711(_) | Codec::G722 | Codec::G729 => None,
        }
    }

    /// Keeps only what lies between two samples.
    pub fn cut(&mut self, from: u64, to: u64) {
        let mut at = 0;
        let mut remaining = vec![];
        for segment in &self.plan.segments {
            let begin = at.max(from);
            let end = (at + segment.samples()).min(to);
            if begin < end {
                let frame_samples = |file: usize| self.parts[file].samples();
                remaining.push(segment.part(begin - at, end - begin, frame_samples));
            }
            at += segment.samples();
        }
        self.plan.segments = remaining;
    }

    /// Where the audio of a file is in the output.
    pub fn stretches(&self, wanted: usize) -> Vec<Stretch> {
        let mut at = 0;
        let mut stretches = vec![];
        for segment in &self.plan.segments {
            match segment {
                Segment::Frames {
                    file, run, skip, ..
                } if *file == wanted => stretches.push(Stretch {
                    in_file: run.first * u64::from(self.parts[*file].samples()) + skip,
                    in_output: at,
                    samples: segment.samples(),
                }),
                Segment::Frames { .. } | Segment::Silence(_) => {}
            }
            at += segment.samples();
        }
        stretches
    }

    /// Hands out the audio in order, until `take` fails.
    pub fn play<E: From<FileError>>(
        &self,
        take: &mut dyn FnMut(AudioBlock) -> Result<(), E>,
    ) -> Result<(), E> {
        for segment in &self.plan.segments {
            match segment {
                Segment::Silence(samples) => take(AudioBlock::Missing(*samples))?,
                Segment::Frames {
                    file,
                    run,
                    skip,
                    samples,
                } => self.parts[*file].play(run, *skip, *samples, take)?,
            }
        }
        Ok(())
    }
}
